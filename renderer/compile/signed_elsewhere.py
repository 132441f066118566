"""Drivers whose images are signed and whose Modules have no `sign` → entries in the policy of each cluster.

The images are signed before they are pushed (`sign.prebuilt`), or by a hub, which makes the Module of a spoke without
`sign` once they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.certificates import read_certificate
from kmodgate.policy.formats.image_mirrors import pulled
from kmodgate.policy.formats.yaml_documents import MAX_BYTES
from kmodgate.policy.parameters import SignedElsewhere
from kmodgate.policy.views.kernel_mapping import KernelMapping
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.signing.signed_files import SignedFiles, SignedNames, modules_root
from kmodgate.renderer.deliveries.boot.boot_settings import KERNEL
from kmodgate.renderer.deliveries.hub.hub_module import selected_spokes
from kmodgate.renderer.deliveries.kmm import objects as kmm
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable, resolve
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster, KernelDriver
from kmodgate.renderer.fleet.targets.referenced_files import read_sources
from kmodgate.renderer.fleet.targets.targets import Target, Variant, targets

_WORK_AGENT = "klusterlet-work-sa"
"""The ServiceAccount that writes on a spoke what ManifestWorks carry: manifests/klusterlet/managed of OCM."""

Entries = Mapping[str, tuple[SignedElsewhere, ...]]
"""What is signed elsewhere, by the name of the cluster."""


def entries(fleet: Fleet, findings: list[Finding]) -> Entries:
    """Return what is signed elsewhere; a certificate that cannot be read is a finding."""
    found: dict[str, list[SignedElsewhere]] = defaultdict(list)
    if not any(_may_say_so(driver) for driver in fleet.drivers):
        return {}
    by_variant: dict[Variant, SignedElsewhere | None] = {}
    for target in targets(fleet, []):
        if target.variant not in by_variant:
            by_variant[target.variant] = _entry(fleet.files, target.variant, findings)
        entry = by_variant[target.variant]
        if entry is not None and not target.is_absent:
            for name, item in _places(target, _as_pulled(entry, target.cluster)):
                found[name].append(item)
    return {cluster: tuple(items) for cluster, items in found.items()}


def _places(target: Target, entry: SignedElsewhere) -> Iterator[tuple[str, SignedElsewhere]]:
    """The clusters that load a driver, its own or the spokes of a hub, each with its entry."""
    if not _is_by_hub(target.variant):
        yield target.cluster.name, entry
        return
    for spoke in selected_spokes(target):
        agent = f"system:serviceaccount:{spoke.acm.agent_namespace}:{_WORK_AGENT}" if spoke.acm else ""
        yield spoke.name, replace(entry, writer=agent) if entry.modules else entry


def _is_by_hub(variant: Variant) -> bool:
    return variant.spec.get("delivery") == "hub"


def _may_say_so(driver: KernelDriver) -> bool:
    levels = [level for level in (driver.spec, *(override.patch for override in driver.overrides)) if level]
    blocks = [level["sign"] for level in levels if isinstance(level.get("sign"), dict)]
    is_prebuilt = any(isinstance(block, dict) and "prebuilt" in block for block in blocks)
    return is_prebuilt or any(level.get("delivery") == "hub" for level in levels)


def _entry(files: FleetFiles, variant: Variant, findings: list[Finding]) -> SignedElsewhere | None:
    """The entry of a driver; None where its Module has the `sign` itself, or nothing is signed."""
    sign = map_of(variant.spec.get("sign"))
    is_prebuilt = "prebuilt" in sign
    images = list(_images(variant)) if is_prebuilt else []
    modules: list[str] = []
    if _is_by_hub(variant):
        view = ModuleView(kmm.module(variant, read_sources(files, variant, []), takes_one_removal=False))
        by_hub = [mapping for mapping in view.mappings if _blocks(view, mapping)]
        modules = _signed_names(view, by_hub) if by_hub else []
        images += (mapping.image for mapping in by_hub if modules)
        if is_prebuilt and "certificate" not in sign:
            modules = []  # by them the images that nobody has shown to be signed would count, too
    if not images:
        return None
    fingerprint = _fingerprint(files, variant, str(sign["certificate"]), findings) if "certificate" in sign else ""
    driver = f"{variant.namespace}/{variant.driver.name}"
    return SignedElsewhere(driver, tuple(dict.fromkeys(images)), fingerprint, tuple(modules))


def _blocks(view: ModuleView, mapping: KernelMapping) -> list[Part]:
    """The blocks by which KMM signs the image of a mapping."""
    return [sign for sign in (view.container.optional("sign"), mapping.part.optional("sign")) if sign]


def _signed_names(view: ModuleView, mappings: Sequence[KernelMapping]) -> list[str]:
    """The kernel modules that are loaded and that the blocks of every mapping sign."""
    written = sum(len(file) for _, file in view.files_to_sign)
    names = SignedNames(view.loaded, sum(map(len, view.loaded)) + written + len(view.mappings))
    signed, root = {*view.loaded}, modules_root(view.dir_name)
    for mapping in mappings:
        blocks = [SignedFiles(sign.strings("filesToSign"), root) for sign in _blocks(view, mapping)]
        signed &= set[str]().union(*(names.by_all(files.kernels, files.of(mapping)) for files in blocks))
    return sorted(signed)


def _as_pulled(entry: SignedElsewhere, cluster: Cluster) -> SignedElsewhere:
    """The entry with the images as the cluster pulls them."""
    if not cluster.mirrors:
        return entry
    names = ((image, pulled(image, cluster.mirrors)) for image in entry.images)
    return replace(entry, images=tuple(image if item is None else item.reference for image, item in names))


def _images(variant: Variant) -> Iterator[str]:
    """The images that the Module has of mappings that sign nothing in the cluster, as it has them, and that at boot."""
    common, mappings = variant.spec.get("containerImage"), variant.spec.get("kernelMappings")
    for mapping in mappings if isinstance(mappings, list) else ():
        if isinstance(mapping, dict) and "sign" not in mapping:
            yield str(mapping.get("containerImage") or common or "")
    boot = variant.spec.get("boot")
    if isinstance(boot, dict) and "image" in boot:
        yield f"{boot['image']}:{KERNEL}"


def _fingerprint(files: FleetFiles, variant: Variant, reference: str, findings: list[Finding]) -> str:
    try:
        data = files.bytes(resolve(variant.driver.document.file, reference), limit=MAX_BYTES)
    except Unreadable as error:
        findings.append(_at(variant, f"{reference}: {error.message}", error.fix))
        return ""
    certificate = read_certificate(data)
    if certificate is None:
        findings.append(_at(variant, f"{reference} holds no certificate", "name a certificate in PEM or DER"))
        return ""
    return certificate.key_fingerprint


def _at(variant: Variant, message: str, fix: str) -> Finding:
    place = variant.place(("sign", "certificate"))[0]
    return finding_at(variant.driver.document, place, "REF003", message, fix)
