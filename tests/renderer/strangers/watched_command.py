"""The command under an audit hook: `main` runs it, and writes what it reached into a file.

The file is the first argument. It gets the exit code and a list of `[event, arguments]` as JSON; of what it opened, only
files that it could write, by their real paths.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from kmodgate.renderer.cli import main as run

_EVENTS = (
    "socket.", "subprocess.", "os.exec", "os.system", "os.posix_spawn", "os.fork", "ctypes.dl", "urllib",
)  # fmt: skip


def main() -> int:
    """Returns the exit code."""
    seen: list[tuple[str, list[str]]] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_EVENTS):
            seen.append((event, [str(item) for item in arguments][:2]))
        elif event == "open" and isinstance(arguments[0], str) and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            seen.append(("write", [os.path.realpath(arguments[0])]))

    log, *command = sys.argv[1:]
    sys.addaudithook(hook)
    code = run(command)
    Path(log).write_text(json.dumps([code, seen]))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
