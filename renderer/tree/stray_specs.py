"""A fleet with its output folder, in which a spec would silently count for nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.files import HANDOVER, OUTPUT, SPEC_SUFFIXES
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.loading.load import load_fleet
from kmodgate.renderer.fleet.loading.spec_files import is_spec
from kmodgate.renderer.tree.index import unowned


@dataclass(frozen=True, slots=True)
class Trust:
    """What a run takes for part of the fleet: files that git does not know, and an output folder that is a link."""

    tracked_only: bool = False
    is_chosen: bool = False
    """Whether a person has named the output folder."""


_NONE = Trust()


def load_with_output(
    root: Path,
    output: Path,
    findings: list[Finding],
    progress: Callable[[str, int, int], None] = lambda *_: None,
    trust: Trust = _NONE,
    *,
    may_be_empty: bool = False,
) -> Fleet:
    """Load a fleet as `load_fleet` does, and report each spec that lies in the output folder.

    Raises Unusable for an output folder that is a link, unless a person has chosen it.
    """
    if os.path.abspath(output) == os.path.abspath(root / OUTPUT) and not trust.is_chosen:
        refuse_linked_output(root)
    refuse_linked_handover(root / HANDOVER)
    strays = chain(_strays(root, output), _strays(root, root / HANDOVER))
    return load_fleet(
        root, output, findings, progress, strays=strays, may_be_empty=may_be_empty, tracked_only=trust.tracked_only
    )


def refuse_linked_output(root: Path) -> None:
    """Raise Unusable where the output folder of a fleet is a link, which only a person may choose."""
    output = root / OUTPUT
    if output.is_symlink():
        message = f"{output} is a symbolic link, and must be a folder of the fleet"
        raise Unusable(message, "remove the link; render --output DIR writes to another place")


def refuse_linked_handover(folder: Path) -> None:
    """Raise Unusable where the folder of the handover is a link, which nobody can choose."""
    if folder.is_symlink():
        raise Unusable(f"{folder} is a symbolic link, and must be a folder of the fleet", "remove the link")


def _strays(root: Path, output: Path) -> Iterator[Finding]:
    if not output.resolve().is_relative_to(root.resolve()):
        return
    for name in unowned(output, SPEC_SUFFIXES):
        path = output / name
        if path.is_file() and not path.is_symlink() and is_spec(path):
            fix = "move it out of there, or give render another --output"
            message = "a spec in the output folder, where none is looked for"
            yield Finding("GIT003", message, fix, file=os.path.abspath(path))
