"""A plan as a page of HTML: the verdict, what would be lost, and every driver on every kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kmodgate.policy.data_class import dataclass
from kmodgate.renderer.plan.coverage import Cell
from kmodgate.renderer.plan.plan import Loss, Plan
from kmodgate.renderer.report import html_page
from kmodgate.renderer.report.html_page import (
    Figure,
    Html,
    Section,
    Tone,
    badge,
    bullets,
    code,
    folded,
    joined,
    kernel,
    path,
    place,
    text,
)
from kmodgate.renderer.report.plan import verdict
from kmodgate.renderer.report.plan.matrix import coverage, first_of
from kmodgate.renderer.report.plan.rows import Row, in_order, lost_rows, nodes_of, rows
from kmodgate.renderer.wording import capitalised, counted, listed

_SHOWN = 2  # of a list that is not folded


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A plan, and what is computed of it once for all lengths of the page."""

    plan: Plan
    base: str
    rows: list[Row]
    images: list[Cell]


def write(plan: Plan, base: str) -> str:
    """A document that needs no other file; `base` is put before the files of specs, to which it links."""
    known = _Known(plan, base, rows(plan.cells), plan.to_build)
    return html_page.fitted(lambda most: _page(known, most))


def _page(known: _Known, most: int) -> str:
    """The page, with so many items in a list."""
    plan, base = known.plan, known.base
    sections = [
        _lost("lost", "Drivers that would be lost", plan.new_losses, most),
        _lost("already-lost", f"Drivers that would be lost at {plan.against} as well", plan.old_losses, most),
    ]
    sections += [
        *_upgrade(plan, base, most),
        coverage(plan, known.rows, most),
        _images(known, most),
        _boot_images(plan, most),
        _unused(plan, base),
    ]
    sections += [html_page.findings_section(plan.findings, base, most)]
    sections += [_blind(plan), _without_next(plan), _paused(plan)]
    return html_page.page(
        f"kmodgate plan: {base.rstrip('/')}" if base else "kmodgate plan",
        *_verdict(plan),
        list(_figures(known)),
        [section for section in sections if section.count],
        remark=html_page.shortened(most),
    )


def _verdict(plan: Plan) -> tuple[str, Tone]:
    if plan.new_losses:
        nodes = nodes_of(loss.after for loss in plan.new_losses)
        drivers = {loss.after.module.name for loss in plan.new_losses}
        kernels = sorted({loss.after.kernel for loss in plan.new_losses}, key=in_order)
        where = f"{counted(len(drivers), 'driver')} on {listed(kernels, 2)}"
        return _sentence(f"{counted(nodes, 'node')} would lose a driver: {where}", plan), "bad"
    has_next = any(cell.phase == "next" for cell in plan.cells)
    if not has_next and (plan.without_next or not plan.cells):
        return _sentence("no next kernel is known of any node that has a driver", plan), "plain"
    return _sentence(verdict.nothing_lost(plan), plan), "warn" if plan.blind or plan.without_next else "good"


def _sentence(words: str, plan: Plan) -> str:
    return f"{capitalised('; '.join([words, *verdict.gaps(plan)]))}."


def _figures(known: _Known) -> Iterator[Figure]:
    plan, images = known.plan, len(known.images)
    yield Figure(images, "image", "to make beforehand", "work" if images else "plain")
    yield Figure(len(plan.findings), "finding", tone="warn" if plan.findings else "plain")
    yield Figure(len(plan.clusters), "cluster")
    yield Figure(nodes_of(plan.cells), "node", "with a driver")
    yield Figure(len({row.module.name for row in known.rows}), "driver")
    for phase in ("running", "next"):
        yield Figure(len({row.kernel for row in known.rows if row.phase == phase}), f"{phase} kernel")


def _section(id: str, title: str, head: Sequence[str], found: Sequence[html_page.Row]) -> Section:
    return Section(id, title, html_page.table(title, [text(name) for name in head], found), len(found))


