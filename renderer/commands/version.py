"""`kmodgate version`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from renderer.console import Console
from renderer.errors import ExitCode
from renderer.version import __version__


def add_arguments(parser: ArgumentParser) -> None:
    """Takes none."""


def run(args: Namespace, console: Console) -> ExitCode:
    console.data(f"kmodgate {__version__}\n")
    return ExitCode.OK
