"""What the rules say of the Modules that a hub makes: on spokes by their policies and facts, on the hub by its own.

The hub builds and signs in the namespace of its operator, and the Module of a spoke says nothing of it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import Facts
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import FieldPath, Finding, Mode
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.policy.views.module import ModuleView
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.deliveries.hub.hub_module import operator_namespace, without_signing
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.manifests.manifest import Manifest

HUB_RULES = frozenset(("REF101", "REF102", "REF103", "SGN301", "SGN302", "SGN303"))
"""The rules about what a hub builds and signs with."""

_HUB_KIND = "ManagedClusterModule"

Place = tuple[str, str, int, int, Mode]
"""Rule, file, line, column and mode of a finding."""


@cache
def policy_rules() -> frozenset[str]:
    """Return the rules that a policy gives parameters, by which a spoke may refuse what its hub has let in."""
    load_rules()
    return frozenset(item.id for item in RULES.values() if item.parameter and not item.facts)


def place_of(finding: Finding) -> Place:
    """Return what makes a finding the same for a spoke as for its hub."""
    return finding.rule, finding.file, finding.line, finding.column, finding.mode


class HubModules:
    """Judges the Modules; spokes that are alike share what is found."""

    def __init__(self, compiled: CompiledFleet, traits: Callable[[Cluster], ClusterTraits], now: datetime) -> None:
        self._compiled = compiled
        self._traits = traits
        self._now = now
        self._admitted: dict[Manifest, Manifest] = {}
        self._signed: set[Manifest] = set()

    def delivered(self, cluster: Cluster) -> list[Manifest]:
        """Return what a spoke gets from its hub, as its API server is asked to admit it."""
        return [self._as_admitted(item) for item in self._compiled.delivered[cluster.name]]

    def by_facts(self, cluster: Cluster, engine: Engine, facts: Facts, dump: Dump | None) -> Iterator[Finding]:
        """Yield what the facts of a spoke say of the Modules that its hub makes there."""
        for manifest in filter(_is_driver, self.delivered(cluster)):
            is_new = dump is not None and not dump.holds(manifest.value)
            traits = self._traits(cluster)
            review = Review(manifest.value, cluster=traits, facts=facts, now=self._now, is_new=is_new)
            for finding, path in engine.judge_by_facts(review):
                yield replace(self._placed(manifest, finding, path), clusters=(cluster.name,))

    def by_policies(self, engine: Callable[[Cluster], Engine]) -> Iterator[Finding]:
        """Yield what the policies of spokes say of these Modules, also where the same is told of the hub."""
        alike: dict[tuple[Manifest, ClusterTraits, Engine], list[str]] = {}
        for cluster in self._compiled.fleet.clusters:
            for manifest in filter(_is_driver, self.delivered(cluster)):
                alike.setdefault((manifest, self._traits(cluster), engine(cluster)), []).append(cluster.name)
        for (manifest, traits, asked), names in alike.items():
            for finding, path in asked.judge(Review(manifest.value, cluster=traits, in_tree=True, now=self._now)):
                yield replace(self._placed(manifest, finding, path), clusters=tuple(names))

    def on_hub(self, hub: Cluster, engine: Engine, facts: Facts) -> Iterator[Finding]:
        """Yield what the facts of a hub say of that with which it builds and signs, in its operator's namespace."""
        for manifest in self._compiled.of_drivers[hub.name]:
            if manifest.identity.kind != _HUB_KIND:
                continue
            metadata = {"name": manifest.identity.name, "namespace": operator_namespace(hub)}
            spec = ModuleView(manifest.value).spec.value
            module = {"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": metadata, "spec": spec}
            review = Review(module, cluster=self._traits(hub), facts=facts, now=self._now)
            for finding, path in engine.judge_by_facts(review):
                if "serviceAccountName" not in path:  # an account of the spokes
                    finding = replace(finding, object=str(manifest.identity))
                    placed = manifest.at_origin(finding, ("spec", "moduleSpec", *path[1:]))
                    yield replace(placed, clusters=(hub.name,))

    def _placed(self, manifest: Manifest, finding: Finding, path: FieldPath) -> Finding:
        """The finding at its place in the spec. Where the hub signs, not `sign` is missing, but a file in it."""
        if path[-1:] == ("sign",) and manifest in self._signed and finding.fix.startswith("add sign"):
            path = ("spec", "moduleLoader", "container", "sign", "filesToSign")
            message = "not all that is loaded is signed by the hub, so that nothing shows on the spokes that it is"
            finding = replace(finding, message=message, fix="name the file of every module that is loaded")
        return manifest.at_origin(finding, path)

    def _as_admitted(self, manifest: Manifest) -> Manifest:
        if not _is_driver(manifest):
            return manifest
        if manifest not in self._admitted:
            self._admitted[manifest] = replace(manifest, value=without_signing(manifest.value))
            if ModuleView(manifest.value).signs:
                self._signed.add(self._admitted[manifest])
        return self._admitted[manifest]


def _is_driver(manifest: Manifest) -> bool:
    return bool(driver_of(manifest.value))
