"""A process that has loaded both programs and forks for each run: runs of processes of their own without the start of Python.

`python -m tests.fork_server SOCKET` listens there until its stdin ends, and then removes the folder of the socket. A run
is one message of JSON (`program`, a module whose `main` is called; `arguments`, `folder`, `variables`; `memory` in bytes or
null) with stdin, stdout and stderr of the run, which leads a group of processes. The answers are the run's process id, and
when it has ended, its exit code as `subprocess` has it.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import resource
import select
import shutil
import signal
import socket
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import NoReturn, TextIO

import kmodgate.policy
import kmodgate.renderer
import kmodgate.webhook
from kmodgate.policy.lazy import compile_expressions
from kmodgate.renderer.cli import main as check

MOST = 1 << 20
"""Bytes of a message."""

_FLEET = Path(__file__).parent.parent / "examples" / "edge-fleet"


def main() -> int:
    """Listen, and fork for each connection. Returns 0."""
    for part in (kmodgate.policy, kmodgate.renderer, kmodgate.webhook):
        for module in pkgutil.walk_packages(part.__path__, f"{part.__name__}."):
            import_module(module.name)
    _begin_once()
    gc.freeze()  # what all runs share is not touched by the end of one
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(sys.argv[1])
        listening.listen()
        print("listening", flush=True)
        while listening in select.select([listening, sys.stdin], [], [])[0]:
            connection, _ = listening.accept()
            if not os.fork():
                listening.close()
                _serve(connection)
            connection.close()
    shutil.rmtree(Path(sys.argv[1]).parent)
    return 0


def _begin_once() -> None:
    """Do what each run does at its beginning, so that none has to: compile expressions and schemas, choose rules."""
    compile_expressions()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        code = check(["check", str(_FLEET)])
    assert not code, f"check of {_FLEET} ends with {code}"
    gc.enable()


def _reap(*_: object) -> None:
    """Wait for the processes that serve, so that what they took is in what their ancestors took."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _serve(connection: socket.socket) -> NoReturn:
    """Fork once more for the run, which returns its exit code; end when the run has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(connection, MOST, 3)
    if not (run := os.fork()):
        connection.close()
        _run(json.loads(message), streams)
    connection.send(str(run).encode())
    _, status = os.waitpid(run, 0)
    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(asked: dict[str, object], streams: list[int]) -> NoReturn:
    """Become the process that the program with such arguments would be, run it, and end."""
    program, arguments, folder, variables, memory = (
        asked[key] for key in ("program", "arguments", "folder", "variables", "memory")
    )
    assert isinstance(arguments, list) and isinstance(folder, str) and isinstance(variables, dict)  # noqa: PT018
    os.setpgid(0, 0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        setattr(sys, name, _opened(getattr(sys, name), mode))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    if isinstance(memory, int):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sys.argv[1:] = arguments
    try:
        code = import_module(str(program)).main()
    except SystemExit as end:  # argparse, after --help and a mistake
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what Python would tidy up first is shared, and takes longer than the run


def _opened(stream: TextIO, mode: str) -> TextIO:
    """The stream on its number as it is now, which may be a pipe where it was a file."""
    buffering = 1 if stream.line_buffering else -1
    return open(  # type: ignore[return-value]
        stream.fileno(), mode, buffering, stream.encoding, stream.errors, newline="\n", closefd=False
    )


if __name__ == "__main__":
    raise SystemExit(main())
