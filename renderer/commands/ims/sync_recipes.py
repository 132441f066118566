"""`kmodgate ims sync-recipes`: keep `require_dkms` of the recipes of IMS in step with a list of flags."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable
from kmodgate.renderer.ims import recipe_sync


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--flags", required=True, metavar="FILE", help="JSON file with the flags")
    recipe_sync.add_arguments(parser)


def run(args: Namespace, console: Console) -> ExitCode:
    try:
        flags = recipe_sync.parse_flags(recipe_sync.read_text(args.flags), args.flags)
        code, report, notes = recipe_sync.run(flags, args)
    except recipe_sync.Failed as error:
        raise Unusable(error.message, error.fix, ExitCode(error.code)) from None
    for note in notes:
        console.say(note)
    console.show(report)
    return ExitCode(code)
