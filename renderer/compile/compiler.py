"""Fleet → the manifests of every cluster. The gates judge them afterwards (renderer/judge)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding
from kmodgate.renderer.compile.argocd import argocd_files, argocd_findings
from kmodgate.renderer.compile.cluster_policies import Policies
from kmodgate.renderer.compile.delivered_objects import (
    delivered_objects,
    delivered_twice,
    pull_secrets_twice,
    works_of_one_name,
)
from kmodgate.renderer.compile.fleet_parts import fleet_parts
from kmodgate.renderer.compile.folders import by_folder
from kmodgate.renderer.compile.mirrors.mirror_findings import mirror_findings
from kmodgate.renderer.compile.mirrors.mirror_sets import mirror_sets
from kmodgate.renderer.compile.mirrors.rewriting import Mirroring
from kmodgate.renderer.compile.operator_install.install import FOLDER as OPERATOR_FOLDER
from kmodgate.renderer.compile.operator_install.install import operator_handover, operator_objects
from kmodgate.renderer.compile.target_objects import TargetObjects
from kmodgate.renderer.deliveries.boot.problems import hosting_problems
from kmodgate.renderer.deliveries.delivery import as_modules
from kmodgate.renderer.deliveries.hub import spoke_findings
from kmodgate.renderer.deliveries.hub.hub_module import selected_spokes
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget, service_targets
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.fleet.targets.targets import MergedSpec, Target, targets
from kmodgate.renderer.manifests.handover import HandoverFile
from kmodgate.renderer.manifests.manifest import Identity, Manifest

if TYPE_CHECKING:
    from kmodgate.renderer.compile.image_services.service import CompiledService


@dataclass(frozen=True, slots=True)
class CompiledFleet:
    """A fleet, its targets, and the objects and the ImageService of each cluster, by the name of the cluster.

    Where it is a part of a fleet, clusters and targets are those of the part, and the other specs those of the whole.

    `placed` has folder and manifest of every object, each once; `of_drivers` what the drivers, the ImageService and the
    spec of the cluster cause, before objects that several of them share are merged. `handover` has the files that a
    site merges or applies by hand. `delivered` is what the cluster gets through objects of another one, its hub.
    """

    fleet: Fleet
    targets: list[Target]
    placed: dict[str, list[tuple[str, Manifest]]]
    of_drivers: dict[str, list[Manifest]]
    services: dict[str, ServiceTarget]
    handover: dict[str, list[HandoverFile]]
    delivered: dict[str, list[Manifest]]
    _modules: dict[tuple[Manifest, ...], Manifest | None] = field(default_factory=dict, repr=False)

    def modules(self, cluster: str) -> list[Manifest]:
        """Return the Module of each driver of a cluster, or the Module that loads as its DaemonSets do.

        Those that its hub makes there are among them.
        """
        own = (manifest for _, manifest in self.placed.get(cluster, ()))
        return list(as_modules((*own, *self.delivered.get(cluster, ())), self._modules))

    def objects(self, cluster: str) -> Mapping[Identity, Manifest]:
        """Return the objects of a cluster; none where there is no such cluster."""
        return {manifest.identity: manifest for _, manifest in self.placed.get(cluster, ())}

    def handed_over(self, cluster: str) -> Mapping[Identity, Manifest]:
        """Return what the handover of a cluster holds, files that are no objects included."""
        return {file.content.identity: file.content for file in self.handover.get(cluster, ())}


def compile_fleet(fleet: Fleet, findings: list[Finding], policies: Policies | None = None) -> CompiledFleet:
    """Compile the whole fleet; everything that is wrong with its specs goes to `findings`.

    With `policies` each cluster also gets its policy, as the webhook mounts it.
    """
    compiler = _Compiler(fleet, findings, policies)
    compiled = compiler.part(fleet.clusters)
    compiler.end()
    return compiled


def compile_parts(fleet: Fleet, findings: list[Finding], policies: Policies | None = None) -> Iterator[CompiledFleet]:
    """Compile a fleet as `compile_fleet` does, and yield it in parts, each cluster in one of them.

    Whoever drops each part never holds the objects of a large fleet at once: only clusters that share objects keep them
    alive. The findings are complete after the last part.
    """
    compiler = _Compiler(fleet, findings, policies)
    for clusters in fleet_parts(fleet.clusters):
        yield compiler.part(clusters)
        compiler.forget(clusters)
    compiler.end()


class _Compiler:
    """Compiles the clusters of one fleet, some at a time."""

    def __init__(self, fleet: Fleet, findings: list[Finding], policies: Policies | None) -> None:
        findings += cluster_findings(fleet.clusters)
        findings += hosting_problems(fleet.clusters, fleet.faulty.clusters, is_whole=fleet.is_whole)
        findings += spoke_findings.cluster_findings(fleet.clusters, fleet.faulty.clusters, is_whole=fleet.is_whole)
        found = targets(fleet, findings)
        if fleet.is_whole:
            findings += spoke_findings.selector_findings(found, fleet.clusters)
        self._fleet = fleet
        self._findings = findings
        self._policies = policies
        self._targets = _by_cluster(fleet, found)
        self._services = service_targets(fleet, findings)
        self._made = _services(fleet, self._services, findings)
        self._objects = TargetObjects(fleet.files, found, findings)
        self._mirroring = Mirroring()
        self._loaded = _loaded(self._targets)
        self._has_argocd = any(cluster.argocd is not None for cluster in fleet.clusters)
        self._identities: dict[str, list[Identity]] = {}
        """The objects of all clusters so far, where the fleet has an Argo CD."""
        findings += argocd_findings(fleet)

    def part(self, clusters: Sequence[Cluster]) -> CompiledFleet:
        """Return some clusters, on which the objects of no other one depend."""
        names = {cluster.name for cluster in clusters}
        found = [target for cluster in sorted(names) for target in self._targets[cluster]]
        made = {name: service for name, service in self._made.items() if name in names}
        of_drivers = self._of_drivers(clusters, found)
        placed = {
            name: list(by_folder(name, [*manifests, *self._policy(name)], self._findings))
            for name, manifests in of_drivers.items()
        }
        by_hand = self._by_hand(clusters, placed)
        for name, service in made.items():
            of_drivers[name] += service.judged
        for name, files in by_hand.items():
            of_drivers[name] += (file.content for file in files if file.folder == OPERATOR_FOLDER)
        delivered = delivered_objects(of_drivers)
        for cluster in clusters:
            self._objects.check_versions(cluster, delivered[cluster.name])
        self._findings += delivered_twice(delivered, placed)
        self._findings += works_of_one_name(placed, clusters)
        self._findings += pull_secrets_twice(placed, clusters)
        handover = {name: files for name, files in by_hand.items() if files}
        services = {name: target for name, target in self._services.items() if name in names}
        part = self._fleet if clusters is self._fleet.clusters else replace(self._fleet, clusters=[*clusters])
        return CompiledFleet(part, found, placed, of_drivers, services, handover, delivered)

    def forget(self, clusters: Iterable[Cluster]) -> None:
        """Drop the objects that no other clusters than these, which are done, can have."""
        for cluster in clusters:
            self._mirroring.forget(self._objects.forget(self._targets[cluster.name]))

    def end(self) -> None:
        """Add the findings about objects that clusters share, which name these clusters."""
        self._findings += self._mirroring.findings()
        self._findings += self._objects.version_findings()

    def _of_drivers(self, clusters: Iterable[Cluster], found: Iterable[Target]) -> dict[str, list[Manifest]]:
        """Compile what drivers, services and operators cause, by the cluster in whose tree it lies."""
        result: dict[str, list[Manifest]] = {cluster.name: [] for cluster in clusters}
        for target in found:
            for tree, manifest in () if target.is_absent else self._objects.of(target):
                if tree in result:  # else the cluster that hosts it is missing, which is an error of its own
                    result[tree].append(manifest)
        for cluster in clusters:
            manifests = result[cluster.name]
            if cluster.name in self._made:
                manifests += self._made[cluster.name].manifests
            own = [*operator_objects(cluster, self._targets[cluster.name], self._findings), *mirror_sets(cluster)]
            result[cluster.name] = self._mirroring.objects(cluster, [*manifests, *own])
            self._mirroring.forget(own)
        return result

    def _policy(self, cluster: str) -> list[Manifest]:
        return self._policies.manifests(cluster, self._loaded[cluster]) if self._policies else []

    def _by_hand(
        self, clusters: Iterable[Cluster], placed: Mapping[str, list[tuple[str, Manifest]]]
    ) -> dict[str, list[HandoverFile]]:
        """The files of each cluster that a person merges or applies."""
        if self._has_argocd:
            self._identities.update((name, [item.identity for _, item in objects]) for name, objects in placed.items())
        return {
            cluster.name: [
                *(self._made[cluster.name].handover if cluster.name in self._made else ()),
                *operator_handover(cluster, self._targets[cluster.name]),
                *argocd_files(self._fleet, cluster, self._identities),
            ]
            for cluster in clusters
        }


def _by_cluster(fleet: Fleet, found: Iterable[Target]) -> dict[str, list[Target]]:
    result: dict[str, list[Target]] = {cluster.name: [] for cluster in fleet.clusters}
    for target in found:
        result[target.cluster.name].append(target)
    return result


def _services(
    fleet: Fleet, services: Mapping[str, ServiceTarget], findings: list[Finding]
) -> dict[str, CompiledService]:
    """Compile the services of all clusters; those with the same spec share what comes of it."""
    if not services:
        return {}
    from kmodgate.renderer.compile.image_services.service import compile_service  # few fleets have any

    found: dict[MergedSpec, CompiledService] = {}
    for target in services.values():
        if target.merged not in found:
            found[target.merged] = compile_service(fleet.files, target, findings)
    return {name: found[target.merged] for name, target in services.items()}


def _loaded(by_cluster: Mapping[str, list[Target]]) -> dict[str, list[Target]]:
    """The drivers of each cluster, with those that its hub delivers to it."""
    result = {name: [*found] for name, found in by_cluster.items()}
    for target in (target for found in by_cluster.values() for target in found):
        if target.variant.spec.get("delivery") == "hub" and not target.is_absent:
            for spoke in selected_spokes(target):
                result.setdefault(spoke.name, []).append(target)
    return result


def cluster_findings(clusters: Iterable[Cluster]) -> Iterator[Finding]:
    """Report versions of KMM and mirrors that no cluster can have."""
    for cluster in clusters:
        yield from mirror_findings(cluster)
        release = cluster.release
        if release is not None and not release.is_known:
            flavour = "Red Hat's build" if release.redhat else "upstream KMM"
            yield finding_at(
                cluster.document,
                ("spec", "kmm", "version"),
                "SCH104",
                f"{release.kmm} is not a version of {flavour} that kmodgate knows",
                f"one of: {', '.join(release.known)}",
            )
