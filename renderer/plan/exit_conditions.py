"""When a plan fails a pipeline: on losses, on losses that are new, or where something is not known."""

from __future__ import annotations

from collections.abc import Collection, Set
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


Place = tuple[str, str, str, str]
"""Module, kernel, cluster and name of a node or group."""


def mark_old_losses(plan: Plan, known: Set[Place]) -> None:
    """Mark the losses at places that the compared revision has as well: of the same driver, nodes and kernel."""
    plan.lost = [replace(loss, is_old=places(loss) <= known) for loss in plan.lost]


def places(loss: Loss) -> set[Place]:
    """Return the place of every node or group that a loss is about."""
    cell = loss.after
    return {(cell.module.name, cell.kernel, cell.group.cluster.name, name) for name in cell.group.names}
