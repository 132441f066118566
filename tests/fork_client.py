"""Ask the server of `tests/fork_server.py` for a run; as a program, `fork_client.py SOCKET ARGUMENTS` is the command.

It loads nothing that takes time: `python -SE` starts it in a tenth of the time of the command.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

COMMAND, WEBHOOK = "kmodgate.renderer.start", "kmodgate.webhook.start"
"""Programs: modules whose `main` a run calls."""

_LIMIT = 60.0
"""Seconds that a run of a command may take; none of them needs that long."""


class Run:
    """A run in a process of its own, with what `subprocess.Popen` has of it."""

    def __init__(
        self,
        path: str,
        arguments: Sequence[str],
        folder: str,
        variables: Mapping[str, str],
        streams: Sequence[int] = (0, 1, 2),
        *,
        program: str = COMMAND,
        memory: int | None = None,
    ) -> None:
        """Ask the server at `path` for a run of `program` with three streams; with `memory` it may map so many bytes."""
        asked = {
            "program": program,
            "arguments": arguments,
            "folder": folder,
            "variables": dict(variables),
            "memory": memory,
        }
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server.connect(path)
        socket.send_fds(self._server, [json.dumps(asked).encode()], streams)
        self.pid = int(self._server.recv(100))
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal. Raises TimeoutError after so many seconds."""
        if self.returncode is None:
            self._server.settimeout(timeout)
            self.returncode = int(self._server.recv(100))
            self._server.close()
        return self.returncode

    def poll(self) -> int | None:
        """The exit code, or None as long as it runs."""
        with suppress(BlockingIOError):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def finished(run: Run) -> int:
    """The exit code of a run that ends by itself. Raises TimeoutError when it takes too long, and ends it."""
    try:
        return run.wait(_LIMIT)
    except TimeoutError:
        run.kill()
        raise


if __name__ == "__main__":
    code = finished(Run(sys.argv[1], sys.argv[2:], os.getcwd(), os.environ))
    raise SystemExit(code if code >= 0 else 128 - code)  # as a shell has it
