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
        type=_kind,
        choices=sorted(schemas.KINDS),
        metavar="KIND",
        help="one of: %(choices)s (default: list them)",
    )


def _kind(text: str) -> str:
    """A kind as it is spelt, whatever the case that a person types it in."""
    return next((kind for kind in schemas.KINDS if kind.lower() == text.lower()), text)


def run(args: Namespace, console: Console) -> ExitCode:
    if args.kind:
        console.data(schemas.read(schemas.KINDS[args.kind]).decode())
    else:
        console.data("".join(f"{kind}\n" for kind in sorted(schemas.KINDS)))
    return ExitCode.OK
