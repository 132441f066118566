"""A plan as Markdown for a comment of a pull request, at most 65,536 characters long."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from kmodgate.renderer.plan.plan import Plan
from kmodgate.renderer.report.markdown_comment import Page, cell, code
from kmodgate.renderer.report.plan import verdict
from kmodgate.renderer.report.plan.rows import Row, lost_rows, nodes_of, rows
from kmodgate.renderer.wording import capitalised, counted, listed


def write(plan: Plan, base: str) -> str:
    """Losses, what to do beforehand, and the coverage of every Module, folded."""
    page = Page()
    page.add("### kmodgate plan\n\n")
    page.add(_verdict(plan))
    page.table(("driver", "kernel", "why", "where", "today"), _lost(plan))
    images = plan.to_build
    if images:
        page.add(f"\n**{counted(len(images), 'image')} to make beforehand**\n\n")
        made = ((code(item.resolution.image), item.work, code(item.kernel)) for item in images if item.resolution)
        page.table(("image", "work", "kernel"), made)
    unused = dict.fromkeys(
        (code(item.module.mappings[item.mapping]), cell(item.module.name), cell(item.why)) for item in plan.unused
    )
    if unused:
        page.add("\n**Mappings that no kernel uses**\n\n")
        page.table(("mapping", "driver", "why"), unused)
    if plan.findings:
        page.add("\n**Drivers that get into each other's way, and labels that are missing**\n\n")
        found = ((cell(item.object), item.rule, cell(item.message), cell(item.fix)) for item in plan.findings)
        page.table(("object", "rule", "what", "fix"), found)
    if plan.blind:
        page.add(f"\nNo kernels are known of {cell(listed(plan.blind))}.\n")
    if plan.without_next:
        page.add(f"\nNo next kernel is known of {cell(listed(verdict.without_next(plan)))}.\n")
    if plan.paused:
        page.add("\n**Paused: these nodes stay on their kernels**\n\n")
        stay = (
            (cell(cluster), cell(names), str(count), code(on)) for cluster, names, count, on in verdict.paused(plan)
        )
        page.table(("cluster", "node group", "nodes", "kernel"), stay)
    for name, found_rows in groupby(rows(plan.cells), key=lambda row: row.module.name):
        with page.folded(name):
            page.table(("", "kernel", "mapping", "image", "nodes"), _coverage(found_rows))
    return page.text()


def _verdict(plan: Plan) -> str:
    if not plan.lost:
        return f"{capitalised(verdict.nothing_lost(plan))}.\n"
    return f"**{counted(nodes_of(loss.after for loss in plan.lost), 'node')} would lose a driver.**\n\n"


def _lost(plan: Plan) -> Iterator[tuple[str, ...]]:
    for row, before in lost_rows(plan):
        yield cell(row.module.name), code(row.kernel), cell(row.remark), cell(row.where), cell(listed(before, 2))


def _coverage(found: Iterator[Row]) -> Iterator[tuple[str, ...]]:
    for row in found:
        image = f"{code(row.image)} ({row.work})" if row.image else ""
        mapping = code(row.mapping) if row.mapping else ""
        what = ": ".join(part for part in (image, cell(row.remark)) if part)
        yield row.phase, code(row.kernel), mapping, what, cell(row.where)
