"""Fleet → the manifests of every cluster, with everything that is wrong with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kmodgate.policy.cluster.facts import Facts, SnapshotFacts
from kmodgate.policy.config import Platform
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import FieldPath, Finding, format_path
from kmodgate.policy.kmm.versions import Release, unsupported
from kmodgate.policy.review import NO_CLOCK, Review
from kmodgate.renderer.compile import attached_objects, content_hashes, kmm
from kmodgate.renderer.compile.folders import by_folder
from kmodgate.renderer.compile.manifest import Identity, Manifest
from kmodgate.renderer.fleet.load import Fleet
from kmodgate.renderer.fleet.nodes import nodes_of
from kmodgate.renderer.fleet.referenced_files import Sources, read_sources
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.fleet.targets import Target, Variant, targets
from kmodgate.renderer.wording import listed
from kmodgate.schemas.compiled import object_schema

EngineOf = Callable[[Cluster], Engine]
"""The engine of a cluster."""

FactsOf = Callable[[Cluster, list[Manifest]], Facts | None]
"""What is known of a cluster for which these objects are made; None where rules that need facts are not to run."""

Extra = Callable[[str, Sequence[Target]], Iterable[Manifest]]
"""What a cluster gets beside its drivers, by its name and its targets, absent ones included."""

Before = Callable[[str, Identity], Manifest | None]
"""The object of a cluster as it was, if it is known."""


@dataclass(frozen=True)
class Judging:
    """How a gate judges what is compiled, and what it gives a cluster beside its drivers."""

    engine: EngineOf
    before: Before = lambda *_: None
    facts: FactsOf = lambda *_: None
    extra: Extra = lambda *_: ()
    now: datetime = NO_CLOCK


class Compiler:
    """Compiles the targets of one fleet; clusters that share a variant share its manifests."""

    def __init__(self, fleet: Fleet, findings: list[Finding], judging: Judging) -> None:
        self.fleet = fleet
        self.findings = findings
        self.judging = judging
        self._judged: dict[tuple[Manifest, Manifest | None, Release, str, Platform, Engine], list[Cluster]] = {}
        self._sources: dict[Variant, Sources] = {}
        self._manifests: dict[tuple[Variant, Platform], list[Manifest]] = {}
        self._modules: dict[Variant, Manifest] = {}
        self._unsupported: dict[tuple[Variant, Release], list[str]] = defaultdict(list)

    def clusters(self, targets: Iterable[Target]) -> dict[str, list[tuple[str, Manifest]]]:
        """Folder and manifest of every object, by cluster; every cluster of the fleet has its list."""
        by_cluster: dict[str, list[Target]] = {cluster.name: [] for cluster in self.fleet.clusters}
        for target in targets:
            by_cluster[target.cluster.name].append(target)
        result = {name: list(self._cluster(name, found)) for name, found in by_cluster.items()}
        self.findings.extend(self._version_findings())
        for (manifest, old, *_), alike in self._judged.items():
            self.findings += self._judge(manifest, old, alike)
        return result

    def _cluster(self, name: str, targets: list[Target]) -> Iterator[tuple[str, Manifest]]:
        manifests = [manifest for target in targets if not target.is_absent for manifest in self._target(target)]
        if manifests:
            self._judge_all(targets[0].cluster, manifests)
        yield from by_folder(name, [*manifests, *self.judging.extra(name, targets)], self.findings)

    def _target(self, target: Target) -> list[Manifest]:
        variant, cluster = target.variant, target.cluster
        release = release_of(cluster)
        if release is None:
            self.findings.append(_no_operator(target))
        elif release.is_known:
            self._unsupported[variant, release].append(cluster.name)
        return self._of_variant(variant, cluster.platform)

    def _judge_all(self, cluster: Cluster, manifests: list[Manifest]) -> None:
        facts = self.judging.facts(cluster, manifests)
        release = release_of(cluster) or Release()
        engine = self.judging.engine(cluster)
        was = {manifest.identity: self.judging.before(cluster.name, manifest.identity) for manifest in manifests}
        known = [old.value for old in was.values() if old is not None]
        before = SnapshotFacts(known) if known else None
        for manifest in manifests:
            old = was[manifest.identity]
            key = (manifest, old, release, cluster.topology, cluster.platform, engine)
            self._judged.setdefault(key, []).append(cluster)  # judged once for all clusters that are alike
            if facts is not None:
                self._judge_by_facts(manifest, cluster, release, facts, before)

    def _judge_by_facts(
        self, manifest: Manifest, cluster: Cluster, release: Release, facts: Facts, before: Facts | None
    ) -> None:
        schema = object_schema(manifest.value)
        review = Review(
            manifest.value,
            release=release,
            schema=schema,
            topology=cluster.topology,
            facts=facts,
            now=self.judging.now,
            before=before,
            platform=cluster.platform,
        )
        found = self.judging.engine(cluster).judge_by_facts(review)
        self.findings += [replace(_at_origin(manifest, *judged), clusters=(cluster.name,)) for judged in found]

    def _judge(self, manifest: Manifest, old: Manifest | None, alike: list[Cluster]) -> Iterator[Finding]:
        """What the rules say of a manifest that these clusters share; they are alike in all that rules look at."""
        one = alike[0]
        review = Review(
            manifest.value,
            None if old is None else old.value,
            "CREATE" if old is None else "UPDATE",
            release_of(one) or Release(),
            object_schema(manifest.value),
            one.topology,
            in_tree=True,
            now=self.judging.now,
            platform=one.platform,
        )
        names = tuple(cluster.name for cluster in alike)
        for judged in self.judging.engine(one).judge(review):
            yield replace(_at_origin(manifest, *judged), clusters=names)

    def _of_variant(self, variant: Variant, platform: Platform) -> list[Manifest]:
        sources = self._read(variant)
        key = (variant, platform)
        if key not in self._manifests:
            found = kmm.manifests(variant, sources, platform)
            self._modules[variant] = found[-1]
            if variant.spec.get("contentTag"):
                self.findings.extend(_untaggable(variant))
            place = kmm.namespace_of(variant)
            found += [attached_objects.manifest(variant, document, place) for document in sources.attached]
            self._manifests[key] = found
        return self._manifests[key]

    def _read(self, variant: Variant) -> Sources:
        """What the variant refers to, without what cannot be read."""
        if variant not in self._sources:
            self._sources[variant] = read_sources(self.fleet.files, variant, self.findings)
        return self._sources[variant]

    def _version_findings(self) -> Iterator[Finding]:
        for (variant, release), clusters in self._unsupported.items():
            if variant in self._modules:
                yield from _version_problems(self._modules[variant], release, clusters)


def cluster_findings(clusters: Iterable[Cluster]) -> Iterator[Finding]:
    """Versions of KMM that no cluster can have."""
    for cluster in clusters:
        release = release_of(cluster)
        if release is not None and not release.is_known:
            flavour = "Red Hat's build" if release.redhat else "upstream KMM"
            yield finding_at(
                cluster.document,
                ("spec", "kmm", "version"),
                "SCH104",
                f"{release.kmm} is not a version of {flavour} that kmodgate knows",
                f"one of: {', '.join(release.known)}",
            )


def release_of(cluster: Cluster) -> Release | None:
    if cluster.kmm is None:
        return None
    return Release(cluster.kmm.version, cluster.kmm.flavour == "redhat", cluster.kubernetes)


def _no_operator(target: Target) -> Finding:
    name = target.cluster.name
    return finding_at(
        target.variant.driver.document,
        ("spec", "clusters"),
        "REF006",
        f"cluster {name} has no KMM to deliver the driver with",
        f"say which KMM it has ({target.cluster.document.file}: spec.kmm), or leave it out",
    )


def _version_problems(module: Manifest, release: Release, clusters: list[str]) -> Iterator[Finding]:
    for problem in unsupported(module.value, release):
        finding = Finding("SCH106", f"{problem.message} ({listed(clusters, 3)})", problem.fix, str(module.identity))
        yield _at_origin(module, finding, problem.path)


def _untaggable(variant: Variant) -> Iterator[Finding]:
    document = variant.driver.document
    images = content_hashes.built_images(variant.spec)
    if not images:
        path = variant.place(("contentTag",))[0]
        yield finding_at(
            document, path, "IMG001", "nothing is built or signed whose tag could change", "remove contentTag"
        )
    for path, image in images:
        if not content_hashes.has_tag(image):
            place = variant.place(path)[0]
            message = (
                f"contentTag needs a tag to append to: {image}" if image else "contentTag needs an image with a tag"
            )
            yield finding_at(document, place, "IMG001", message, "give the image a tag and no digest")


def _at_origin(manifest: Manifest, finding: Finding, path: FieldPath) -> Finding:
    """The finding with the place in a spec that caused the field."""
    origin = manifest.trace(path)
    return replace(
        finding,
        field=format_path(path),
        spec_field=format_path(origin.path),
        file=origin.file,
        line=origin.line,
        column=origin.column,
    )


Compiled = dict[str, list[tuple[str, Manifest]]]
"""Folder and manifest of every object, by cluster."""


def compile_fleet(fleet: Fleet, findings: list[Finding], judging: Judging) -> tuple[list[Target], Compiled]:
    """The whole fleet, compiled and judged; everything that is wrong with any of its specs goes to `findings`."""
    findings += cluster_findings(fleet.clusters)
    found = targets(fleet, findings)
    return found, Compiler(fleet, findings, judging).clusters(found)


def fleet_facts(
    cluster: Cluster, manifests: list[Manifest], more: Iterable[JsonMap] = (), complete: Iterable[str] = ()
) -> Facts:
    """What a fleet knows of a cluster: what it makes there, and the nodes if the spec has some; `more` is of a dump."""
    objects = [*(manifest.value for manifest in manifests), *more]
    return SnapshotFacts(objects, complete, nodes_of(cluster))
