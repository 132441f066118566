"""`kmodgate ims preflight`: whether now is a good time to roll `cray-ims`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode
from kmodgate.renderer.ims.rollout.given_state import read_state
from kmodgate.renderer.ims.rollout.preflight import preflight


def add_arguments(parser: ArgumentParser) -> None:
    what = "dump of kubectl, or what cray prints with --format json: a file, a folder, or - for stdin"
    parser.add_argument("paths", nargs="+", metavar="FILE", help=what)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer")


def run(args: Namespace, console: Console) -> ExitCode:
    answer = preflight(read_state(args.paths), datetime.now(UTC))
    verdict = "NOT NOW" if answer.problems else "GOOD TIME"
    console.show(answer.as_json(verdict) if args.format == "json" else answer.text(verdict))
    return ExitCode.FINDINGS if answer.problems else ExitCode.OK
