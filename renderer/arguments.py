"""The command line of kmodgate: its verbs and their arguments."""

from __future__ import annotations

import argparse
import importlib
import keyword
from collections.abc import Sequence
from types import ModuleType

from kmodgate.renderer.version import __version__
from kmodgate.renderer.wording import capitalised

VERBS = {
    "render": "compile the specs of a fleet into Kubernetes manifests, one folder a cluster",
    "check": "tell what the rules say of specs, rendered trees and Kubernetes objects",
    "plan": "tell what every node would load on its next kernel, and which would lose a driver",
    "diff": "tell what a change does to objects and nodes, against a git revision",
    "images": "list the images that clusters need from elsewhere, for a site that mirrors them",
    "explain": "tell which line decides a field of a rendered object, or what a node loads and why",
    "facts": "take what is secret out of a dump of a cluster",
    "webhook-config": "print what registers the admission webhook in a cluster, and what it may do there",
    "policy": "print what a DriverPolicy has to approve before it refuses workloads",
    "ims": "tell what the Image Management Service does with its jobs, and keep its settings in step",
    "rules": "list the rules, or explain one",
    "resolve": "tell what KMM would do with a Module on a kernel",
    "import": "turn existing Modules, and DaemonSets that load kernel modules, into specs",
    "schema": "print the JSON Schema of a kind",
    "init": "start a fleet, or add a driver or a cluster to one",
    "version": "print the version",
    "completion": "print a completion script for a shell",
}


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
    add_color(top, default="auto")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, text in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=capitalised(text) + ".", allow_abbrev=False)
        if name in loaded:
            verb(name).add_arguments(sub)
        add_color(sub)
    return top


def add_color(parser: argparse.ArgumentParser, default: str = argparse.SUPPRESS) -> None:
    """Add `--color` to a verb, or to a verb of a verb; without a default, what stands before the verb holds."""
    choices = ("auto", "always", "never")
    parser.add_argument(
        "--color", choices=choices, default=default, help="colours in messages (default: on a terminal)"
    )


def verb(name: str) -> ModuleType:
    module = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    return importlib.import_module(f"kmodgate.renderer.commands.{module}")
