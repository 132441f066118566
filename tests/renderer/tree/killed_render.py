"""`python -m tests.renderer.tree.killed_render N ARGUMENTS…`: a real render that SIGKILLs itself around its N-th change of the disk.

Even numbers kill before a change, odd ones after it, so that every state that a kill can leave behind is reached.
Exits 99 when the run makes fewer changes than that.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from kmodgate.renderer.cli import main


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
    calls = [0]
    for name in ("replace", "remove", "rmdir", "makedirs", "fsync"):
        setattr(os, name, killing(getattr(os, name), int(sys.argv[1]), calls))
    code = main(sys.argv[2:])
    sys.exit(99 if code == 0 else code)
