"""Findings as a compiler prints them: place, severity, rule, field, message; the fix on a line of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import UNNEEDED_REMOVAL
from kmodgate.renderer.fleet.files import SPEC_KINDS
from kmodgate.renderer.report.findings.unchecked import notes
from kmodgate.renderer.wording import clipped, listed, printable

_USUAL = {Severity.ERROR: Mode.ENFORCE, Severity.WARNING: Mode.WARN, Severity.INFO: Mode.AUDIT}
_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}

_MOST_CLUSTERS = 10


def format_finding(finding: Finding, console: Console, base: str = "", stream: TextIO | None = None) -> str:
    """Two lines, and a third with the clusters; `base` is put before the file, so that a person can open the place."""
    place = _file(finding.file, base) if finding.file else finding.object
    if finding.line:
        place += f":{finding.line}:{finding.column}"
    label = console.paint(f"{finding.severity}[{finding.rule}]", _STYLES[finding.severity], "bold", stream=stream)
    if finding.mode is not _USUAL[finding.severity]:
        label += f" ({finding.mode})"
    field = f"{finding.spec_field or finding.field}: " if finding.field else ""
    if finding.file:
        field = named(finding, field)
    message = clipped(printable(field + finding.message))
    head = f"{console.paint(printable(place), 'bold', stream=stream)}: {label} {message}"
    where = f"\n    clusters: {printable(listed(finding.clusters, _MOST_CLUSTERS))}" if finding.clusters else ""
    return f"{head}\n    fix: {clipped(printable(finding.fix))}{where}"


def named(finding: Finding, text: str) -> str:
    """The text with the object in front, where the place alone does not tell a reader which one is meant."""
    is_spec = finding.spec_field or finding.object.partition(" ")[0] in SPEC_KINDS
    return text if is_spec or not finding.object else f"{finding.object}: {text}"


def _file(name: str, base: str) -> str:
    return os.path.relpath(name) if os.path.isabs(name) else f"{base}{name}"


def print_findings(findings: Iterable[Finding], console: Console, base: str = "") -> None:
    for finding in findings:
        console.say(format_finding(finding, console, base))


def text(findings: Iterable[Finding], console: Console) -> str:
    """The findings that do something, for stdout; what is only recorded is in the other formats."""
    shown = [finding for finding in findings if finding.mode in (Mode.ENFORCE, Mode.WARN)]
    return "".join(f"{format_finding(finding, console, console.base, stream=sys.stdout)}\n" for finding in shown)


def report(findings: Sequence[Finding], console: Console) -> str:
    """The findings that do something, then removals that nothing needs, and what could not be checked."""
    label = console.paint("note", "cyan", "bold", stream=sys.stdout)
    unneeded = [finding for finding in findings if finding.rule == UNNEEDED_REMOVAL]
    lines = [f"{_file(item.file, console.base)}:{item.line}: {item.message}; {item.fix}" for item in unneeded]
    lines += [note.text for note in notes(findings)]
    return text(findings, console) + "".join(f"{label}: {printable(line)}\n" for line in lines)
