"""A plan as people read it: cells that say the same become one row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from kmodgate.policy.data_class import dataclass
from kmodgate.renderer.plan.coverage import Cell, Group, Module, Phase
from kmodgate.renderer.plan.plan import Loss
from kmodgate.renderer.plan.resolutions import plain_reason
from kmodgate.renderer.wording import counted, listed


@dataclass(frozen=True, slots=True)
class Row:
    """One Module under one kernel, with one outcome, on all nodes that have it."""

    module: Module
    kernel: str
    phase: Phase
    mapping: str
    image: str
    work: str
    reason: str
    waits_for: str
    groups: tuple[Group, ...]

    @property
    def loads(self) -> bool:
        return not self.reason

    @property
    def remark(self) -> str:
        """Why nothing is loaded, and which temporary taints the row looks past; empty where there is nothing to say."""
        later = f"once taint {self.waits_for} is gone" if self.waits_for else ""
        return ", ".join(part for part in (self.reason, later) if part)

    @property
    def clusters(self) -> list[str]:
        return sorted({group.cluster.name for group in self.groups})

    @property
    def nodes(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def where(self) -> str:
        """`12 nodes in 3 clusters (arles, brest, caen)`."""
        return f"{counted(self.nodes, 'node')} in {counted(len(self.clusters), 'cluster')} ({listed(self.clusters, 3)})"


def rows(cells: Iterable[Cell], *, by_image: bool = True) -> list[Row]:
    """All cells, by Module, then the kernels that run before those that come, in the order of their versions.

    Where images are not shown, cells that differ in nothing else are one row.
    """
    same: dict[tuple[str, str, Phase, str, str, str, str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        image = cell.resolution.image if cell.resolution and by_image else ""
        what = (cell.mapping, image, cell.work, plain_reason(cell.reason), cell.waits_for)
        same[cell.module.name, cell.kernel, cell.phase, *what].append(cell)
    found = [Row(found[0].module, *key[1:], tuple(cell.group for cell in found)) for key, found in same.items()]
    return sorted(found, key=lambda row: (row.module.name, row.phase == "next", in_order(row.kernel), row.clusters))


def in_order(kernel: str) -> tuple[tuple[int, str], ...]:
    """A key by which 5.9 comes before 5.14."""
    parts = "".join(char if char.isalnum() else " " for char in kernel).split()
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def lost_rows(losses: Sequence[Loss]) -> list[tuple[Row, list[str]]]:
    """The losses, with the mappings that load the driver today."""
    today: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for loss in losses:
        key = (loss.after.module.name, loss.after.kernel, plain_reason(loss.after.reason))
        today[key].add(f"mapping {loss.before.mapping} on {loss.before.kernel}")
    found = rows(loss.after for loss in losses)
    return [(row, sorted(today[row.module.name, row.kernel, row.reason])) for row in found]


def nodes_of(cells: Iterable[Cell]) -> int:
    """How many nodes the cells are about, each counted once."""
    return sum(group.count for group in {cell.group for cell in cells})
