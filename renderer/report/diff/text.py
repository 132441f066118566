"""What changes and what follows, for a terminal: the consequences first."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from kmodgate.policy.findings import Severity
from kmodgate.renderer.console import Console
from kmodgate.renderer.diff.compare_fleets import Comparison
from kmodgate.renderer.diff.effects.changed_fields import FieldChange, Kind, ObjectChange
from kmodgate.renderer.report.short_values import is_text, line_diff, short_pair
from kmodgate.renderer.wording import counted, listed, printable

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SIGNS = {Kind.ADDED: ("+", "green"), Kind.CHANGED: ("~", "yellow"), Kind.REMOVED: ("-", "red")}
_LINES = 40


def text(found: Comparison, console: Console) -> str:
    """Both parts; nothing where nothing differs."""
    parts = [_part("Consequences", _consequences(found, console), console)]
    parts.append(_part("Objects", _objects(found, console), console))
    return "\n".join(part for part in parts if part)


def _part(title: str, lines: Iterator[str], console: Console) -> str:
    body = "".join(f"{line}\n" for line in lines)
    return f"{console.paint(title, 'bold', stream=sys.stdout)}\n{body}" if body else ""


def _consequences(found: Comparison, console: Console) -> Iterator[str]:
    for item in found.consequences:
        label = console.paint(f"{item.severity:7}", _COLORS[item.severity], stream=sys.stdout)
        yield f"  {label} {printable(item.text)}"
        place = f"{console.base}{item.origin.file}:{item.origin.line}"
        why = f"because of {', '.join(item.why)}; " if item.why else ""
        yield f"          {printable(f'{why}{listed(item.clusters, 4)}; {place}')}"


def _objects(found: Comparison, console: Console) -> Iterator[str]:
    for change in found.changes:
        sign, color = _SIGNS[change.kind]
        where = f"{counted(len(change.clusters), 'cluster')} ({listed(change.clusters, 4)})"
        head = printable(f"{sign} {change.manifest.identity}")
        yield f"  {console.paint(head, color, stream=sys.stdout)}  {where}{change.note and f': {change.note}'}"
        for field in change.fields:
            yield from _field(change, field, console)


def _field(change: ObjectChange, field: FieldChange, console: Console) -> Iterator[str]:
    origin = change.origin(field)
    place = printable(f"{console.base}{origin.file}:{origin.line}")
    name = printable(field.shown)
    if is_text(field.before, field.after):
        yield f"      {name}  {place}"
        yield from (f"        {line}" for line in line_diff(field.before, field.after, _LINES))
        return
    before, after = short_pair(field.before, field.after)
    yield f"      {name}: {before} → {after}  {place}"
