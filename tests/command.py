"""Run the command `kmodgate`: in this process, in one that is forked for it, or in one that is started for it."""

from __future__ import annotations

import atexit
import gc
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from functools import cache
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from unittest.mock import patch

from kmodgate.renderer.cli import main
from tests import fork_client

Finished = subprocess.CompletedProcess[str]

_REPOSITORY = Path(__file__).parent.parent

_SETTINGS = ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS")
"""Variables of the caller that change the output."""

_OF_PYTHON = {"PYTHONHASHSEED", "LANG", "LC_ALL", "TZ"}
"""Variables that Python reads when it starts."""


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None, stdin: str = "") -> Finished:
    """Run `kmodgate ARGUMENTS` in a folder. A run with variables of its own gets a process of its own.

    In this process, the streams are captured as pipes would be; folder, variables and collector are put back.
    """
    if env is not None:
        return (process if _OF_PYTHON & env.keys() else forked)(*arguments, cwd=cwd, env=env, stdin=stdin)
    with _started(cwd, stdin) as (stdout, stderr):
        try:
            code = main(arguments)
        except SystemExit as end:  # argparse, after --help and a mistake
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        return subprocess.CompletedProcess(arguments, code, stdout.getvalue().decode(), stderr.getvalue().decode())


def forked(
    *arguments: str,
    cwd: Path,
    env: dict[str, str] | None = None,
    stdin: str = "",
    memory: int | None = None,
    program: str = fork_client.COMMAND,
) -> Finished:
    """Run `kmodgate ARGUMENTS`, or another program, in a folder, in a process of its own that does not have to load it.

    Its streams are files. With `memory` it may map so many bytes. Raises TimeoutError after a minute, and ends the run.
    """
    with TemporaryFile() as given, TemporaryFile() as stdout, TemporaryFile() as stderr:
        given.write(stdin.encode())
        given.seek(0)
        streams = [stream.fileno() for stream in (given, stdout, stderr)]
        variables = {**_environment(), **(env or {})}
        code = fork_client.finished(
            fork_client.Run(fork_server(), arguments, str(cwd), variables, streams, program=program, memory=memory)
        )
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(arguments, code, stdout.read().decode(), stderr.read().decode())


def start_forked(
    program: str, *arguments: str, folder: Path, stdout: int, stderr: int, variables: Mapping[str, str] = os.environ
) -> fork_client.Run:
    """Start a program in a folder, in a process of its own that does not have to load it."""
    with Path(os.devnull).open() as nothing:
        streams = [nothing.fileno(), stdout, stderr]
        return fork_client.Run(fork_server(), arguments, str(folder), variables, streams, program=program)


def forked_program(folder: Path) -> Path:
    """Write a program `kmodgate` into a folder, whose runs are forked."""
    path = folder / "kmodgate"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -SE "{fork_client.__file__}" "{fork_server()}" "$@"\n')
    path.chmod(0o755)
    return path


@cache
def fork_server() -> str:
    """The socket of the process that forks runs; it ends with this process."""
    path = f"{mkdtemp(prefix='kmodgate-tests-')}/socket"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.fork_server", path],
        cwd=_REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(server.communicate)
    assert server.stdout is not None
    assert server.stdout.readline() == b"listening\n"
    return path


def process(*arguments: str, cwd: Path, env: dict[str, str] | None = None, stdin: str = "") -> Finished:
    """Run `kmodgate ARGUMENTS` in a folder as its users do, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "kmodgate.renderer.start", *arguments],
        cwd=cwd,
        env={**_environment(), **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@contextmanager
def _started(folder: Path, stdin: str) -> Iterator[tuple[BytesIO, BytesIO]]:
    """What a new process has of its own; the bytes that it writes to stdout and stderr."""
    stdout, stderr = BytesIO(), BytesIO()
    streams = {
        "stdin": TextIOWrapper(BytesIO(stdin.encode()), "utf-8"),
        "stdout": TextIOWrapper(stdout, "utf-8"),
        "stderr": TextIOWrapper(stderr, "utf-8", "backslashreplace", line_buffering=True),
    }
    try:
        with chdir(folder), patch.dict(os.environ, _environment(), clear=True), patch.multiple(sys, **streams):
            yield stdout, stderr
    finally:
        gc.enable()


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in _SETTINGS}
