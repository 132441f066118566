"""A compiled fleet, or its parts one after the other → what the rules say of it, at the gate that asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import Facts, SnapshotFacts
from kmodgate.policy.config import Gate, PolicyException
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import FieldPath, Finding, Mode
from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.review import NO_CLOCK, ClusterTraits, Review
from kmodgate.policy.views.part import Map
from kmodgate.renderer.compile.cluster_policies import Policies
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.deliveries.hub.manifest_works import carried
from kmodgate.renderer.fleet.clusters.nodes import nodes_of
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.judge.hub_modules import HUB_RULES, HubModules, place_of, policy_rules
from kmodgate.renderer.judge.kernels_without_daemon_sets import kernels_without_daemon_sets
from kmodgate.renderer.judge.node_pools import judged, node_pool_configs, told_at_its_line
from kmodgate.renderer.judge.shared_images import ID as IMAGES_ID
from kmodgate.renderer.judge.shared_images import ImageSummary, image_findings
from kmodgate.renderer.judge.shared_modules import ID as MODULES_ID
from kmodgate.renderer.judge.shared_modules import module_findings
from kmodgate.renderer.judge.shared_views import SharedViews
from kmodgate.renderer.judge.specs_as_modules import RULES, SpecsAsModules
from kmodgate.renderer.manifests.manifest import Identity, Manifest
from kmodgate.renderer.manifests.shared_findings import SharedFindings
from kmodgate.schemas.compiled import any_schema

Before = Mapping[tuple[str, Identity], Manifest]
"""Objects as they were before a change, by cluster and identity."""

_UNSIGNED = "SGN202"


_NEWEST = Release()


def traits_of(cluster: Cluster, *, unknown: Release = _NEWEST) -> ClusterTraits:
    """Return what rules look at of a cluster; `unknown` is the release where the spec names no KMM."""
    return ClusterTraits(cluster.release or unknown, cluster.topology, cluster.platform, any_schema)


class FleetJudge:
    """The rules of one gate, with the policy of each cluster; clusters of one policy share an engine.

    `only` names the rules that are asked, where not all are.
    """

    def __init__(
        self, policies: Policies, gate: Gate, now: datetime = NO_CLOCK, only: Collection[str] | None = None
    ) -> None:
        self._policies = policies
        self._gate: Gate = gate
        self.now = now
        self._only = only
        self._engines: dict[int, Engine] = {}
        self._partial_engines: dict[tuple[int, frozenset[str]], Engine] = {}

    def engine(self, cluster: Cluster) -> Engine:
        """Return the engine of a cluster."""
        policy = self._policies.policy(cluster.name)
        if id(policy) not in self._engines:
            self._engines[id(policy)] = Engine(policy, self._gate, self._only)
        return self._engines[id(policy)]

    @property
    def used_exceptions(self) -> set[PolicyException]:
        """The exceptions that held for a finding so far."""
        engines = (*self._engines.values(), *self._partial_engines.values())
        return {item for engine in engines for item in engine.used_exceptions}

    def engine_of(self, cluster: Cluster, rules: frozenset[str]) -> Engine:
        """Return the engine of a cluster that asks some rules only."""
        policy = self._policies.policy(cluster.name)
        key = id(policy), rules
        if key not in self._partial_engines:
            asked = rules if self._only is None else rules & {*self._only}
            self._partial_engines[key] = Engine(policy, self._gate, asked)
        return self._partial_engines[key]

    def refuses_unsigned(self, cluster: Cluster, module: Map) -> bool:
        """Whether Secure Boot counts against a Module without `sign`: neither spec nor exception says it is signed."""
        engine = self.engine(cluster)
        if Review(module, parameters=engine.policy.parameters).signed_elsewhere:
            return False
        return engine.tells(_UNSIGNED, module, self.now)

    def judge(
        self, compiled: CompiledFleet, before: Before | None = None, dumps: Mapping[str, Dump] | None = None
    ) -> Iterator[Finding]:
        """Yield the findings about the objects that drivers cause.

        `before` has the objects as they were, as far as that is known; `dumps` what is known of each cluster beside the
        fleet, by its name.
        """
        judgement = self.in_parts(before, dumps)
        yield from judgement.part(compiled)
        yield from judgement.end(lambda: [compiled])

    def in_parts(self, before: Before | None = None, dumps: Mapping[str, Dump] | None = None) -> Judgement:
        """Return a judgement for a fleet that is compiled in parts; the arguments are those of `judge`."""
        return Judgement(self, before or {}, dumps or {})

    def asks(self, rule: str) -> bool:
        """Whether a rule is asked."""
        return self._only is None or rule in self._only


class Judgement:
    """What the rules say of a fleet whose parts come one after the other; it keeps no part."""

    def __init__(self, judge: FleetJudge, before: Before, dumps: Mapping[str, Dump]) -> None:
        self._judge = judge
        self._before = before
        self._dumps = dumps
        self._alike = SharedFindings()
        self._views = SharedViews()
        self._of_spokes: list[Finding] = []
        self._images = ImageSummary()
        self._specs = SpecsAsModules(lambda cluster: judge.engine_of(cluster, RULES), judge.now)

    def part(self, compiled: CompiledFleet) -> Iterator[Finding]:
        """Yield the findings about the objects of single clusters of a part."""
        hubs = HubModules(compiled, lambda cluster: _traits(compiled, cluster), self._judge.now)
        for cluster in compiled.fleet.clusters:
            dump = self._dumps.get(cluster.name)
            if manifests := compiled.of_drivers[cluster.name]:
                was = {item: self._before.get((cluster.name, item.identity)) for item in manifests}
                traits = _traits(compiled, cluster)
                for item, old in was.items():
                    self._add(cluster, item, old, traits)
                yield from self._by_facts(compiled, cluster, traits, was, dump)
            yield from self._by_hubs(compiled, cluster, hubs, dump)
        self._of_spokes += hubs.by_policies(lambda cluster: self._judge.engine_of(cluster, policy_rules()))
        yield from self._specs.findings(compiled, lambda cluster: _traits(compiled, cluster), self._dumps)
        yield from kernels_without_daemon_sets(compiled.targets, self._dumps)
        if self._judge.asks(IMAGES_ID):
            self._images.add(compiled)
        for manifest, finding in module_findings(compiled) if self._judge.asks(MODULES_ID) else ():
            yield from self._over_fleet(compiled.fleet.clusters, manifest, finding)

    def end(self, parts: Callable[[], Iterable[CompiledFleet]]) -> Iterator[Finding]:
        """Yield the findings about objects that clusters share.

        `parts` compiles all of them once more, which is rarely needed: for images that clusters make differently.
        """
        told = set()
        for finding in self._alike.findings():
            told.add(place_of(finding))
            yield finding
        yield from (finding for finding in self._of_spokes if place_of(finding) not in told)
        if self._images.suspicious:
            clusters, objects = self._images.makers(parts())
            for manifest, finding in image_findings(clusters, objects):
                yield from self._over_fleet(clusters, manifest, finding)

    def _add(self, cluster: Cluster, manifest: Manifest, old: Manifest | None, traits: ClusterTraits) -> None:
        """Judge an object once for all clusters that are alike."""
        engine = self._judge.engine(cluster)

        def find() -> Iterator[Finding]:
            review = Review(
                manifest.value,
                None if old is None else old.value,
                "CREATE" if old is None else "UPDATE",
                traits,
                parameters=engine.policy.parameters,
                in_tree=True,
                now=self._judge.now,
            )
            return (_at_origin(manifest, *judged) for judged in _judged(engine, review, manifest))

        self._alike.add(manifest, (old, traits, engine), cluster.name, find)

    def _over_fleet(self, clusters: Iterable[Cluster], manifest: Manifest, finding: Finding) -> Iterator[Finding]:
        """The finding, once for each mode that the policies of its clusters give it."""
        by_mode: dict[Mode, list[str]] = {}
        for cluster in clusters:
            if cluster.name in finding.clusters:
                mode = self._judge.engine(cluster).mode_over_fleet(finding.rule, manifest.value, self._judge.now)
                by_mode.setdefault(mode, []).append(cluster.name)
        by_mode.pop(Mode.DISABLED, None)
        for mode, names in by_mode.items():
            yield replace(finding, mode=mode, clusters=tuple(names))

    def _by_facts(
        self,
        compiled: CompiledFleet,
        cluster: Cluster,
        traits: ClusterTraits,
        was: Mapping[Manifest, Manifest | None],
        dump: Dump | None,
    ) -> Iterator[Finding]:
        engine, names = self._judge.engine(cluster), (cluster.name,)
        at_boot = node_pool_configs(compiled, cluster)
        facts = facts_of(cluster, was, dump, [*(value for _, value in at_boot), *_of_hub(compiled, cluster)])
        yield from judged(at_boot, cluster, traits, engine, facts, self._judge.now)
        known = [old.value for old in was.values() if old is not None]
        before = SnapshotFacts(known) if known else None
        for manifest in was:
            is_new = dump is not None and not dump.holds(manifest.value)
            review = Review(
                manifest.value,
                cluster=traits,
                parameters=engine.policy.parameters,
                facts=facts,
                now=self._judge.now,
                before=before,
                is_new=is_new,
            )
            self._views.give(manifest, review)
            for finding, path in engine.judge_by_facts(review):
                yield manifest.at_origin(finding, path, names)
            self._views.keep(manifest, review)

    def _by_hubs(
        self, compiled: CompiledFleet, cluster: Cluster, hubs: HubModules, dump: Dump | None
    ) -> Iterator[Finding]:
        """What the facts of a spoke say of the Modules that it gets, and those of a hub of what it makes them with."""
        delivered = hubs.delivered(cluster)
        if delivered:
            facts = facts_of(cluster, [*compiled.of_drivers[cluster.name], *delivered], dump)
            yield from hubs.by_facts(cluster, self._judge.engine(cluster), facts, dump)
        if cluster.is_hub:
            facts = facts_of(cluster, compiled.of_drivers[cluster.name], dump)
            yield from hubs.on_hub(cluster, self._judge.engine_of(cluster, HUB_RULES), facts)


def _judged(engine: Engine, review: Review, manifest: Manifest) -> Iterator[tuple[Finding, FieldPath]]:
    """Yield the findings about an object, but those of a driver's DaemonSet that its spec tells of for all kernels."""
    by_spec = manifest.identity.kind == "DaemonSet" and bool(driver_of(manifest.value))
    return ((finding, path) for finding, path in engine.judge(review) if not (by_spec and finding.rule in RULES))


