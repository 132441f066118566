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

_LIMIT = 60
"""Seconds that a run may take; none of them needs that long."""


def ask(
    path: str,
    arguments: Sequence[str],
    folder: str,
    variables: Mapping[str, str],
    streams: Sequence[int] = (0, 1, 2),
    memory: int | None = None,
) -> int:
    """Run the command with three streams, and return its exit code, negative for a signal.

    Raises TimeoutError when it takes too long, and ends it.
    """
    asked = {"arguments": arguments, "folder": folder, "variables": dict(variables), "memory": memory}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(path)
        socket.send_fds(server, [json.dumps(asked).encode()], streams)
        run = int(server.recv(100))
        server.settimeout(_LIMIT)
        try:
            return int(server.recv(100))
        except TimeoutError:
            os.kill(run, signal.SIGKILL)
            raise


if __name__ == "__main__":
    code = ask(sys.argv[1], sys.argv[2:], os.getcwd(), os.environ)
    raise SystemExit(code if code >= 0 else 128 - code)  # as a shell has it
