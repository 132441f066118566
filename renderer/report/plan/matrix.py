"""The matrix of drivers and kernels on the page of a plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kmodgate.policy.data_class import dataclass
from kmodgate.renderer.plan.coverage import Group, Phase
from kmodgate.renderer.plan.plan import Plan
from kmodgate.renderer.report import html_page
from kmodgate.renderer.report.html_page import (
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
    text,
)
from kmodgate.renderer.report.plan.rows import Row, in_order
from kmodgate.renderer.wording import counted, listed

_LEGEND = (
    "A cell names the mapping that wins, what KMM does where the image is missing, and how many nodes; open it for the "
    "images and clusters. Not loaded: the driver picks the nodes, and nothing would be loaded on them. Lost: the same, "
    "on nodes that load the driver today. A dash: the driver picks no node that runs the kernel or gets it next."
)

_Losing = frozenset[tuple[str, Group, str]]
"""Modules by name, on nodes, under kernels."""


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


def coverage(plan: Plan, found: list[Row], most: int) -> Section:
    """The matrix of a plan and its rows, with so many items in a list."""
    losing = frozenset((loss.after.module.name, loss.after.group, loss.after.kernel) for loss in plan.lost)
    cells: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in found:
        cells[row.module.name][row.kernel].append(row)
    kernels = sorted({row.kernel for row in found}, key=in_order)
    head = [text("Driver"), *(_kernel_head(version, found) for version in kernels)]
    drivers = [_driver(name, cells[name], kernels, losing, most) for name in cells]
    table = html_page.table("Drivers and kernels", head, drivers, kind="matrix")
    return Section(
        "coverage", "Drivers and kernels", joined(html_page.note(_LEGEND), table, between="\n"), len(drivers)
    )


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
                part = row if len(groups) == len(row.groups) else replace(row, groups=groups)
                same[row.mapping, row.work, row.remark, lost].append(part)
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
        return joined(text(first.mapping), badge(first.work, _tone(outcome)), text(first.remark), nodes)
    return joined(badge("lost" if outcome.lost else "not loaded", _tone(outcome)), text(first.remark), nodes)


def _details(outcome: _Outcome, everywhere: frozenset[str], most: int) -> Html:
    """The clusters of every image; of nodes that load nothing their groups, too, and the mapping that would win."""
    clusters: dict[str, set[str]] = defaultdict(set)
    for row in outcome.rows:
        clusters[row.image].update(row.clusters)
    places = [joined(code(image), text(_where(names, everywhere, most))) for image, names in clusters.items()]
    lines = first_of(places, most)
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


def first_of(items: list[Html], most: int) -> list[Html]:
    """The first items of a list, and how many more there are."""
    more = len(items) - most
    return [*items[:most], text(f"and {more} more")] if more > 0 else items
