"""Spokes whose Cluster spec is gone: their hub selects them as before, by the labels of their ManagedClusters."""

from __future__ import annotations

from kmodgate.policy.cluster.facts import as_map
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.delivery import driver_of


def forgotten_spokes(before: CompiledFleet, after: CompiledFleet) -> set[tuple[str, str]]:
    """Return spoke and driver where only the spec of the spoke is gone: nothing is unloaded there."""
    found = set[tuple[str, str]]()
    for hub in before.fleet.clusters:
        gone = [spoke.name for spoke in hub.spokes if spoke.name not in after.placed]
        kept = _selectors(before, hub.name).items() & _selectors(after, hub.name).items() if gone else ()
        found.update((spoke, driver) for spoke in gone for driver, _ in kept)
    return found


def _selectors(fleet: CompiledFleet, hub: str) -> dict[str, frozenset[tuple[str, object]]]:
    """The labels by which the drivers of a hub select spokes."""
    return {
        driver_of(item.value): frozenset(as_map(as_map(item.value.get("spec")).get("selector")).items())
        for item in fleet.objects(hub).values()
        if item.identity.kind == "ManagedClusterModule"
    }
