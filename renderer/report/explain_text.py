"""Explanations for a terminal: what a field is, the line that says so, and why."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from kmodgate.policy.findings import format_path
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.renderer.console import Console
from kmodgate.renderer.explain.absent_drivers import Absence
from kmodgate.renderer.explain.field_origins import Answer, Explained, Missing, Subject
from kmodgate.renderer.plan.coverage import Cell, Module
from kmodgate.renderer.plan.resolutions import answer, plain_reason
from kmodgate.renderer.report.short_values import short
from kmodgate.renderer.wording import counted, listed, printable

_LONGEST = 160


def object_text(subject: Subject, found: Answer, console: Console) -> str:
    """The object, then every field with its place."""
    head = _head(str(subject.manifest.identity), subject.clusters, console)
    lines = (
        _missing(found, console)
        if isinstance(found, Missing)
        else (line for item in found for line in _field(item, console))
    )
    return f"{head}\n" + "".join(f"{line}\n" for line in lines)


def _head(title: str, clusters: Sequence[str], console: Console) -> str:
    where = f"{counted(len(clusters), 'cluster')} ({listed(clusters, 6)})"
    return f"{console.paint(printable(title), 'bold', stream=sys.stdout)} on {where}"


def absence_text(absence: Absence, console: Console) -> str:
    """The object, and the line that says that its driver is absent."""
    origin = absence.origin
    place = printable(f"{console.base}{origin.file}:{origin.line}:{origin.column} {format_path(origin.path)}")
    head = _head(absence.title, absence.clusters, console)
    return f"{head}\n  not there: its driver is absent\n      {place}\n"


def _missing(found: Missing, console: Console) -> Iterator[str]:
    yield f"  {printable(format_path(found.path))}: not there"
    if found.taken_by is None:
        yield "      no line of the spec sets it for these clusters"
        return
    origin = found.taken_by
    place = printable(f"{console.base}{origin.file}:{origin.line}:{origin.column} {format_path(origin.path)}")
    yield f"      {place} takes it away"
    if found.replaced is not None:
        old = found.replaced
        yield f"      in place of {printable(f'{console.base}{old.file}:{old.line} {format_path(old.path)}')}"


def _field(item: Explained, console: Console) -> Iterator[str]:
    yield f"  {printable(format_path(item.path))}: {short(item.value, _LONGEST)}"
    origin = item.origin
    place = f"{console.base}{origin.file}:{origin.line}:{origin.column}"
    if origin.source == "default":
        yield f"      {printable(item.why) or f'set by kmodgate; the closest line is {printable(place)}'}"
        yield from _mirror(item, console)
        return
    yield f"      {printable(place)} {printable(format_path(origin.path))} ({origin.source})"
    if item.why:
        yield f"      {printable(item.why)}"
    yield from _mirror(item, console)
    if item.replaced is not None:
        old = item.replaced
        yield f"      in place of {printable(f'{console.base}{old.file}:{old.line} {format_path(old.path)}')}"


def _mirror(item: Explained, console: Console) -> Iterator[str]:
    if (origin := item.mirror) is not None:
        yield f"      {printable(f'{console.base}{origin.file}:{origin.line} {format_path(origin.path)}')} (cluster)"


def node_text(
    title: str,
    cells: Iterable[Cell],
    booted: Iterable[tuple[str, str]],
    others: Iterable[tuple[str, str]],
    console: Console,
) -> str:
    """What nodes load on each of their kernels and at boot, and why they do not load the rest."""
    lines = [console.paint(printable(title), "bold", stream=sys.stdout)]
    for cell in cells:
        lines += _cell(cell, console)
    lines += [f"  loads at boot {printable(name)}: {printable(image)}" for name, image in booted]
    lines += [f"  no {printable(name)}: {printable(why)}" for name, why in others]
    return "".join(f"{line}\n" for line in lines)


def _cell(cell: Cell, console: Console) -> Iterator[str]:
    when = "" if cell.phase == "running" else ", next"
    later = f", once taint {cell.waits_for} is gone" if cell.waits_for else ""
    kernel = f"({cell.kernel}{when})"
    if cell.resolution is None:
        yield printable(f"  no {cell.module.name} {kernel}: {plain_reason(cell.reason)}{later}")
    elif cell.loads:
        yield printable(f"  loads {cell.module.name} {kernel}: {cell.resolution.image} ({cell.work}){later}")
        yield f"      by mapping {_place(cell.module, cell.resolution.mapping, console)}"
        lost = [] if cell.module.has_daemon_sets else answer(dict(cell.module.value), trimmed(cell.kernel)).lost
        for reason in lost:
            yield printable(f"      not by {reason}")
    else:
        yield printable(f"  no {cell.module.name} {kernel}: {cell.reason}{later}")
        yield f"      mapping {_place(cell.module, cell.resolution.mapping, console)} would be used"


def _place(module: Module, mapping: int, console: Console) -> str:
    origin = module.origin(mapping)
    return printable(f"{module.mappings[mapping]}, {console.base}{origin.file}:{origin.line}")
