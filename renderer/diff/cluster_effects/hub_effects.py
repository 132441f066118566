"""What a change on a hub does to the Modules that it makes on its spokes.

Source: GarbageCollect in internal/manifestwork/manifestwork.go of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.renderer.diff.effects.affected import Sums
from kmodgate.renderer.diff.effects.changed_fields import Kind, ObjectChange
from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.diff.effects.module_effects import gone
from kmodgate.renderer.fleet.specs import Cluster

_HUB_KIND = "ManagedClusterModule"

_EFFECTS = {Kind.ADDED: Effect.LOAD, Kind.REMOVED: Effect.UNLOAD, Kind.CHANGED: Effect.UNKNOWN}


def is_on_hub(change: ObjectChange) -> bool:
    """Whether an object stands for a driver of a hub's spokes, and for none of the hub's own nodes."""
    return change.manifest.identity.kind == _HUB_KIND


def add_unknown_spokes(found: Collection[ObjectChange], sums: Sums) -> None:
    """Add what happens on spokes where the fleet knows none that the driver selects."""
    for change in filter(is_on_hub, found):
        if not any(side is not None and side.elsewhere for side in (change.before, change.after)):
            detail = gone(change.manifest) if change.kind is Kind.REMOVED else ""
            for name in change.clusters:
                sums.add(_EFFECTS[change.kind], change, detail).add_unknown(name)


def without_confirmation(
    modules: Collection[ObjectChange], found: Collection[ObjectChange], clusters: Mapping[str, Cluster]
) -> Iterator[ObjectChange]:
    """Yield the changes of Modules on spokes: one that its hub no longer selects is deleted, and nobody is asked.

    Only where the ManagedClusterModule goes, Argo CD asks, or keeps it.
    """
    leaving = {
        (name, change.manifest.owner)
        for change in filter(is_on_hub, found)
        for name in change.clusters
        if change.kind is Kind.REMOVED
    }
    for change in modules:
        hubs = {acm.hub for name in change.clusters if (acm := clusters[name].acm) is not None}
        is_asked = all((hub, change.manifest.owner) in leaving for hub in hubs)
        if change.kind is Kind.REMOVED and change.before is not None and hubs and not is_asked:
            metadata = {**metadata_of(change.before.value), "annotations": {}}
            value = {**change.before.value, "metadata": metadata}
            yield replace(change, before=replace(change.before, value=value))
        else:
            yield change
