"""Two snapshots of a fleet → what differs and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from kmodgate.policy.data_class import dataclass
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.diff.consequences import Consequence, Consequences
from kmodgate.renderer.diff.effects.affected import Refusals
from kmodgate.renderer.diff.effects.causes import Causes
from kmodgate.renderer.diff.effects.changed_fields import Kind, ObjectChange, alike, changes, module_changes
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.wording import counted


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changes, for people, and what happens because of it, the worst first."""

    changes: list[ObjectChange]
    consequences: list[Consequence]

    @property
    def summary(self) -> str:
        """`3 objects changed, 1 added in 20 clusters`; an object counts once a cluster."""
        counts = Counter({kind: 0 for kind in Kind})
        for change in self.changes:
            counts[change.kind] += len(change.clusters)
        if not counts.total():
            return "nothing differs"
        clusters = {name for change in self.changes for name in change.clusters}
        parts = [f"{counted(counts[kind], 'object')} {kind}" for kind in Kind if counts[kind]]
        return f"{', '.join(parts)} in {counted(len(clusters), 'cluster')}"


def compare_fleets(
    before: CompiledFleet | None, after: CompiledFleet, refusals: Refusals, only: Iterable[str] = ()
) -> Comparison:
    """The fleet before and after, on all clusters or on some; without a before, everything is new."""
    clusters = {cluster.name: cluster for side in (before, after) if side for cluster in side.fleet.clusters}
    found = changes(before, after, set(only))

    def objects(cluster: str) -> Iterator[JsonMap]:
        delivered = after.delivered.get(cluster, ())
        found = (*after.objects(cluster).values(), *after.handed_over(cluster).values(), *delivered)
        return (manifest.value for manifest in found)

    consequences = Consequences(clusters, Causes(before, after), refusals, objects)
    return Comparison(list(alike(found)), consequences.of(found, module_changes(before, after, set(only))))
