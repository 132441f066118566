"""When a plan fails a pipeline: on losses, on losses that are new, or where something is not known."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal, get_args

from kmodgate.renderer.plan.plan import Loss, Plan

Condition = Literal["loss", "new-loss", "unknown"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)


def fails(plan: Plan, conditions: Collection[Condition]) -> bool:
    """Whether the run is to exit 1. `unknown` alone adds to the default: losses, or new ones in a comparison."""
    losses = {*conditions} - {"unknown"} or {"new-loss" if plan.against else "loss"}
    lost = plan.lost if "loss" in losses else plan.new_losses
    is_unknown = "unknown" in conditions and (plan.blind or plan.without_next)
    return bool(lost or is_unknown or (plan.upgrade and plan.upgrade.is_refused))


def mark_old_losses(plan: Plan, before: Plan | None, revision: str) -> None:
    """Mark the losses that the plan before has as well: of the same driver, nodes and kernel."""
    known = {place for loss in (before.lost if before else ()) for place in _places(loss)}
    plan.against = revision
    plan.lost = [replace(loss, is_old=_places(loss) <= known) for loss in plan.lost]


def _places(loss: Loss) -> set[tuple[str, str, str, str]]:
    """Module, kernel, cluster and name of every node or group."""
    cell = loss.after
    return {(cell.module.name, cell.kernel, cell.group.cluster.name, name) for name in cell.group.names}
