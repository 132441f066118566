"""A plan in a sentence: what would be lost, and what nothing is known of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmodgate.policy.findings import Mode
from kmodgate.renderer.plan.boot_images import BootImage
from kmodgate.renderer.plan.kmm_upgrade import Upgrade
from kmodgate.renderer.plan.plan import Plan
from kmodgate.renderer.report.plan.rows import nodes_of
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
    losses = {(loss.after.module.name, loss.after.kernel) for loss in plan.new_losses}
    verdict = f"{len(losses)} would be lost on some nodes" if losses else nothing_lost(plan)
    return f"{', '.join(counts)}: {'; '.join([verdict, *gaps(plan)])}"


def of_boot_image(plan: Plan, item: BootImage) -> str:
    """Return what keeps an image from being there in time; empty where pushing it is all."""
    if not item.is_possible:
        return "; no tag can have the + of this kernel: nothing is loaded at boot"
    late = "; KMM makes it only once a node runs the kernel: make it elsewhere, or the first boot goes without"
    return late if plan.is_too_late(item) else ""


def nothing_lost(plan: Plan) -> str:
    """Return the verdict of a plan without losses."""
    known = " whose kernels are known" if plan.blind or plan.without_next else ""
    return f"no {'other ' if plan.old_losses else ''}node{known} would lose a driver"


def gaps(plan: Plan) -> Iterator[str]:
    """Yield what the verdict does not cover: old losses, kernels that are not known, nodes that are paused, KMM."""
    if plan.old_losses:
        yield already_lost(plan)
    if plan.blind:
        yield f"the kernels of {listed(blind(plan))} are not known"
    if plan.without_next:
        yield f"no next kernel is known of {listed(without_next(plan))}; {NEXT_KERNELS}"
    if plan.paused:
        nodes = counted(sum(group.count for group in plan.paused), "node")
        yield f"{nodes} stay on their kernels (pause: true)"
    if plan.upgrade is not None:
        yield of_upgrade(plan.upgrade)


def already_lost(plan: Plan) -> str:
    """Return the old losses in a few words."""
    nodes = counted(nodes_of(loss.after for loss in plan.old_losses), "node")
    return f"{nodes} would lose a driver at {plan.against} as well"


def of_upgrade(upgrade: Upgrade) -> str:
    """Return what a newer KMM means for the fleet in a few words."""
    refused = sum(finding.mode is Mode.ENFORCE for finding in upgrade.findings)
    others = len(upgrade.findings) - refused + len(upgrade.changes)
    if not refused and not others:
        return f"KMM {upgrade.version} refuses nothing and does nothing otherwise"
    return f"with KMM {upgrade.version}: {counted(refused, 'refusal')}, {counted(others, 'difference')}"


def left_out(upgrade: Upgrade) -> Iterator[str]:
    """Yield the clusters that a newer KMM does not concern."""
    if upgrade.current:
        why = "no KMM, no such version of its flavour, or a version that is as new"
        yield f"not looked at: {listed(upgrade.current)} ({why})"


def blind(plan: Plan) -> list[str]:
    """Return the clusters whose kernels are not known; with node groups in brackets where those of others are."""
    return [_place(name, plan.blind_groups.get(name, ())) for name in plan.blind]


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
