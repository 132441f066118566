"""The root of a fleet: the folder that holds a `kmodgate.yaml`."""

from __future__ import annotations

import os
from pathlib import Path

from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.files import MARKER


def root_above(path: Path) -> Path | None:
    """The closest folder, from a path upwards, that holds a `kmodgate.yaml`."""
    folder = os.path.abspath(path)
    while not os.path.isfile(os.path.join(folder, MARKER)):
        folder, inner = os.path.dirname(folder), folder
        if folder == inner:
            return None
    return Path(folder)


def find_root(start: Path) -> Path:
    """The closest folder, from `start` upwards, that holds a `kmodgate.yaml`. Raises Unusable."""
    if not start.exists():
        raise Unusable(
            f"{start}: there is no such folder", "give the folder of a fleet, or run: kmodgate init fleet NAME"
        )
    root = root_above(start)
    if root is not None:
        return root
    raise Unusable(
        f"{start}: no fleet here, and none above: no folder has a {MARKER}",
        f"create an empty {MARKER} at the root of the fleet, or run: kmodgate init fleet NAME",
    )


def as_typed(root: Path) -> Path:
    """The root as a person would type it from where they are, if it is below; else as it is."""
    relative = os.path.relpath(root)
    return root if relative.startswith("..") and len(relative) > len(str(root)) else Path(relative)


def prefix(folder: Path) -> str:
    """What is put before a path in a folder, so that it can be opened from where the person is."""
    return "" if str(folder) == "." else f"{folder.as_posix()}/"
