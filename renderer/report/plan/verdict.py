"""A plan in a sentence: what would be lost, and what nothing is known of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmodgate.renderer.plan.plan import Plan
from kmodgate.renderer.wording import counted, listed

NEXT_KERNELS = "name them in nextKernels of the Cluster spec, or ask: --kernel, --dtk"


def summary(plan: Plan) -> str:
    """Return the last line of a run."""
    kernels = {cell.kernel for cell in plan.cells if cell.phase == "next"}
    counts = (
        counted(len(plan.clusters), "cluster"),
        counted(len({cell.module.name for cell in plan.cells}), "Module"),
        counted(len(kernels), "next kernel"),
    )
    losses = {(loss.after.module.name, loss.after.kernel) for loss in plan.lost}
    verdict = f"{len(losses)} would be lost on some nodes" if losses else nothing_lost(plan)
    return f"{', '.join(counts)}: {'; '.join([verdict, *gaps(plan)])}"


def nothing_lost(plan: Plan) -> str:
    """Return the verdict of a plan without losses."""
    known = " whose kernels are known" if plan.blind or plan.without_next else ""
    return f"no node{known} would lose a driver"


def gaps(plan: Plan) -> Iterator[str]:
    """Yield which nodes the verdict does not cover: kernels are not known, or the nodes are paused."""
    if plan.blind:
        yield f"the kernels of {listed(plan.blind)} are not known"
    if plan.without_next:
        yield f"no next kernel is known of {listed(without_next(plan))}; {NEXT_KERNELS}"
    if plan.paused:
        nodes = counted(sum(group.count for group in plan.paused), "node")
        yield f"{nodes} stay on their kernels (pause: true)"


def without_next(plan: Plan) -> list[str]:
    """Return the clusters without next kernels; with node groups in brackets where others of the cluster have some."""
    return [_place(name, groups) for name, groups in plan.without_next.items()]


def paused(plan: Plan) -> Iterator[tuple[str, str, int, str]]:
    """Yield cluster, groups, number of nodes and kernels of what is paused."""
    for group in plan.paused:
        yield group.cluster.name, listed(group.names), group.count, listed(group.kernels) if group.kernels else ""


def _place(cluster: str, groups: Iterable[str]) -> str:
    names = [*groups]
    return f"{cluster} ({listed(names)})" if names else cluster
