"""Nodes that lose a driver because it leaves their cluster: `plan` adds them to those that a kernel takes it from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.plan.coverage import Cell
from kmodgate.renderer.plan.plan import Loss, Plan
from kmodgate.renderer.removals.base_fleet import BaseFleet, unpermitted


def driver_losses(base: BaseFleet, now: CompiledFleet, before: Plan, plan: Plan) -> Iterator[Loss]:
    """Yield the nodes whose driver leaves without a permission; `before` is the plan of the base revision.

    A label of a spoke or the selector of a hub takes a driver away from a spoke, a label or `spec.clusters` from any
    other cluster. Removals that `removals.yaml` or `state: absent` asks for are not among them.
    """
    gone = {(item.spoke or item.cluster, item.name): item.cluster for item in unpermitted(base, now)}
    present = {(name, item.owner) for name in now.placed for item in now.modules(name)}
    known = {(group.cluster.name, group.names): group for group in (cell.group for cell in plan.cells)}
    for cell in before.cells:
        cluster, driver = cell.group.cluster, cell.module.driver
        hub = cluster.acm.hub if cluster.acm else ""
        source = gone.get((cluster.name, driver)) or gone.get((hub, driver))
        if cell.phase == "running" and cell.loads and source and (cluster.name, driver) not in present:
            group = known.get((cluster.name, cell.group.names), cell.group)
            yield Loss(cell, replace(cell, group=group, resolution=None, reason=_reason(cell, source, base)))


def _reason(cell: Cell, source: str, base: BaseFleet) -> str:
    """Why the nodes lose it; `source` is the cluster whose tree changes, which for a spoke is its hub."""
    if source == cell.group.cluster.name:
        return f"the driver does not go there any more, unlike at {base.revision.name}"
    return (
        f"hub {source} does not select the spoke any more, unlike at {base.revision.name} (labels, spec.hub.selector)"
    )
