"""`kmodgate schema [KIND]`: the JSON Schemas, for editors and other tools."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from kmodgate import schemas
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "kind",
        nargs="?",
        choices=sorted(schemas.KINDS),
        metavar="KIND",
        help="one of: %(choices)s (default: list them)",
    )


def run(args: Namespace, console: Console) -> ExitCode:
    if args.kind:
        console.data(schemas.read(schemas.KINDS[args.kind]).decode())
    else:
        console.data("".join(f"{kind}\n" for kind in sorted(schemas.KINDS)))
    return ExitCode.OK
