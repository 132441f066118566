"""Targets → the objects that drivers cause. Clusters that share a variant share its objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import field, replace

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding, Mode, Problem, Severity
from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUPS
from kmodgate.renderer.compile.operator_install.install import installs
from kmodgate.renderer.deliveries.delivery import (
    BOOT,
    Delivery,
    at_boot_of,
    delivery_of,
    delivery_of_object,
    driver_of,
)
from kmodgate.renderer.deliveries.kmm import content_hashes
from kmodgate.renderer.fleet.files import FleetFiles
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.fleet.targets.referenced_files import Sources, read_sources
from kmodgate.renderer.fleet.targets.targets import Target, Variant
from kmodgate.renderer.manifests import argo, attached_objects
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.manifests.shared_findings import SharedFindings
from kmodgate.renderer.wording import listed

_TAG_FIX = "give the image a tag with ${KERNEL_FULL_VERSION} in it, and no digest"


@dataclass(slots=True)
class _Made:
    """What is made of one variant, as far as some cluster has asked for it."""

    sources: Sources
    manifests: dict[tuple[Delivery, Hashable], list[Manifest]] = field(default_factory=dict)
    attached: list[Manifest] | None = None
    without_dry_run: dict[Manifest, Manifest] = field(default_factory=dict)

    def all(self) -> Iterator[Manifest]:
        """Yield every object that was made."""
        for manifests in self.manifests.values():
            yield from manifests
        yield from self.attached or ()
        yield from self.without_dry_run.values()


class TargetObjects:
    """Compiles the targets of one fleet; what is wrong with the specs goes to `findings`."""

    def __init__(self, files: FleetFiles, targets: Iterable[Target], findings: list[Finding]) -> None:
        self._files = files
        self._findings = findings
        self._left = Counter(target.variant for target in targets)
        self._made: dict[Variant, _Made] = {}
        self._unsupported = SharedFindings()

    def of(self, target: Target) -> Iterator[tuple[str, Manifest]]:
        """Yield the objects that a driver causes on a cluster, each with the cluster in whose tree it lies."""
        for tree, manifest in self._of_target(target):
            is_before = installs(target.cluster) and manifest.identity.group in KMM_GROUPS
            yield tree, self._before_its_kind(target.variant, manifest) if is_before else manifest

    def forget(self, targets: Iterable[Target]) -> Iterator[Manifest]:
        """Drop what only these targets have asked for, and yield the objects among it."""
        for target in targets:
            self._left[target.variant] -= 1
            if not self._left[target.variant]:
                del self._left[target.variant]
                if made := self._made.pop(target.variant, None):
                    yield from made.all()

    def check_versions(self, cluster: Cluster, delivered: Iterable[Manifest]) -> None:
        """Look for fields that the KMM of a cluster does not know in what it gets from its hub."""
        for manifest in delivered:
            if driver_of(manifest.value):
                self._check_version(cluster, manifest)

    def version_findings(self) -> Iterator[Finding]:
        """Report the fields that the KMM of a cluster does not know, of all clusters so far."""
        for finding in self._unsupported.findings():
            yield replace(finding, message=f"{finding.message} ({listed(finding.clusters, 3)})", clusters=())

    def _check_version(self, cluster: Cluster, manifest: Manifest) -> None:
        release = cluster.release
        delivery = delivery_of_object(manifest.value)
        if release is not None and release.is_known and delivery is not None:
            problems = delivery.unsupported
            self._unsupported.add(
                manifest, release, cluster.name, lambda: _version_problems(manifest, problems(manifest.value, release))
            )

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
        made = self._manifests(target.variant, delivery, delivery.site(cluster))
        yield from ((delivery.tree(cluster), item) for item in made)
        if made:
            self._check_version(cluster, made[-1])

    def _manifests(self, variant: Variant, delivery: Delivery, site: Hashable) -> list[Manifest]:
        made, key = self._of_variant(variant), (delivery, site)
        if key not in made.manifests:
            made.manifests[key] = delivery.manifests(variant, made.sources, site)
        return made.manifests[key]

    def _attached_to(self, variant: Variant) -> list[Manifest]:
        made = self._of_variant(variant)
        if made.attached is None:
            documents = made.sources.attached
            made.attached = [attached_objects.manifest(variant, item, variant.namespace) for item in documents]
        return made.attached

    def _before_its_kind(self, variant: Variant, manifest: Manifest) -> Manifest:
        """The object as it has to be where the sync that applies it installs KMM first, which brings its kind."""
        known = self._of_variant(variant).without_dry_run
        if manifest not in known:
            value = argo.with_sync_option(manifest.value, argo.KIND_MAY_BE_MISSING)
            known[manifest] = replace(manifest, value=value)
        return known[manifest]

    def _of_variant(self, variant: Variant) -> _Made:
        """What is made of the variant, with what it refers to but for what cannot be read."""
        if variant not in self._made:
            if variant.spec.get("contentTag"):
                self._findings.extend(_untaggable(variant))
            self._made[variant] = _Made(read_sources(self._files, variant, self._findings))
        return self._made[variant]


def _version_problems(driver: Manifest, problems: Iterable[Problem]) -> Iterator[Finding]:
    for problem in problems:
        finding = Finding("SCH106", problem.message, problem.fix, str(driver.identity))
        if problem.severity is Severity.WARNING:
            finding = replace(finding, severity=Severity.WARNING, mode=Mode.WARN)
        yield driver.at_origin(finding, problem.path)


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
