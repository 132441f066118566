"""`kmodgate version`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode
from kmodgate.renderer.version import __version__


def add_arguments(parser: ArgumentParser) -> None:
    """Takes none."""


def run(args: Namespace, console: Console) -> ExitCode:
    console.data(f"kmodgate {__version__}\n")
    return ExitCode.OK
