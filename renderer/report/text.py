"""Findings as a compiler prints them: place, severity, rule, field, message; the fix on a line of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable

from policy.findings import Finding, Severity
from renderer.console import Console

_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def format_finding(finding: Finding, console: Console, base: str = "") -> str:
    """Two lines; `base` is put before the file, so that the place can be opened from where the person is."""
    place = _file(finding.file, base) if finding.file else finding.object
    if finding.line:
        place += f":{finding.line}:{finding.column}"
    label = console.paint(f"{finding.severity}[{finding.rule}]", _STYLES[finding.severity], "bold")
    field = f"{finding.field}: " if finding.field else ""
    head = f"{console.paint(_printable(place), 'bold')}: {label} {_printable(field + finding.message)}"
    return f"{head}\n    fix: {_printable(finding.fix)}"


def _file(name: str, base: str) -> str:
    return os.path.relpath(name) if os.path.isabs(name) else f"{base}{name}"


def _printable(text: str) -> str:
    """Text from a spec may hold anything; a terminal gets no control characters of it."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def print_findings(findings: Iterable[Finding], console: Console, base: str = "") -> None:
    for finding in findings:
        console.say(format_finding(finding, console, base))
