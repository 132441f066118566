"""Nodes that lose a driver because it leaves their cluster: `plan` adds them to those that a kernel takes it from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from kmodgate.renderer import git
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.plan.coverage import Cell, Group
from kmodgate.renderer.plan.exit_conditions import Place, places
from kmodgate.renderer.plan.plan import Loss, Plan, losses_in
from kmodgate.renderer.removals.base_fleet import BaseFleet, Present

_Gone = Mapping[tuple[str, str], str]
"""The cluster whose tree changes, which for a spoke is its hub, by cluster and driver."""


class LossesSince:
    """What is lost since a revision, whose fleet comes in parts; `places` are those that it has lost as well.

    `leaving` are nodes whose driver leaves without a permission. A label of a spoke or the selector of a hub takes a
    driver away from a spoke, a label or `spec.clusters` from any other cluster. Removals that `removals.yaml` or
    `state: absent` asks for are not among them.
    """

    def __init__(self, now: CompiledFleet, plan: Plan, revision: git.Revision) -> None:
        self.places: set[Place] = set()
        self.leaving: list[Loss] = []
        self._now = now
        self._plan = plan
        self._revision = revision
        self._present = Present(now)

    def add(self, part: CompiledFleet, cells_of: Callable[[CompiledFleet], list[Cell]]) -> None:
        """Take in a part of the revision; `cells_of` plans it, which takes long and is often not needed."""
        base = BaseFleet(self._now.fleet.files.root, self._revision, part)
        gone = {(item.spoke or item.cluster, item.name): item.cluster for item in self._present.unpermitted(base)}
        if gone or self._plan.against:
            cells = cells_of(part)
            self.places.update(place for loss in losses_in(cells) for place in places(loss))
            self.leaving += self._leaving(gone, cells)

    def _leaving(self, gone: _Gone, cells: Iterable[Cell]) -> Iterator[Loss]:
        for cell in cells if gone else ():
            cluster, driver = cell.group.cluster, cell.module.driver
            hub = cluster.acm.hub if cluster.acm else ""
            source = gone.get((cluster.name, driver)) or gone.get((hub, driver))
            if cell.phase == "running" and cell.loads and source and (cluster.name, driver) not in self._made:
                group = self._groups.get((cluster.name, cell.group.names), cell.group)
                reason = _reason(cell, source, self._revision)
                yield Loss(cell, replace(cell, group=group, resolution=None, reason=reason))

    @cached_property
    def _made(self) -> set[tuple[str, str]]:
        """Cluster and driver of every Module of the fleet as it is now."""
        return {(name, item.owner) for name in self._now.placed for item in self._now.modules(name)}

    @cached_property
    def _groups(self) -> dict[tuple[str, tuple[str, ...]], Group]:
        """The nodes as they are now, by cluster and names."""
        return {(group.cluster.name, group.names): group for group in (cell.group for cell in self._plan.cells)}


def _reason(cell: Cell, source: str, revision: git.Revision) -> str:
    """Why the nodes lose it; `source` is the cluster whose tree changes, which for a spoke is its hub."""
    if source == cell.group.cluster.name:
        return f"the driver does not go there any more, unlike at {revision.name}"
    return f"hub {source} does not select the spoke any more, unlike at {revision.name} (labels, spec.hub.selector)"
