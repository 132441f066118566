"""Real renders that SIGKILL themselves around their N-th change of the disk, each in a process of its own.

Even numbers kill before a change, odd ones after it, so that every state that a kill can leave behind is reached.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from kmodgate.renderer import cli
from tests.command import forked
from tests.fleets import FleetFolder


def interrupt(fleet: FleetFolder, point: int, *arguments: str) -> int:
    """Render a fleet; return the exit code, 99 if it came to its end."""
    return forked(str(point), "render", *arguments, cwd=fleet.root, program=__name__).returncode


def main() -> int:
    """Run the command, which ends at the change of the disk that the first argument counts."""
    point, *arguments = sys.argv[1:]
    calls = [0]
    for name in ("replace", "remove", "rmdir", "makedirs", "fsync"):
        setattr(os, name, killing(getattr(os, name), int(point), calls))
    return cli.main(arguments) or 99


def killing(function: Callable[..., Any], point: int, counter: list[int]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        counter[0] += 1
        if counter[0] == point // 2 and point % 2 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return function(*args, **kwargs)
        finally:  # also after a folder that could not be removed, as it is not empty
            if counter[0] == point // 2:
                os.kill(os.getpid(), signal.SIGKILL)

    return wrapped