def _at_origin(manifest: Manifest, finding: Finding, path: FieldPath) -> Finding:
    """The finding with its place. What a ManifestWork carries is named itself, so that all spokes are one finding."""
    if (inner := carried(manifest, path)) is not None:
        spoke, content, below = inner
        return content.at_origin(replace(finding, object=str(content.identity)), below, (spoke,))
    return told_at_its_line(manifest, manifest.at_origin(finding, path))


def _traits(compiled: CompiledFleet, cluster: Cluster) -> ClusterTraits:
    """Return what rules look at of a cluster, with the release of its ImageService."""
    service, traits = compiled.services.get(cluster.name), traits_of(cluster)
    return replace(traits, ims_version=service.release.version) if service else traits


def _of_hub(compiled: CompiledFleet, cluster: Cluster) -> list[JsonMap]:
    """The Modules that the hub of a cluster makes there."""
    return [manifest.value for manifest in compiled.delivered[cluster.name] if driver_of(manifest.value)]


def facts_of(
    cluster: Cluster, manifests: Collection[Manifest], dump: Dump | None, more: Collection[JsonMap] = ()
) -> Facts:
    """Return what a fleet knows of a cluster: what it makes there or for it, the nodes of the spec, and a dump."""
    objects = [*(manifest.value for manifest in manifests), *more]
    return SnapshotFacts(objects, nodes=nodes_of(cluster), dump=dump.facts if dump else None)
