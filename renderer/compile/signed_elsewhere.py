"""Drivers whose images are signed before they are pushed (`sign.prebuilt`) → entries in the policy of each cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.certificates import read_certificate
from kmodgate.policy.formats.image_mirrors import pulled
from kmodgate.policy.formats.yaml_documents import MAX_BYTES
from kmodgate.policy.parameters import SignedElsewhere
from kmodgate.renderer.deliveries.hub.hub_module import selected_spokes
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable, resolve
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster, KernelDriver
from kmodgate.renderer.fleet.targets import Target, Variant, targets

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
            for name in _places(target):
                found[name].append(_as_pulled(entry, target.cluster))
    return {cluster: tuple(items) for cluster, items in found.items()}


def _places(target: Target) -> list[str]:
    """The clusters that load a driver: its own, or the spokes of a hub."""
    if target.variant.spec.get("delivery") != "hub":
        return [target.cluster.name]
    return [spoke.name for spoke in selected_spokes(target)]


def _may_say_so(driver: KernelDriver) -> bool:
    levels = (driver.spec, *(override.patch for override in driver.overrides))
    blocks = (level.get("sign") for level in levels if isinstance(level, dict))
    return any(isinstance(block, dict) and "prebuilt" in block for block in blocks)


def _entry(files: FleetFiles, variant: Variant, findings: list[Finding]) -> SignedElsewhere | None:
    sign = variant.spec.get("sign")
    if not isinstance(sign, dict) or "prebuilt" not in sign:
        return None
    fingerprint = ""
    if "certificate" in sign:
        fingerprint = _fingerprint(files, variant, str(sign["certificate"]), findings)
    driver = f"{variant.namespace}/{variant.driver.name}"
    return SignedElsewhere(driver, tuple(dict.fromkeys(_images(variant))), fingerprint)


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
        yield str(boot["image"])


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
