"""What a run that failed says, and its exit code: what went wrong, and what to do about it."""

from __future__ import annotations

import errno
import traceback

from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Refused, Unusable
from kmodgate.renderer.report.findings.text import print_findings
from kmodgate.renderer.wording import counted, printable

_MAY_NOT = "give yourself the right to read and write there, or work on a copy"
_FIXES = {
    errno.ENOSPC: "free some space; the same command then finishes what was begun",
    errno.EDQUOT: "free some space; the same command then finishes what was begun",
    errno.EACCES: _MAY_NOT,
    errno.EPERM: _MAY_NOT,
    errno.EROFS: _MAY_NOT,
}
"""What to do about an error of the system, by its number."""


def explain(error: Exception, console: Console) -> ExitCode:
    """Report why a run ended, and return its exit code."""
    if isinstance(error, Refused):
        print_findings(error.findings, console, console.base)
        console.say(f"{counted(len(error.findings), 'error')}; {error.outcome}")
        return error.exit_code
    if isinstance(error, Unusable):
        return _complain(console, error.message, error.fix, error.exit_code)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        fix = _FIXES.get(error.errno or 0, "look at the place that is named")
        return _complain(console, f"{place}{error.strerror or error}", fix, ExitCode.FAILURE)
    console.say("".join(traceback.format_exception(error)).rstrip())
    return _complain(console, "this is a bug of kmodgate", "report it with the lines above", ExitCode.FAILURE)


def _complain(console: Console, message: str, fix: str, code: ExitCode) -> ExitCode:
    label = console.paint("error", "red", "bold")
    console.say(f"kmodgate: {label}: {printable(message)}\n    fix: {printable(fix)}")
    return code
