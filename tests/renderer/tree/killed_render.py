"""Real renders that SIGKILL themselves around their N-th change of the disk, each in a process of its own.

Even numbers kill before a change, odd ones after it, so that every state that a kill can leave behind is reached.
`python -m tests.renderer.tree.killed_render` loads the command once, and forks a process for each line that it reads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kmodgate.renderer.cli import main
from kmodgate.renderer.commands import render  # noqa: F401 (loaded before the first fork)
from tests.fleets import REPOSITORY, FleetFolder

Interrupt = Callable[..., int]
"""`interrupt(fleet, point, *arguments)` renders a fleet; returns its exit code, 99 if it came to its end."""


@contextmanager
def interrupting() -> Iterator[Interrupt]:
    """Start the process that forks."""
    path = os.pathsep.join((str(REPOSITORY / "src"), str(REPOSITORY)))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.renderer.tree.killed_render"],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def interrupt(fleet: FleetFolder, point: int, *arguments: str) -> int:
            stdin.write(json.dumps([str(fleet.root), point, "render", *arguments]) + "\n")
            return int(stdout.readline())

        yield interrupt


def serve() -> None:
    """Fork a render for each line, and write how it ended."""
    for line in sys.stdin:
        folder, point, *arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(run(Path(folder), point, arguments))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def run(folder: Path, point: int, arguments: list[str]) -> int:
    os.chdir(folder)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    calls = [0]
    for name in ("replace", "remove", "rmdir", "makedirs", "fsync"):
        setattr(os, name, killing(getattr(os, name), point, calls))
    return main(arguments) or 99


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


if __name__ == "__main__":
    serve()
