"""The `kmodgate` command: arguments to verbs, and the one place where errors become exit codes."""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import keyword
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Refused, Unusable
from kmodgate.renderer.report.findings.text import print_findings
from kmodgate.renderer.version import __version__
from kmodgate.renderer.wording import capitalised, counted, printable

VERBS = {
    "render": "compile the specs of a fleet into Kubernetes manifests, one folder a cluster",
    "check": "tell what the rules say of specs, rendered trees and Kubernetes objects",
    "plan": "tell what every node would load on its next kernel, and which would lose a driver",
    "diff": "tell what a change does to objects and nodes, against a git revision",
    "explain": "tell which line decides a field of a rendered object, or what a node loads and why",
    "facts": "take what is secret out of a dump of a cluster",
    "webhook-config": "print what registers the admission webhook in a cluster, and what it may do there",
    "rules": "list the rules, or explain one",
    "resolve": "tell what KMM would do with a Module on a kernel",
    "import": "turn existing Modules into specs",
    "schema": "print the JSON Schema of a kind",
    "init": "start a fleet, or add a driver or a cluster to one",
    "version": "print the version",
    "completion": "print a completion script for a shell",
}


_MAY_NOT = "give yourself the right to read and write there, or work on a copy"
_FIXES = {
    errno.ENOSPC: "free some space; the same command then finishes what was begun",
    errno.EDQUOT: "free some space; the same command then finishes what was begun",
    errno.EACCES: _MAY_NOT,
    errno.EPERM: _MAY_NOT,
    errno.EROFS: _MAY_NOT,
}
"""What to do about an error of the system, by its number."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    gc.disable()  # specs and manifests hold no cycles, and one run is short: collecting would take a fifth of it
    console = Console()
    try:
        args = parse(sys.argv[1:] if arguments is None else arguments)
        console.choose_color(args.color)
        code: ExitCode = verb(args.verb).run(args, console)
        console.finish()
    except Exception as error:
        code = _explain(error, console)
    return int(code)


def _explain(error: Exception, console: Console) -> ExitCode:
    """Says what went wrong and what to do about it."""
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


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed command line. Exits as argparse does, on --help and on mistakes."""
    wanted = next((name for name in arguments if name in VERBS), None)
    return parser([wanted] if wanted else []).parse_args(arguments)


def parser(loaded: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the arguments of the `loaded` verbs are filled in, so that no other verb is imported."""
    top = argparse.ArgumentParser(
        prog="kmodgate", description="GitOps for kernel drivers on Kubernetes.", allow_abbrev=False,
        epilog="kmodgate VERB --help tells more about a verb.",
    )  # fmt: skip
    top.add_argument("--version", action="version", version=f"kmodgate {__version__}", help="print the version")
    _add_color(top, default="auto")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, text in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=capitalised(text) + ".", allow_abbrev=False)
        if name in loaded:
            verb(name).add_arguments(sub)
        _add_color(sub, default=argparse.SUPPRESS)  # what stands before the verb holds, too
    return top


def _add_color(parser: argparse.ArgumentParser, default: str) -> None:
    choices = ("auto", "always", "never")
    parser.add_argument(
        "--color", choices=choices, default=default, help="colours in messages (default: on a terminal)"
    )


def verb(name: str) -> ModuleType:
    module = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    return importlib.import_module(f"kmodgate.renderer.commands.{module}")


if __name__ == "__main__":
    sys.exit(main())
