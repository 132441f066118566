"""A plan for a terminal: what would be lost first, what to do beforehand, and then every driver on every kernel."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from kmodgate.renderer.console import Console
from kmodgate.renderer.plan.plan import Loss, Plan
from kmodgate.renderer.report.findings.text import text as findings_text
from kmodgate.renderer.report.plan import verdict
from kmodgate.renderer.report.plan.rows import Row, lost_rows, nodes_of, rows
from kmodgate.renderer.wording import capitalised, counted, listed, printable


def text(plan: Plan, console: Console) -> str:
    """All sections that have something to say, and the coverage."""
    parts = [
        _lost(plan, console),
        _already_lost(plan, console),
        _upgrade(plan, console),
        _images(plan, console),
        _boot_images(plan, console),
        _unused(plan, console),
        _findings(plan, console),
    ]
    parts += [_blind(plan, console), _without_next(plan, console), _paused(plan, console), _coverage(plan, console)]
    return "\n".join(part for part in parts if part)


def _section(title: str, lines: Iterator[str], console: Console, color: str = "bold") -> str:
    body = "".join(f"  {printable(line)}\n" for line in lines)
    return f"{console.paint(title, color, stream=sys.stdout)}\n{body}" if body else ""


def _lost(plan: Plan, console: Console) -> str:
    count = nodes_of(loss.after for loss in plan.new_losses)
    return _section(f"{counted(count, 'node')} would lose a driver", _loss_lines(plan.new_losses), console, "red")


def _already_lost(plan: Plan, console: Console) -> str:
    return _section(capitalised(verdict.already_lost(plan)), _loss_lines(plan.old_losses), console, "yellow")


def _loss_lines(losses: Sequence[Loss]) -> Iterator[str]:
    for row, before in lost_rows(losses):
        yield f"{row.module.name} on {row.kernel}: {row.remark}"
        yield f"    {row.where}; today {listed(before, 2)}"


def _upgrade(plan: Plan, console: Console) -> str:
    upgrade = plan.upgrade
    if upgrade is None:
        return ""
    changes = (f"{item.text} ({listed(item.modules, 3)} in {listed(item.clusters, 3)})" for item in upgrade.changes)
    gone = (f"{item.object} {item.field}: {item.rule} does not hold any more" for item in upgrade.gone)
    lines = [*changes, *gone, *verdict.left_out(upgrade)]
    title = console.paint(capitalised(verdict.of_upgrade(upgrade)), "bold", stream=sys.stdout)
    body = "".join(f"  {printable(line)}\n" for line in lines)
    return f"{title}\n{body}{findings_text(upgrade.findings, console)}"


def _images(plan: Plan, console: Console) -> str:
    found = plan.to_build
    lines = (
        f"{item.resolution.image}  ({item.work}, for {item.kernel}{plan.apart(item)})"
        for item in found
        if item.resolution
    )
    return _section(f"{counted(len(found), 'image')} to make beforehand", lines, console)


def _boot_images(plan: Plan, console: Console) -> str:
    title = f"{counted(len(plan.boot_images), 'image')} to push before the upgrade: pulled by nodes when they boot"
    lines = (
        f"{item.image}  ({item.driver}, {counted(item.nodes, 'node')} of {listed(sorted(item.clusters), 3)}"
        f"{verdict.of_boot_image(plan, item)})"
        for item in plan.boot_images
    )
    return _section(title, lines, console)


def _unused(plan: Plan, console: Console) -> str:
    def lines() -> Iterator[str]:
        for item in plan.unused:
            origin = item.module.origin(item.mapping)
            name = item.module.mappings[item.mapping]
            yield f"{console.base}{origin.file}:{origin.line}: mapping {name} of {item.module.name}: {item.why}"

    return _section("Mappings that no kernel uses", iter(dict.fromkeys(lines())), console)


def _findings(plan: Plan, console: Console) -> str:
    return findings_text(plan.findings, console)


def _blind(plan: Plan, console: Console) -> str:
    if not plan.blind:
        return ""
    title = f"No kernels are known of {listed(verdict.blind(plan))}"
    lines = iter(["say them in the Cluster spec (nodeGroups[].kernels, or an inventory), or ask: --nodes FILE"])
    return _section(title, lines, console, "yellow")


def _without_next(plan: Plan, console: Console) -> str:
    if not plan.without_next:
        return ""
    title = f"No next kernel is known of {listed(verdict.without_next(plan))}"
    return _section(title, iter([verdict.NEXT_KERNELS]), console, "yellow")


def _paused(plan: Plan, console: Console) -> str:
    lines = (
        f"{names} of {cluster}: {counted(count, 'node')}{f' on {kernels}' if kernels else ''}"
        for cluster, names, count, kernels in verdict.paused(plan)
    )
    return _section("Paused: these nodes stay on their kernels", lines, console)


def _coverage(plan: Plan, console: Console) -> str:
    parts = []
    for _, found in groupby(rows(plan.cells, by_image=False), key=lambda row: row.module.name):
        table = list(found)
        parts.append(_section(table[0].module.name, _table(table), console))
    return "\n".join(parts)


def _table(table: list[Row]) -> Iterator[str]:
    cells = [(row.phase, row.kernel, row.mapping or "-", row.work or "nothing") for row in table]
    widths = [max(len(cell[column]) for cell in cells) for column in range(4)]
    for row, cell in zip(table, cells, strict=True):
        columns = "  ".join(f"{text:{width}}" for text, width in zip(cell, widths, strict=True))
        yield f"{columns}  {row.where}{f': {row.remark}' if row.remark else ''}"
