"""A fleet with its output folder, in which a spec would silently count for nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from kmodgate.policy.findings import Finding
from kmodgate.renderer.fleet.files import SPEC_SUFFIXES
from kmodgate.renderer.fleet.load import Fleet, is_spec, load_fleet
from kmodgate.renderer.tree.index import unowned


def load_with_output(
    root: Path,
    output: Path,
    findings: list[Finding],
    progress: Callable[[str, int, int], None] = lambda *_: None,
    *,
    may_be_empty: bool = False,
    tracked_only: bool = False,
) -> Fleet:
    """Load a fleet as `load_fleet` does, and report each spec that lies in the output folder."""
    strays = _strays(root, output)
    return load_fleet(
        root, output, findings, progress, strays=strays, may_be_empty=may_be_empty, tracked_only=tracked_only
    )


def _strays(root: Path, output: Path) -> Iterator[Finding]:
    if not output.resolve().is_relative_to(root.resolve()):
        return
    for name in unowned(output, SPEC_SUFFIXES):
        path = output / name
        if path.is_file() and not path.is_symlink() and is_spec(path):
            fix = "move it out of there, or give render another --output"
            message = "a spec in the output folder, where none is looked for"
            yield Finding("GIT003", message, fix, file=os.path.abspath(path))
