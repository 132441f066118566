"""What clusters get through the objects of another one: the Modules of a hub's spokes, and what is around these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from kmodgate.policy.findings import Finding
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.manifests.manifest import Manifest


def delivered_objects(of_drivers: Mapping[str, list[Manifest]]) -> dict[str, list[Manifest]]:
    """What clusters of the fleet get through the objects of others."""
    found: dict[str, list[Manifest]] = {name: [] for name in of_drivers}
    for manifests in of_drivers.values():
        for manifest in manifests:
            for name in manifest.elsewhere.keys() & found.keys():
                found[name] += manifest.elsewhere[name]
    return found


def delivered_twice(
    delivered: Mapping[str, list[Manifest]], placed: Mapping[str, list[tuple[str, Manifest]]]
) -> Iterator[Finding]:
    """Report a driver that a spoke gets from its hub and by an object of its own."""
    for name, manifests in delivered.items():
        own = {manifest.identity: manifest for _, manifest in placed[name]} if manifests else {}
        for manifest in manifests:
            other = own.get(manifest.identity)
            if other is not None and driver_of(manifest.value):
                message = f"{manifest.identity} on cluster {name} is made by its hub and by an object of its own"
                fix = "deliver the driver there in one way: narrow spec.clusters, or spec.hub.selector"
                finding = Finding("HUB406", message, fix, f"KernelDriver {manifest.owner}")
                yield replace(other.at_origin(finding, ("metadata", "name")), clusters=(name,))
