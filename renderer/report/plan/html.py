"""A plan as a page of HTML: the verdict, what would be lost, and every driver on every kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kmodgate.renderer.plan.coverage import Cell, Group, Phase
from kmodgate.renderer.plan.plan import Plan
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
from kmodgate.renderer.report.plan.rows import Row, in_order, lost_rows, nodes_of, rows
from kmodgate.renderer.wording import counted, listed

_SHOWN = 2  # of a list that is not folded
_LEGEND = (
    "A cell names the mapping that wins, what KMM does where the image is missing, and how many nodes; open it for the "
    "images and clusters. Not loaded: the driver picks the nodes, and nothing would be loaded on them. Lost: the same, "
    "on nodes that load the driver today. A dash: the driver picks no node that runs the kernel or gets it next."
)

_Losing = frozenset[tuple[str, Group, str]]
"""Modules by name, on nodes, under kernels."""


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A plan, and what is computed of it once for all lengths of the page."""

    plan: Plan
    base: str
    rows: list[Row]
    images: list[Cell]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a Module does under a kernel, on all nodes on which it does the same, whatever their images."""

    rows: tuple[Row, ...]
    lost: bool

    @property
    def first(self) -> Row:
        return self.rows[0]

    @property
    def nodes(self) -> str:
        """`3 nodes`, or both numbers where some run the kernel and others get it next."""
        running, coming = (sum(row.nodes for row in self.rows if row.phase == phase) for phase in ("running", "next"))
        return f"{running} running, {coming} next" if running and coming else counted(running + coming, "node")


def write(plan: Plan, base: str) -> str:
    """A document that needs no other file; `base` is put before the files of specs, to which it links."""
    known = _Known(plan, base, rows(plan.cells), plan.to_build)
    return html_page.fitted(lambda most: _page(known, most))


def _page(known: _Known, most: int) -> str:
    """The page, with so many items in a list."""
    plan, base = known.plan, known.base
    sections = [_lost(plan, most), _coverage(known, most), _images(known, most), _unused(plan, base)]
    sections += [html_page.findings_section(plan.findings, base, most), _blind(plan)]
    return html_page.page(
        f"kmodgate plan: {base.rstrip('/')}" if base else "kmodgate plan",
        *_verdict(plan),
        list(_figures(known)),
        [section for section in sections if section.count],
        remark=html_page.shortened(most),
    )


def _verdict(plan: Plan) -> tuple[str, Tone]:
    if plan.lost:
        nodes = nodes_of(loss.after for loss in plan.lost)
        drivers = {loss.after.module.name for loss in plan.lost}
        kernels = sorted({loss.after.kernel for loss in plan.lost}, key=in_order)
        where = f"{counted(len(drivers), 'driver')} on {listed(kernels, 2)}"
        return f"{counted(nodes, 'node')} would lose a driver: {where}.", "bad"
    if not any(cell.phase == "next" for cell in plan.cells):
        return "No next kernel is known of any node that has a driver.", "plain"
    if plan.blind:
        unknown = counted(len(plan.blind), "cluster")
        return f"No node whose kernel is known would lose a driver; those of {unknown} are not known.", "warn"
    return "No node would lose a driver.", "good"


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


def _lost(plan: Plan, most: int) -> Section:
    found = [
        html_page.Row(
            (
                path(row.module.name),
                kernel(row.kernel),
                joined(badge("lost", "bad"), text(row.reason)),
                text(str(row.nodes)),
                text(listed(row.clusters, most)),
                _list([text(item) for item in before], "mappings", most),
            ),
            problem=True,
        )
        for row, before in lost_rows(plan)
    ]
    return _section(
        "lost", "Drivers that would be lost", ("Driver", "Kernel", "Why", "Nodes", "Clusters", "Today"), found
    )


def _list(items: list[Html], noun: str, most: int) -> Html:
    """The items, folded where they are many."""
    if len(items) == 1:
        return items[0]
    body = bullets(_shortened(items, most))
    return body if len(items) <= _SHOWN else folded(text(f"{len(items)} {noun}"), body)


def _shortened(items: list[Html], most: int) -> list[Html]:
    more = len(items) - most
    return [*items[:most], text(f"and {more} more")] if more > 0 else items


def _images(known: _Known, most: int) -> Section:
    images: dict[tuple[str, str, str], list[Html]] = defaultdict(list)
    for cell in known.images:
        if cell.resolution:
            images[cell.module.name, cell.kernel, cell.work].append(code(cell.resolution.image))
    found = [
        html_page.Row((path(name), kernel(version), badge(work, "work"), _list(items, "images", most)))
        for (name, version, work), items in images.items()
    ]
    section = _section("images", "Images to make beforehand", ("Driver", "For kernel", "Work", "Image"), found)
    return replace(section, count=len(known.images))


def _unused(plan: Plan, base: str) -> Section:
    found: dict[html_page.Row, None] = {}  # clusters that get the same mapping by different overrides say it twice
    for item in plan.unused:
        origin, name = item.module.origin(item.mapping), item.module.mappings[item.mapping]
        where = place(base, origin.file, origin.line)
        found[html_page.Row((code(name), path(item.module.name), text(item.why), where))] = None
    return _section("unused", "Mappings that no kernel uses", ("Mapping", "Driver", "Why", "Spec"), list(found))


def _blind(plan: Plan) -> Section:
    advice = text("Say them in the Cluster spec (nodeGroups[].kernels, or an inventory), or ask: --nodes FILE")
    found = [html_page.Row((text(name), advice), problem=True) for name in plan.blind]
    return _section("unknown", "Clusters whose kernels are not known", ("Cluster", "What to do"), found)


def _coverage(known: _Known, most: int) -> Section:
    losing = frozenset((loss.after.module.name, loss.after.group, loss.after.kernel) for loss in known.plan.lost)
    cells: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in known.rows:
        cells[row.module.name][row.kernel].append(row)
    kernels = sorted({row.kernel for row in known.rows}, key=in_order)
    head = [text("Driver"), *(_kernel_head(version, known.rows) for version in kernels)]
    found = [_driver(name, cells[name], kernels, losing, most) for name in cells]
    body = joined(
        html_page.note(_LEGEND), html_page.table("Drivers and kernels", head, found, kind="matrix"), between="\n"
    )
    return Section("coverage", "Drivers and kernels", body, len(found))


def _driver(
    name: str, by_kernel: Mapping[str, list[Row]], kernels: list[str], losing: _Losing, most: int
) -> html_page.Row:
    """A row of the matrix."""
    known = [row for found in by_kernel.values() for row in found]
    everywhere = frozenset(cluster for row in known for cluster in row.clusters)
    cells = (_cell(_outcomes(by_kernel.get(version, []), losing), everywhere, most) for version in kernels)
    clusters = folded(text(counted(len(everywhere), "cluster")), text(listed(sorted(everywhere), most)))
    return html_page.Row((joined(path(name), clusters), *cells), problem=not all(row.loads for row in known))


def _kernel_head(version: str, found: Sequence[Row]) -> Html:
    """The kernel, and how many nodes run it and get it next."""
    tones: dict[Phase, Tone] = {"running": "plain", "next": "work"}
    lines = ""
    for phase, tone in tones.items():
        groups = {group for row in found if row.kernel == version and row.phase == phase for group in row.groups}
        if groups:
            nodes = text(counted(sum(group.count for group in groups), "node"))
            lines += f'<span class="phase">{badge(phase, tone)} {nodes}</span>'
    return Html(f"{kernel(version)}{lines}")


def _outcomes(found: Sequence[Row], losing: _Losing) -> list[_Outcome]:
    """The rows of a cell, those of one mapping, work and reason together, problems first."""
    same: dict[tuple[str, str, str, bool], list[Row]] = defaultdict(list)
    for row in found:
        for lost in (True, False):
            groups = tuple(group for group in row.groups if ((row.module.name, group, row.kernel) in losing) == lost)
            if groups:
                same[row.mapping, row.work, row.reason, lost].append(replace(row, groups=groups))
    outcomes = [_Outcome(tuple(alike), key[-1]) for key, alike in same.items()]
    return sorted(outcomes, key=lambda outcome: (not outcome.lost, outcome.first.loads))


def _cell(outcomes: list[_Outcome], everywhere: frozenset[str], most: int) -> html_page.Cell:
    """One cell of the matrix; sorted by its column, problems come first and dashes last."""
    if not outcomes:
        return html_page.Cell(Html("&ndash;"), "none", order="2")
    body = joined(*(_folded(outcome, everywhere, most) for outcome in outcomes), between="")
    first = outcomes[0].first
    return html_page.Cell(body, order=f"1 {first.mapping}" if first.loads else f"0 {first.reason}")


def _folded(outcome: _Outcome, everywhere: frozenset[str], most: int) -> Html:
    tone = _tone(outcome)
    return folded(_summary(outcome), _details(outcome, everywhere, most), tone if tone in ("bad", "warn") else "")


def _tone(outcome: _Outcome) -> Tone:
    if not outcome.first.loads:
        return "bad" if outcome.lost else "warn"
    return "good" if outcome.first.work == "prebuilt" else "work"


def _summary(outcome: _Outcome) -> Html:
    first = outcome.first
    nodes = Html(f'<span class="nodes">{text(outcome.nodes)}</span>')
    if first.loads:
        return joined(text(first.mapping), badge(first.work, _tone(outcome)), nodes)
    return joined(badge("lost" if outcome.lost else "not loaded", _tone(outcome)), text(first.reason), nodes)


def _details(outcome: _Outcome, everywhere: frozenset[str], most: int) -> Html:
    """The clusters of every image; of nodes that load nothing their groups, too, and the mapping that would win."""
    clusters: dict[str, set[str]] = defaultdict(set)
    for row in outcome.rows:
        clusters[row.image].update(row.clusters)
    places = [joined(code(image), text(_where(names, everywhere, most))) for image, names in clusters.items()]
    lines = _shortened(places, most)
    if not outcome.first.loads:
        groups = {name: None for row in outcome.rows for group in row.groups for name in group.names}
        lines.append(text(f"nodes: {listed(list(groups), most)}"))
        if outcome.first.mapping:
            lines.append(text(f"mapping {outcome.first.mapping} would win"))
    return bullets(lines)


def _where(names: set[str], everywhere: frozenset[str], most: int) -> str:
    if names == everywhere and len(names) > 1:
        return f"on all {len(names)} clusters of the driver"
    return f"on {listed(sorted(names), most)}"
