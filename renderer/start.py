"""The entry of the `kmodgate` command: Ctrl-C, or being asked to end, ends it cleanly from the first moment on.

An interrupt that is raised as an exception may surface anywhere: in the import of a module, or in a library that turns
it into an error of its own. Nothing here needs to be cleaned up by the program itself, since a run may be killed at any
point, so it just ends.
"""

import os
import shutil
import signal
from types import FrameType

_folders: list[str] = []


def remove_on_interrupt(folder: str) -> None:
    """Names a temporary folder that a run which is ended has to take away."""
    _folders.append(folder)


def _interrupted(number: int, _frame: FrameType | None) -> None:
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.write(2, b"\nkmodgate: interrupted; the same command finishes what was begun\n")
    finally:
        os._exit(128 + number)


def main() -> int:
    """Runs one command; returns its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    from kmodgate.renderer.cli import main as run

    return run()


if __name__ == "__main__":
    from kmodgate.renderer import start  # not this module, which is called __main__, but the one that others import

    raise SystemExit(start.main())
