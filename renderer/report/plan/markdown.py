"""A plan as Markdown for a comment of a pull request, at most 65,536 characters long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from kmodgate.renderer.plan.plan import Loss, Plan
from kmodgate.renderer.report.markdown_comment import Page, cell, code
from kmodgate.renderer.report.plan import verdict
from kmodgate.renderer.report.plan.rows import Row, lost_rows, nodes_of, rows
from kmodgate.renderer.wording import capitalised, counted, listed

_LOST = ("driver", "kernel", "why", "where", "today")


def write(plan: Plan, base: str) -> str:
    """Losses, what to do beforehand, and the coverage of every Module, folded."""
    page = Page()
    page.add("### kmodgate plan\n\n")
    page.add(_verdict(plan))
    page.table(_LOST, _lost(plan.new_losses))
    if plan.old_losses:
        page.add(f"\n**{cell(capitalised(verdict.already_lost(plan)))}**\n\n")
        page.table(_LOST, _lost(plan.old_losses))
    _add_upgrade(page, plan)
    _add_images(page, plan)
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
    _add_gaps(page, plan)
    for name, found_rows in groupby(rows(plan.cells), key=lambda row: row.module.name):
        with page.folded(name):
            page.table(("", "kernel", "mapping", "image", "nodes"), _coverage(found_rows))
    return page.text()


def _add_images(page: Page, plan: Plan) -> None:
    images = plan.to_build
    if images:
        page.add(f"\n**{counted(len(images), 'image')} to make beforehand**\n\n")
        made = (
            (code(item.resolution.image), cell(f"{item.work}{plan.apart(item)}"), code(item.kernel))
            for item in images
            if item.resolution
        )
        page.table(("image", "work", "kernel"), made)
    if plan.boot_images:
        page.add("\n**Images to push before the upgrade: pulled by nodes when they boot**\n\n")
        pulled = (
            (code(item.image), cell(item.driver), str(item.nodes), cell(verdict.of_boot_image(plan, item).strip("; ")))
            for item in plan.boot_images
        )
        page.table(("image", "driver", "nodes", "note"), pulled)


def _verdict(plan: Plan) -> str:
    if not plan.new_losses:
        return f"{capitalised(verdict.nothing_lost(plan))}.\n"
    return f"**{counted(nodes_of(loss.after for loss in plan.new_losses), 'node')} would lose a driver.**\n\n"


def _add_gaps(page: Page, plan: Plan) -> None:
    if plan.blind:
        page.add(f"\nNo kernels are known of {cell(listed(verdict.blind(plan)))}.\n")
    if plan.without_next:
        page.add(f"\nNo next kernel is known of {cell(listed(verdict.without_next(plan)))}.\n")
    if plan.paused:
        page.add("\n**Paused: these nodes stay on their kernels**\n\n")
        stay = (
            (cell(cluster), cell(names), str(count), code(on)) for cluster, names, count, on in verdict.paused(plan)
        )
        page.table(("cluster", "node group", "nodes", "kernel"), stay)


def _add_upgrade(page: Page, plan: Plan) -> None:
    upgrade = plan.upgrade
    if upgrade is None:
        return
    page.add(f"\n**{cell(capitalised(verdict.of_upgrade(upgrade)))}**\n\n")
    changes = (
        (cell(item.text), cell(listed(item.modules, 3)), cell(listed(item.clusters, 4))) for item in upgrade.changes
    )
    page.table(("what KMM does otherwise", "drivers", "clusters"), changes)
    page.add("\n")
    rows = ((cell(item.object), item.rule, cell(item.message), cell(item.fix)) for item in upgrade.findings)
    page.table(("object", "rule", "what", "fix"), rows)
    for line in verdict.left_out(upgrade):
        page.add(f"\n{cell(capitalised(line))}.\n")


def _lost(losses: Sequence[Loss]) -> Iterator[tuple[str, ...]]:
    for row, before in lost_rows(losses):
        yield cell(row.module.name), code(row.kernel), cell(row.remark), cell(row.where), cell(listed(before, 2))


def _coverage(found: Iterator[Row]) -> Iterator[tuple[str, ...]]:
    for row in found:
        image = f"{code(row.image)} ({row.work})" if row.image else ""
        mapping = code(row.mapping) if row.mapping else ""
        what = ": ".join(part for part in (image, cell(row.remark)) if part)
        yield row.phase, code(row.kernel), mapping, what, cell(row.where)
