"""Findings as Markdown for a comment of a pull request, at most 65,536 characters long."""

from __future__ import annotations

from collections.abc import Sequence

from kmodgate.policy.findings import Finding, Mode
from kmodgate.renderer.report import Policies
from kmodgate.renderer.report.findings.text import named
from kmodgate.renderer.report.findings.unchecked import notes
from kmodgate.renderer.report.markdown_comment import LIMIT, cell
from kmodgate.renderer.wording import counted

_HEAD = "| place | rule | what is wrong | fix |\n| --- | --- | --- | --- |\n"


def write(findings: Sequence[Finding], policies: Policies) -> str:
    """A line of counts, then a table, of which what does not fit is counted; last what could not be checked."""
    profiles = ", ".join(sorted({item.policy.profile for item in policies}))
    shown = [finding for finding in findings if finding.mode in (Mode.ENFORCE, Mode.WARN)]
    refused = sum(finding.mode is Mode.ENFORCE for finding in shown)
    title = (
        f"**kmodgate**: {counted(refused, 'error')}, {counted(len(shown) - refused, 'warning')} (profile {profiles})\n"
    )
    end = _unchecked(findings)
    return f"{title}{_table(shown, LIMIT - len(title) - len(end)) if shown else ''}{end}"


def _table(shown: Sequence[Finding], room: int) -> str:
    text = f"\n{_HEAD}"
    for number, finding in enumerate(shown):
        row = _row(finding)
        rest = f"\nand {len(shown) - number} more\n"
        if len(text) + len(row) + len(rest) > room:
            return text + rest
        text += row
    return text


def _unchecked(findings: Sequence[Finding]) -> str:
    """A list, which is as long as there are kinds of facts."""
    missing = notes(findings)
    return "".join(["\n", *(f"- {cell(note.text)}\n" for note in missing)]) if missing else ""


def _row(finding: Finding) -> str:
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file or finding.object
    field = named(finding, f"{finding.spec_field or finding.field}: " if finding.field else "")
    mark = "" if finding.mode is Mode.ENFORCE else " (warning)"
    cells = (cell(place), f"{finding.rule}{mark}", cell(field + finding.message), cell(finding.fix))
    return f"| {' | '.join(cells)} |\n"
