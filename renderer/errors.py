"""How a run can end, and the exceptions that say so.

Nothing below `renderer.cli` exits or prints: it returns, or raises one of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from kmodgate.policy.findings import Finding, Mode, sort_findings

UNNEEDED_REMOVAL = "GIT005"
"""An entry of removals.yaml that nothing needs: a note, which text shows although it is only recorded."""


class ExitCode(IntEnum):
    OK = 0
    FINDINGS = 1
    """Findings of a check, drift, or a removal that nobody has allowed."""
    INPUT = 2
    """Input or arguments that cannot be used."""
    FAILURE = 3
    """The environment failed (a full disk, a read-only folder), or kmodgate has a bug. Ctrl-C is renderer.start's."""


class Refused(Exception):
    """What a person wrote cannot be used as it is; the findings say where and how to mend it."""

    def __init__(
        self, findings: Iterable[Finding], exit_code: ExitCode = ExitCode.INPUT, *, outcome: str = "nothing was written"
    ) -> None:
        self.outcome = outcome
        self.findings = sort_findings(findings)
        self.exit_code = exit_code
        super().__init__(f"{len(self.findings)} findings")


def refuse_enforced(
    findings: Iterable[Finding], exit_code: ExitCode = ExitCode.INPUT, *, outcome: str = "nothing was written"
) -> None:
    """Raises Refused with those findings that are to be enforced, if there are some."""
    enforced = [finding for finding in findings if finding.mode is Mode.ENFORCE]
    if enforced:
        raise Refused(enforced, exit_code, outcome=outcome)


class Unusable(Exception):
    """An argument or a place that cannot be used, for which no file has a line to point at."""

    def __init__(self, message: str, fix: str, exit_code: ExitCode = ExitCode.INPUT) -> None:
        self.message = message
        self.fix = fix
        self.exit_code = exit_code
        super().__init__(message)
