"""What changes and what follows, as a page of HTML: the consequences, and every object that differs."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Severity
from kmodgate.renderer.diff.compare_fleets import Comparison
from kmodgate.renderer.diff.effects.changed_fields import FieldChange, Kind, ObjectChange
from kmodgate.renderer.report import html_page
from kmodgate.renderer.report.html_page import (
    TONES,
    Figure,
    Html,
    Section,
    Tone,
    badge,
    code,
    folded,
    joined,
    path,
    place,
    text,
)
from kmodgate.renderer.report.short_values import is_text, line_diff, short_pair
from kmodgate.renderer.wording import capitalised, counted, listed

_LINES = 200
_OBJECTS = 25
"""Rows of a table for each item that a list may have."""
_WORDS = {Severity.ERROR: "danger", Severity.WARNING: "caution", Severity.INFO: "note"}


def write(found: Comparison, base: str) -> str:
    """A document that needs no other file; `base` is put before the files of specs, to which it links."""
    return html_page.fitted(lambda most: _page(found, base, most))


def _page(found: Comparison, base: str, most: int) -> str:
    sections = [_consequences(found, base, most), _objects(found, base, most)]
    return html_page.page(
        f"kmodgate diff: {base.rstrip('/')}" if base else "kmodgate diff",
        *_verdict(found),
        list(_figures(found)),
        [section for section in sections if section.count],
        remark=html_page.shortened(most),
    )


def _verdict(found: Comparison) -> tuple[str, Tone]:
    worst = next(iter(found.consequences), None)
    if worst is None:
        return f"{capitalised(found.summary)}.", "good"
    return f"{capitalised(worst.text)}.", TONES[worst.severity]


def _figures(found: Comparison) -> Iterator[Figure]:
    clusters = {name for change in found.changes for name in change.clusters}
    for kind in Kind:
        count = sum(len(change.clusters) for change in found.changes if change.kind is kind)
        yield Figure(count, "object", str(kind), "warn" if kind is Kind.REMOVED and count else "plain")
    yield Figure(len(clusters), "cluster")


def _consequences(found: Comparison, base: str, most: int) -> Section:
    rows = [
        html_page.Row(
            (
                text(item.text),
                html_page.Cell(badge(_WORDS[item.severity], TONES[item.severity]), order=str(int(item.effect))),
                text(", ".join(item.why)),
                text(listed(item.clusters, most)),
                html_page.Cell(text(str(item.nodes or "")), order=str(item.nodes)),
                place(base, item.origin.file, item.origin.line),
            ),
            problem=item.severity is not Severity.INFO,
        )
        for item in found.consequences[: most * _OBJECTS]
    ]
    head = [text(name) for name in ("What happens", "Severity", "Because of", "Clusters", "Nodes", "Spec")]
    return Section("consequences", "Consequences", html_page.table("Consequences", head, rows), len(found.consequences))


def _objects(found: Comparison, base: str, most: int) -> Section:
    rows = [
        html_page.Row(
            (
                path(str(change.manifest.identity)),
                badge(str(change.kind), "bad" if change.kind is Kind.REMOVED else "plain"),
                text(_where(change, most)),
                _fields(change, base, most),
            ),
            problem=change.kind is Kind.REMOVED,
        )
        for change in found.changes[: most * _OBJECTS]
    ]
    head = [text(name) for name in ("Object", "Change", "Where", "Fields")]
    return Section("objects", "Objects", html_page.table("Objects", head, rows), len(found.changes))


def _where(change: ObjectChange, most: int) -> str:
    where = f"{counted(len(change.clusters), 'cluster')}: {listed(change.clusters, most)}"
    return f"{where}; it {change.note}" if change.note else where


def _fields(change: ObjectChange, base: str, most: int) -> Html:
    parts = [_field(change, field, base) for field in change.fields[:most]]
    if len(change.fields) > most:
        parts.append(text(f"and {len(change.fields) - most} more"))
    if not parts:
        return place(base, change.manifest.spec_file)
    return folded(text(counted(len(change.fields), "field")), html_page.bullets(parts))


def _field(change: ObjectChange, field: FieldChange, base: str) -> Html:
    origin = change.origin(field)
    where = place(base, origin.file, origin.line)
    if is_text(field.before, field.after):
        lines = line_diff(field.before, field.after, _LINES)
        return joined(code(field.shown), where, Html(f"<pre>{Html(chr(10)).join(map(text, lines))}</pre>"))
    before, after = short_pair(field.before, field.after, 300)
    return joined(code(field.shown), code(before), text("→"), code(after), where)
