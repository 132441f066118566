"""`kmodgate ims`: questions about the Image Management Service (IMS) of HPE Cray systems, one file for each verb."""

from __future__ import annotations

import importlib
from argparse import ArgumentParser, Namespace
from types import ModuleType

from kmodgate.renderer.arguments import add_color
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode
from kmodgate.renderer.wording import capitalised

VERBS: dict[str, str] = {
    "decide": "say where a job of IMS runs (in a VM, on a remote node, on the worker), and who decides",
    "compare": "say which jobs of IMS an upgrade changes, and which leave their VM",
    "preflight": "say whether now is a good time to roll cray-ims, by dumps and lists of cray",
    "verify": "compare the running cray-ims with what is expected, and name its Jobs that get no pod",
    "template": "find what keeps the jobs of live templates out of their VM, and print the file without it",
    "sync-recipes": "keep require_dkms of recipes in step with a list of flags, over the API of IMS",
}


def add_arguments(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="ims_verb", metavar="VERB", required=True)
    for name, text in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=capitalised(text) + ".", allow_abbrev=False)
        _verb(name).add_arguments(sub)
        add_color(sub)


def run(args: Namespace, console: Console) -> ExitCode:
    code: ExitCode = _verb(args.ims_verb).run(args, console)
    return code


def _verb(name: str) -> ModuleType:
    return importlib.import_module(f"kmodgate.renderer.commands.ims.{name.replace('-', '_')}")
