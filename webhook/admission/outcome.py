"""What callers and logs are told of findings, worked out once for all reviews that are answered the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.lazy import lazy

_LONGEST_WARNING = 256
_ALL_WARNINGS = 4096
_SHOWN_WARNINGS = _ALL_WARNINGS // _LONGEST_WARNING
"""Of those that are too long together."""

_OVERRIDE_USED = "REF206"

_DONE = {Mode.ENFORCE: "denied", Mode.WARN: "warned", Mode.AUDIT: "noted"}


class Outcome:
    """Findings of one object, and the forms in which they are told."""

    encoded: tuple[str, bytes] = ("", b"")
    """The hash of the policy and the response after its uid, of an answer that allows and has nothing else to say."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = findings

    @lazy
    def denying(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.mode is Mode.ENFORCE]

    @lazy
    def counted(self) -> list[tuple[str, str]]:
        """Rule and mode of each finding."""
        return [(finding.rule, finding.mode) for finding in self.findings]

    @lazy
    def rules(self) -> dict[str, list[str]]:
        """The rules with a finding by what it did, `denied`, `warned` or `noted`; each rule once."""
        ids: dict[str, set[str]] = {name: set() for name in _DONE.values()}
        for finding in self.findings:
            ids[_DONE[finding.mode]].add(finding.rule)
        return {name: sorted(rules) for name, rules in ids.items() if rules}

    @lazy
    def annotations(self) -> dict[str, str]:
        """What the API server's audit log is told of them."""
        return {f"{name}-by": ",".join(rules) for name, rules in self.rules.items()}

    @lazy
    def recorded(self) -> dict[str, Any]:
        """What the webhook's own audit log is told: the rules by what they did, and an override that was used."""
        found: dict[str, Any] = {**self.rules}
        if used := [finding.message for finding in self.findings if finding.rule == _OVERRIDE_USED]:
            found["override"] = "; ".join(used)
        return found

    @lazy
    def warnings(self) -> list[str]:
        """One line each; cut as the API server would cut them, so that none is dropped."""
        warnings = [item for item in self.findings if item.mode is Mode.WARN]
        lines: list[str] = []
        length = 0
        for item in warnings:
            lines.append(f"{item.field}: {words(item)}")
            length += len(lines[-1])
            if length > _ALL_WARNINGS and len(lines) >= _SHOWN_WARNINGS:
                break  # the others are not shown, and there may be thousands
        if length <= _ALL_WARNINGS:
            return lines
        shown = [_cut(line) for line in lines[:_SHOWN_WARNINGS]]
        if len(warnings) <= _SHOWN_WARNINGS:
            return shown
        return [*shown[:-1], f"and {len(warnings) - _SHOWN_WARNINGS + 1} more warnings"]


def words(finding: Finding) -> str:
    """A finding on one line: rule, message and fix."""
    return on_one_line(f"[{finding.rule}] {finding.message}; {finding.fix}")


def on_one_line(text: str) -> str:
    """Text on one line, without what no header can carry."""
    return text if text.isprintable() else "".join([char if char.isprintable() else " " for char in text])


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_WARNING else f"{line[: _LONGEST_WARNING - 1]}…"
