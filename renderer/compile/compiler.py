"""Fleet → the manifests of every cluster. The gates judge them afterwards (renderer/judge)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kmodgate.policy.findings import Finding, Mode, Problem, Severity
from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUPS
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.compile.argocd import Placed, argocd_files, argocd_findings
from kmodgate.renderer.compile.cluster_policies import Policies
from kmodgate.renderer.compile.delivered_objects import (
    delivered_objects,
    delivered_twice,
    pull_secrets_twice,
    works_of_one_name,
)
from kmodgate.renderer.compile.folders import by_folder
from kmodgate.renderer.compile.handover import HandoverFile
from kmodgate.renderer.compile.image_services.service import CompiledService, compile_service
from kmodgate.renderer.compile.mirrors.mirror_findings import mirror_findings
from kmodgate.renderer.compile.mirrors.mirror_sets import mirror_sets
from kmodgate.renderer.compile.mirrors.rewriting import Mirroring
from kmodgate.renderer.compile.operator_install.install import FOLDER as OPERATOR_FOLDER
from kmodgate.renderer.compile.operator_install.install import installs, operator_handover, operator_objects
from kmodgate.renderer.deliveries import attached_objects, content_hashes
from kmodgate.renderer.deliveries.boot.problems import hosting_problems
from kmodgate.renderer.deliveries.delivery import (
    BOOT,
    Delivery,
    as_modules,
    at_boot_of,
    delivery_of,
    delivery_of_object,
    driver_of,
)
from kmodgate.renderer.deliveries.hub import spoke_findings
from kmodgate.renderer.deliveries.hub.hub_module import selected_spokes
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget, service_targets
from kmodgate.renderer.fleet.referenced_files import Sources, read_sources
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.fleet.targets import MergedSpec, Target, Variant, targets
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.manifest import Identity, Manifest
from kmodgate.renderer.wording import listed


@dataclass(frozen=True, slots=True)
class CompiledFleet:
    """A fleet, its targets, and the objects and the ImageService of each cluster, by the name of the cluster.

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
    findings += cluster_findings(fleet.clusters)
    findings += spoke_findings.cluster_findings(fleet.with_faulty().clusters, is_whole=fleet.is_whole)
    found = targets(fleet, findings)
    services = service_targets(fleet, findings)
    compiler = _Compiler(fleet, findings)
    of_drivers = _of_targets(compiler, fleet, found)
    by_cluster = _by_cluster(fleet, found)
    made = _services(fleet, services, findings)
    for name, service in made.items():
        of_drivers[name] += service.manifests
    mirroring = Mirroring()
    for cluster in fleet.clusters:
        of_drivers[cluster.name] += operator_objects(cluster, by_cluster[cluster.name], findings)
        of_drivers[cluster.name] += mirror_sets(cluster)
        of_drivers[cluster.name] = mirroring.objects(cluster, of_drivers[cluster.name])
    findings += mirroring.findings()
    loaded = _loaded(by_cluster)
    placed = {
        name: list(by_folder(name, [*manifests, *_policy(policies, name, loaded[name])], findings))
        for name, manifests in of_drivers.items()
    }
    findings += argocd_findings(fleet)
    by_hand = _by_hand(fleet, made, by_cluster, placed)
    for name, service in made.items():
        of_drivers[name] += service.judged
    for name, files in by_hand.items():
        of_drivers[name] += (file.content for file in files if file.folder == OPERATOR_FOLDER)
    delivered = delivered_objects(of_drivers)
    findings += compiler.version_findings(delivered)
    findings += delivered_twice(delivered, placed)
    findings += works_of_one_name(placed, fleet.clusters)
    findings += pull_secrets_twice(placed, fleet.clusters)
    handover = {name: files for name, files in by_hand.items() if files}
    return CompiledFleet(fleet, found, placed, of_drivers, services, handover, delivered)


def _by_cluster(fleet: Fleet, found: Iterable[Target]) -> dict[str, list[Target]]:
    result: dict[str, list[Target]] = {cluster.name: [] for cluster in fleet.clusters}
    for target in found:
        result[target.cluster.name].append(target)
    return result


def _by_hand(
    fleet: Fleet, made: Mapping[str, CompiledService], by_cluster: Mapping[str, list[Target]], placed: Placed
) -> dict[str, list[HandoverFile]]:
    """The files of each cluster that a person merges or applies."""
    return {
        cluster.name: [
            *(made[cluster.name].handover if cluster.name in made else ()),
            *operator_handover(cluster, by_cluster[cluster.name]),
            *argocd_files(fleet, cluster, placed),
        ]
        for cluster in fleet.clusters
    }


def _of_targets(compiler: _Compiler, fleet: Fleet, found: Iterable[Target]) -> dict[str, list[Manifest]]:
    """Compile what drivers cause, by the cluster in whose tree it lies."""
    result: dict[str, list[Manifest]] = {cluster.name: [] for cluster in fleet.clusters}
    for target in found:
        for tree, manifest in () if target.is_absent else compiler.target(target):
            if tree in result:  # else the cluster that hosts it is missing, which is an error of its own
                result[tree].append(manifest)
    return result


