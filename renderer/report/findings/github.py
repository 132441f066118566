"""Findings as GitHub's workflow commands, which become annotations of a pull request.

Source: GitHub Docs, Workflow commands for GitHub Actions.
"""

from __future__ import annotations

from collections.abc import Sequence

from kmodgate.policy.findings import Finding, Mode
from kmodgate.renderer.report import Policies
from kmodgate.renderer.report.findings.text import named
from kmodgate.renderer.report.findings.unchecked import notes
from kmodgate.renderer.wording import clipped, printable

_COMMANDS = {Mode.ENFORCE: "error", Mode.WARN: "warning"}


def write(findings: Sequence[Finding], _policies: Policies) -> str:
    """One line a finding, and one for all that could not be checked: GitHub shows ten notices of a step at most."""
    commands = [_command(finding) for finding in findings if finding.mode in _COMMANDS]
    missing = "\n".join(printable(note.text) for note in notes(findings))
    if missing:
        commands.append(f"::notice title=kmodgate::{_escaped(missing)}")
    return "".join(f"{command}\n" for command in commands)


def _command(finding: Finding) -> str:
    place = {"file": finding.file, "line": finding.line, "col": finding.column, "title": finding.rule}
    properties = ",".join(f"{key}={_escaped_property(printable(str(value)))}" for key, value in place.items() if value)
    field = named(finding, f"{finding.spec_field or finding.field}: " if finding.field else "")
    text = clipped(printable(f"{field}{finding.message}; fix: {finding.fix}"))
    return f"::{_COMMANDS[finding.mode]} {properties}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
