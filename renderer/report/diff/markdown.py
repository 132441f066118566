"""What changes and what follows, as Markdown for a comment of a pull request, at most 65,536 characters long."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Severity
from kmodgate.renderer.diff.compare_fleets import Comparison
from kmodgate.renderer.diff.effects.changed_fields import FieldChange, ObjectChange
from kmodgate.renderer.report.markdown_comment import Page, cell, code, fenced
from kmodgate.renderer.report.short_values import is_text, line_diff, short_pair
from kmodgate.renderer.wording import capitalised, counted, listed

_SIGNS = {Severity.ERROR: "**danger**", Severity.WARNING: "**caution**", Severity.INFO: ""}
_LINES = 60


def write(found: Comparison, base: str) -> str:
    """The consequences as a table, and every object folded."""
    page = Page()
    page.add("### kmodgate diff\n\n")
    page.add(f"{cell(capitalised(found.summary))}.\n\n")
    rows = (
        (
            _SIGNS[item.severity],
            cell(item.text),
            cell(", ".join(item.why)),
            cell(listed(item.clusters, 4)),
            code(f"{base}{item.origin.file}:{item.origin.line}"),
        )
        for item in found.consequences
    )
    page.table(("", "what happens", "because of", "clusters", "spec"), rows)
    for change in found.changes:
        where = f"{counted(len(change.clusters), 'cluster')}: {listed(change.clusters, 4)}"
        note = change.note and f": {change.note}"
        with page.folded(f"{change.kind} {change.manifest.identity} ({where}){note}"):
            page.table(("field", "before", "after", "spec"), _fields(change, base))
            for field in change.fields:
                if is_text(field.before, field.after):
                    page.add(f"\n{code(field.shown)}\n\n")
                    page.add(fenced(line_diff(field.before, field.after, _LINES), "diff"))
    return page.text()


def _fields(change: ObjectChange, base: str) -> Iterator[tuple[str, ...]]:
    for field in change.fields:
        if not is_text(field.before, field.after):
            before, after = short_pair(field.before, field.after, 300)
            yield code(field.shown), code(before), code(after), _place(change, field, base)


def _place(change: ObjectChange, field: FieldChange, base: str) -> str:
    origin = change.origin(field)
    return code(f"{base}{origin.file}:{origin.line}")
