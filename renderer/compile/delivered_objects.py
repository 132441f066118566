"""What clusters get through the objects of another one: the Modules of a hub's spokes, and what is around these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kmodgate.policy.findings import Finding
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.wording import listed


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


def works_of_one_name(
    placed: Mapping[str, list[tuple[str, Manifest]]], clusters: Iterable[Cluster]
) -> Iterator[Finding]:
    """Report a ManagedClusterModule whose ManifestWork for a spoke, which KMM names after it, is there already."""
    for hub in clusters:
        objects = [manifest for _, manifest in placed[hub.name]] if hub.is_hub else []
        works = {
            (item.identity.namespace, item.identity.name): item
            for item in objects
            if item.identity.kind == "ManifestWork"
        }
        for module in objects:
            spokes = sorted(spoke.name for spoke in hub.spokes if _selects(module, spoke))
            taken = [name for name in spokes if (name, module.identity.name) in works]
            if taken:
                name, other = module.identity.name, works[taken[0], module.identity.name].owner
                message = (
                    f"KMM calls its ManifestWork {name}, too, for each spoke of {module.identity}: it and that of "
                    f"driver {other} overwrite each other ({listed(taken, 3)})"
                )
                fix = "rename the driver: kmodgate- begins the names of what accompanies other drivers"
                finding = Finding("HUB407", message, fix, str(module.identity))
                yield replace(module.at_origin(finding, ("metadata", "name")), clusters=tuple(taken))


def _selects(module: Manifest, spoke: Cluster) -> bool:
    value: Any = module.value
    is_on_hub = module.identity.kind == "ManagedClusterModule"
    return is_on_hub and (value["spec"].get("selector") or {}).items() <= spoke.labels.items()