def _lost(id: str, title: str, losses: Sequence[Loss], most: int) -> Section:
    found = [
        html_page.Row(
            (
                path(row.module.name),
                kernel(row.kernel),
                joined(badge("lost", "bad"), text(row.remark)),
                text(str(row.nodes)),
                text(listed(row.clusters, most)),
                _list([text(item) for item in before], "mappings", most),
            ),
            problem=True,
        )
        for row, before in lost_rows(losses)
    ]
    return _section(id, title, ("Driver", "Kernel", "Why", "Nodes", "Clusters", "Today"), found)


def _upgrade(plan: Plan, base: str, most: int) -> Iterator[Section]:
    """What a newer KMM does otherwise, and what the rules say of it."""
    upgrade = plan.upgrade
    if upgrade is None:
        return
    title = capitalised(verdict.of_upgrade(upgrade))
    found = [
        html_page.Row((text(item.text), text(listed(item.modules, most)), text(listed(item.clusters, most))))
        for item in upgrade.changes
    ]
    found += [html_page.Row((text(line), text(""), text(""))) for line in verdict.left_out(upgrade)]
    yield _section("kmm", f"KMM {upgrade.version}", ("What KMM does otherwise", "Drivers", "Clusters"), found)
    rules = html_page.findings_section(upgrade.findings, base, most)
    yield replace(rules, id="kmm-findings", title=title)


def _list(items: list[Html], noun: str, most: int) -> Html:
    """The items, folded where they are many."""
    if len(items) == 1:
        return items[0]
    body = bullets(first_of(items, most))
    return body if len(items) <= _SHOWN else folded(text(f"{len(items)} {noun}"), body)


def _images(known: _Known, most: int) -> Section:
    images: dict[tuple[str, str, str], list[Html]] = defaultdict(list)
    for cell in known.images:
        if cell.resolution:
            images[cell.module.name, cell.kernel, f"{cell.work}{known.plan.apart(cell)}"].append(
                code(cell.resolution.image)
            )
    found = [
        html_page.Row((path(name), kernel(version), badge(work, "work"), _list(items, "images", most)))
        for (name, version, work), items in images.items()
    ]
    section = _section("images", "Images to make beforehand", ("Driver", "For kernel", "Work", "Image"), found)
    return replace(section, count=len(known.images))


def _boot_images(plan: Plan, most: int) -> Section:
    found = [
        html_page.Row(
            (
                path(item.driver),
                kernel(item.kernel),
                code(item.image),
                text(str(item.nodes)),
                text(listed(sorted(item.clusters), most)),
                text(verdict.of_boot_image(plan, item).strip("; ")),
            )
        )
        for item in plan.boot_images
    ]
    title = "Images to push before the upgrade: pulled by nodes when they boot"
    return _section("boot-images", title, ("Driver", "For kernel", "Image", "Nodes", "Clusters", "Note"), found)


def _unused(plan: Plan, base: str) -> Section:
    found: dict[html_page.Row, None] = {}  # clusters that get the same mapping by different overrides say it twice
    for item in plan.unused:
        origin, name = item.module.origin(item.mapping), item.module.mappings[item.mapping]
        where = place(base, origin.file, origin.line)
        found[html_page.Row((code(name), path(item.module.name), text(item.why), where))] = None
    return _section("unused", "Mappings that no kernel uses", ("Mapping", "Driver", "Why", "Spec"), list(found))


def _blind(plan: Plan) -> Section:
    advice = text("Say them in the Cluster spec (nodeGroups[].kernels, or an inventory), or ask: --nodes FILE")
    found = [html_page.Row((text(name), advice), problem=True) for name in verdict.blind(plan)]
    return _section("unknown", "Clusters whose kernels are not known", ("Cluster", "What to do"), found)


def _without_next(plan: Plan) -> Section:
    found = [
        html_page.Row((text(name), text(capitalised(verdict.NEXT_KERNELS)))) for name in verdict.without_next(plan)
    ]
    return _section("no-next", "Clusters without next kernels", ("Cluster", "What to do"), found)


def _paused(plan: Plan) -> Section:
    found = [
        html_page.Row((text(cluster), text(names), text(str(count)), kernel(on) if on else text("")))
        for cluster, names, count, on in verdict.paused(plan)
    ]
    return _section(
        "paused", "Paused: these nodes stay on their kernels", ("Cluster", "Nodes", "Count", "Kernel"), found
    )