def _services(
    fleet: Fleet, services: Mapping[str, ServiceTarget], findings: list[Finding]
) -> dict[str, CompiledService]:
    """Compile the services of all clusters; those with the same spec share what comes of it."""
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


def _policy(policies: Policies | None, cluster: str, found: list[Target]) -> list[Manifest]:
    return policies.manifests(cluster, found) if policies else []


class _Compiler:
    """Compiles the targets of one fleet; clusters that share a variant share its manifests."""

    def __init__(self, fleet: Fleet, findings: list[Finding]) -> None:
        self._fleet = fleet
        self._findings = findings
        self._sources: dict[Variant, Sources] = {}
        self._manifests: dict[tuple[Variant, Delivery, Hashable], list[Manifest]] = {}
        self._attached: dict[Variant, list[Manifest]] = {}
        self._unsupported: dict[tuple[Manifest, Release], list[str]] = defaultdict(list)
        self._without_dry_run: dict[Manifest, Manifest] = {}

    def target(self, target: Target) -> Iterator[tuple[str, Manifest]]:
        """Yield the objects that a driver causes on a cluster, each with the cluster in whose tree it lies."""
        for tree, manifest in self._of_target(target):
            yield tree, self._before_its_kind(manifest) if installs(target.cluster) else manifest

    def _of_target(self, target: Target) -> Iterator[tuple[str, Manifest]]:
        variant = target.variant
        yield from self._by(delivery_of(variant), target)
        for found in at_boot_of(target) if "boot" in variant.spec else ():
            for delivery in BOOT:
                yield from self._by(delivery, found)
        if not delivery_of(variant).attaches:
            yield from ((target.cluster.name, item) for item in self._attached_to(variant))

    def _by(self, delivery: Delivery, target: Target) -> Iterator[tuple[str, Manifest]]:
        """Yield the objects of one delivery of a driver on a cluster, each with the cluster in whose tree it lies."""
        cluster = target.cluster
        self._findings += delivery.problems(target)
        made = self._made(target.variant, delivery, delivery.site(cluster))
        yield from ((delivery.tree(cluster), item) for item in made)
        release = cluster.release
        if made and release is not None and release.is_known:
            self._unsupported[made[-1], release].append(cluster.name)

    def version_findings(self, delivered: Mapping[str, list[Manifest]]) -> Iterator[Finding]:
        """Report the fields that the KMM of a cluster does not know; `delivered` is what spokes get from their hub."""
        for cluster in self._fleet.clusters:
            release = cluster.release
            for manifest in delivered[cluster.name]:
                if release is not None and release.is_known and driver_of(manifest.value):
                    self._unsupported[manifest, release].append(cluster.name)
        for (driver, release), clusters in self._unsupported.items():
            if delivery := delivery_of_object(driver.value):
                yield from _version_problems(driver, delivery.unsupported(driver.value, release), clusters)

    def _made(self, variant: Variant, delivery: Delivery, site: Hashable) -> list[Manifest]:
        key = (variant, delivery, site)
        if key not in self._manifests:
            self._manifests[key] = delivery.manifests(variant, self._read(variant), site)
        return self._manifests[key]

    def _attached_to(self, variant: Variant) -> list[Manifest]:
        if variant not in self._attached:
            documents = self._read(variant).attached
            self._attached[variant] = [
                attached_objects.manifest(variant, item, variant.namespace) for item in documents
            ]
        return self._attached[variant]

    def _before_its_kind(self, manifest: Manifest) -> Manifest:
        """The object as it has to be where the sync that applies it installs KMM first, which brings its kind."""
        if manifest.identity.group not in KMM_GROUPS:
            return manifest
        if manifest not in self._without_dry_run:
            value = argo.with_sync_option(manifest.value, argo.KIND_MAY_BE_MISSING)
            self._without_dry_run[manifest] = replace(manifest, value=value)
        return self._without_dry_run[manifest]

    def _read(self, variant: Variant) -> Sources:
        """What the variant refers to, without what cannot be read."""
        if variant not in self._sources:
            if variant.spec.get("contentTag"):
                self._findings.extend(_untaggable(variant))
            self._sources[variant] = read_sources(self._fleet.files, variant, self._findings)
        return self._sources[variant]


def cluster_findings(clusters: Iterable[Cluster]) -> Iterator[Finding]:
    """Report versions of KMM and mirrors that no cluster can have, and control planes that run nowhere."""
    clusters = list(clusters)
    yield from hosting_problems(clusters)
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


def _version_problems(driver: Manifest, problems: Iterable[Problem], clusters: list[str]) -> Iterator[Finding]:
    for problem in problems:
        finding = Finding("SCH106", f"{problem.message} ({listed(clusters, 3)})", problem.fix, str(driver.identity))
        if problem.severity is Severity.WARNING:
            finding = replace(finding, severity=Severity.WARNING, mode=Mode.WARN)
        yield driver.at_origin(finding, problem.path)


_TAG_FIX = "give the image a tag with ${KERNEL_FULL_VERSION} in it, and no digest"


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
            yield finding_at(document, place, "IMG001", message, _TAG_FIX)
