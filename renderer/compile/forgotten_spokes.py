"""Spokes whose Cluster spec is gone: their hub selects them as before, by the labels of their ManagedClusters."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.deliveries.hub.hub_module import selects_as_before
from kmodgate.renderer.manifests.manifest import Manifest

Forgotten = dict[tuple[str, str], tuple[Manifest, Manifest]]
"""By spoke and driver: the ManagedClusterModule as it was, and as it is."""


def forgotten_spokes(before: CompiledFleet, after: CompiledFleet) -> Forgotten:
    """Return the spokes whose Cluster spec is gone, with the drivers by which their hub still selects them."""
    return dict(_forgotten(before, after))


def _forgotten(
    before: CompiledFleet, after: CompiledFleet
) -> Iterator[tuple[tuple[str, str], tuple[Manifest, Manifest]]]:
    for hub in before.fleet.clusters:
        gone = {spoke.name for spoke in hub.spokes if spoke.name not in after.placed}
        made = _hub_modules(after, hub.name) if gone else {}
        for driver, was in _hub_modules(before, hub.name).items() if gone else ():
            now = made.get(driver)
            if now is not None and selects_as_before(was.value, now.value):
                yield from (((spoke, driver), (was, now)) for spoke in was.elsewhere if spoke in gone)


def _hub_modules(fleet: CompiledFleet, hub: str) -> dict[str, Manifest]:
    """The ManagedClusterModules of a hub by their drivers."""
    objects = fleet.objects(hub).values()
    return {driver_of(item.value): item for item in objects if item.identity.kind == "ManagedClusterModule"}
