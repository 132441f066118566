"""The webhook as its users run it: `kmodgate-webhook serve` in a process of its own, on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.command import start_forked
from tests.conftest import ROOT
from tests.fork_client import WEBHOOK, Run
from tests.webhook.issued_certificates import AUTHORITY, SecretVolume, leaf
from tests.webhook.manifests import small_cluster
from tests.webhook.serving import trusting

PATIENCE = 120.0
"""Seconds in which the program must be up, or be gone."""


@dataclass
class Program:
    """A server that runs, by its process id; `folder` holds its facts, its audit log and what it said."""

    process: subprocess.Popen[bytes] | Run
    folder: Path
    certificate: SecretVolume
    reviews: int
    operations: int

    def events(self) -> list[dict[str, Any]]:
        """What it told of itself, line by line."""
        return _events(self.folder)

    def decisions(self) -> int:
        """How many lines its audit log has."""
        return (self.folder / "audit.jsonl").read_bytes().count(b"\n")

    def page(self, path: str = "/metrics") -> str:
        """What is on the port for operations, whatever the status."""
        try:
            with urlopen(f"http://127.0.0.1:{self.operations}{path}", timeout=PATIENCE) as response:
                return str(response.read().decode())
        except HTTPError as error:
            return error.read().decode()

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        return next(float(line.split()[1]) for line in self.page().splitlines() if line.startswith(f"{name} "))

    def worker(self) -> int:
        """The process id of the one that takes large bodies."""
        return workers(self.process.pid)[0]

    def processes(self) -> list[int]:
        return [self.process.pid, *children(self.process.pid)]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end, and waits for its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def _events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"\n")]


def children(pid: int) -> list[int]:
    """The processes that a process has started and that live."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def workers(pid: int) -> list[int]:
    """The processes for large bodies that a server has started and that have begun."""
    return [child for child in children(pid) if "kmodgate.webhook.large_bodies.process" in _command(child)]


def _command(pid: int) -> str:
    """The command line of a process; empty once it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def memory(pid: int) -> dict[str, int]:
    """Bytes: `Rss`, all that a process has in memory; `Pss`, with shared pages divided among those who share them.

    Of a process that has ended both are 0.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return {"Rss": 0, "Pss": 0}
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


@contextmanager
def program(
    folder: Path, *arguments: str, before: Sequence[str] = (), facts: str | None = None, is_forked: bool = False
) -> Iterator[Program]:
    """Runs the server until the block ends; `before` is a command that starts it, such as `taskset`.

    One that is forked starts sooner, and shares its memory with the process that had loaded it.

    It knows the cluster of the facts, or a small one, unless the arguments name the kubeconfig of an API server.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if "--kubeconfig" not in arguments:
        (folder / "facts.yaml").write_text(small_cluster() if facts is None else facts)
        arguments = ("--facts", str(folder / "facts.yaml"), *arguments)
    volume = SecretVolume(folder / "tls", leaf())
    files = volume.files
    serve = [
        "serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
        "--tls-cert", str(files.certificate), "--tls-key", str(files.key), *arguments,
    ]  # fmt: skip
    if "--audit-log" not in arguments:
        serve += ["--audit-log", str(folder / "audit.jsonl")]
    with (folder / "events.jsonl").open("wb") as events:
        process = _forked(serve, events.fileno()) if is_forked else _own([*before, *_PYTHON, *serve], events.fileno())
    try:
        yield _started(process, folder, volume)
    finally:
        if process.poll() is None:
            left = children(process.pid)
            process.kill()
            process.wait()
            for pid in left:  # a worker that a test has stopped would never notice that its server is gone
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


_PYTHON = (sys.executable, "-m", "kmodgate.webhook.start")


def _own(command: Sequence[str], events: int) -> subprocess.Popen[bytes]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(command, stdout=events, stderr=events, env=variables, start_new_session=True)


def _forked(serve: Sequence[str], events: int) -> Run:
    return start_forked(WEBHOOK, *serve, folder=ROOT, variables=os.environ, stdout=events, stderr=events)


def _started(process: subprocess.Popen[bytes] | Run, folder: Path, volume: SecretVolume) -> Program:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up and process.poll() is None:
        for event in _events(folder):
            if event["event"] == "serving":
                return Program(process, folder, volume, event["reviews"], event["operations"])
        time.sleep(0.02)
    raise RuntimeError(f"the server did not start: {(folder / 'events.jsonl').read_text()}")


@dataclass
class Reply:
    """What came back; `closes` is whether the server said that it is the last on its connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "") == "close"

    @property
    def response(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["response"]
        return found


class Caller:
    """One connection, as an API server keeps it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def certificate(self) -> bytes:
        """What the server showed (DER)."""
        return bytes(self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True))

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext | None = None) -> Caller:
        """Raises OSError where the handshake fails."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context or trusting(AUTHORITY), server_hostname="localhost", limit=2**22
        )
        return cls(reader, writer)

    async def post(self, body: bytes, target: str = "/validate?timeout=10s", *, close: bool = False) -> Reply:
        """Sends a review, and reads the reply. Raises OSError or IncompleteReadError where there is none."""
        self._writer.write(request(body, target, close=close) + body)
        await self._writer.drain()
        return await self.reply()

    async def reply(self) -> Reply:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(head[0].split()[1]), headers, body)

    def leave(self) -> None:
        self._writer.close()


def request(body: bytes, target: str, *, close: bool = False) -> bytes:
    """The header of a POST."""
    lines = [
        f"POST {target} HTTP/1.1", "Host: localhost", "User-Agent: kube-apiserver-admission",
        "Content-Type: application/json", f"Content-Length: {len(body)}", *(["Connection: close"] if close else []),
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


class Pool:
    """Connections kept alive and used one call at a time, as Go's client keeps them; a failed POST is not repeated."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Caller] = []
        self._context = trusting(AUTHORITY)

    async def post(self, body: bytes, target: str = "/validate?timeout=10s") -> Reply:
        caller = self._idle.pop() if self._idle else await Caller.connect(self._port, self._context)
        reply = await caller.post(body, target)
        if reply.closes:
            caller.leave()
        else:
            self._idle.append(caller)
        return reply

    def close(self) -> None:
        """Leaves the connections that are idle."""
        for caller in self._idle:
            caller.leave()
        self._idle.clear()
