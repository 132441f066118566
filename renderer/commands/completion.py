"""`kmodgate completion SHELL`: a script for the shell, made from the parser itself."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from kmodgate.renderer.completion import SHELLS, script
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=sorted(SHELLS), metavar="SHELL", help="one of: %(choices)s")


def run(args: Namespace, console: Console) -> ExitCode:
    from kmodgate.renderer.arguments import VERBS, parser

    console.data(script(args.shell, parser(tuple(VERBS))))
    return ExitCode.OK
