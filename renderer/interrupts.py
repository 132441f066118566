"""Ctrl-C, or being asked to end: what a run takes away before it ends."""

import os
import shutil
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_folders: list[str] = []


def temporary_folder(prefix: str, inside: str | None = None) -> str:
    """Create a folder that the end of a run takes away, whenever it comes. Raises OSError."""
    import tempfile  # most commands need none

    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        folder = tempfile.mkdtemp(prefix=prefix, dir=inside)
        _folders.append(folder)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return folder


def end_at_once(number: int, _frame: FrameType | None) -> None:
    """The handler of a signal: removes the temporary folders and ends with 128 + its number."""
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.write(2, b"\nkmodgate: interrupted; the same command finishes what was begun\n")
    finally:
        os._exit(128 + number)
