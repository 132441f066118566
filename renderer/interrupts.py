"""Ctrl-C, or being asked to end: what a run takes away before it ends."""

import os
import shutil
from types import FrameType

_folders: list[str] = []


def remove_on_interrupt(folder: str) -> None:
    """Names a temporary folder that a run which is ended has to take away."""
    _folders.append(folder)


def end_at_once(number: int, _frame: FrameType | None) -> None:
    """The handler of a signal: removes the temporary folders and ends with 128 + its number."""
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.write(2, b"\nkmodgate: interrupted; the same command finishes what was begun\n")
    finally:
        os._exit(128 + number)
