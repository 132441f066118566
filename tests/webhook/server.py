"""`kmodgate-webhook serve` as a process on loopback, and a caller that asks it as an API server does."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.command import start_forked
from tests.e2e.waiting import eventually
from tests.fleets import REPOSITORY
from tests.fork_client import WEBHOOK, Run
from tests.webhook.issued_certificates import AUTHORITY, leaf, write
from tests.webhook.reviews import dump, in_list
from tests.webhook.serving import trusting

TRUSTING = trusting(AUTHORITY)

PATHS = ("/validate", "/mutate")
"""Where reviews are posted."""

_EMPTY = dump(in_list("Namespace"))


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def review(self) -> dict[str, Any]:
        """The AdmissionReview."""
        assert self.status == 200, (self.status, self.body)
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def response(self) -> dict[str, Any]:
        """Its response."""
        found: dict[str, Any] = self.review["response"]
        return found

    @property
    def allowed(self) -> bool:
        return bool(self.response["allowed"])

    @property
    def code(self) -> int:
        """The status code of a denial."""
        assert not self.allowed, self.response
        return int(self.response["status"]["code"])

    def rules(self, key: str = "denied-by") -> list[str]:
        """The rules of an audit annotation."""
        text = self.response["auditAnnotations"].get(key, "")
        return text.split(",") if text else []


class Webhook:
    """A server that runs: where it listens, and what it wrote."""

    def __init__(self, process: subprocess.Popen[bytes] | Run, folder: Path) -> None:
        self._process = process
        self.folder = folder
        self.audit = folder / "audit.jsonl"
        self.stderr = folder / "stderr"
        self.stdout = folder / "stdout"
        self.port, self.operations_port = self._ports()

    @property
    def pid(self) -> int:
        return self._process.pid

    def post(self, review: object, path: str = "/validate", *, timeout: str = "10s") -> Reply:
        """Ask about a review: what JSON can hold, or bytes as they are."""
        body = review if isinstance(review, bytes) else json.dumps(review).encode()
        return self.send("POST", f"{path}?timeout={timeout}", body, {"Content-Type": "application/json"})

    def send(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """One HTTP request on a connection of its own."""
        with self.caller() as caller:
            return caller.send(method, target, body, headers)

    @contextmanager
    def caller(self) -> Iterator[Caller]:
        """One connection that is kept."""
        connection = _Connection(self.port)
        try:
            yield Caller(connection)
        finally:
            connection.close()

    def secure_socket(self) -> ssl.SSLSocket:
        """A TLS connection to write bytes on."""
        return TRUSTING.wrap_socket(self.plain_socket(), server_hostname="localhost")

    def plain_socket(self) -> socket.socket:
        """A TCP connection to the port of reviews; whoever waits on it for more than two minutes fails."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=120)

    def operations(self, path: str) -> tuple[int, str]:
        """Status and text of `/healthz`, `/readyz` or `/metrics`."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.operations_port}{path}", timeout=120) as answer:
                return int(answer.status), answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, sample: str) -> float:
        """The value of a sample, written with its labels as on the page; 0 where it has never been counted."""
        lines = (line.rpartition(" ") for line in self.operations("/metrics")[1].splitlines())
        return next((float(value) for name, _, value in lines if name == sample), 0.0)

    def decisions(self) -> list[dict[str, Any]]:
        """The lines of the audit log."""
        return [json.loads(line) for line in self.audit.read_text().split("\n")[:-1]]

    def decision(self, uid: str) -> dict[str, Any]:
        """The line about one review, which is waited for."""
        return eventually(lambda: next((line for line in self.decisions() if line["uid"] == uid), None), uid) or {}

    def events(self) -> list[dict[str, Any]]:
        """What it told on stderr."""
        lines = self.stderr.read_text().split("\n")[:-1]  # the last one may not be whole yet
        return [json.loads(line) for line in lines if line.startswith("{")]

    def event(self, name: str) -> dict[str, Any]:
        """The newest event of that name, which is waited for."""
        return eventually(lambda: next((e for e in reversed(self.events()) if e["event"] == name), None), name) or {}

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit code."""
        return self._process.wait(120)

    def close(self) -> None:
        """Ends the process as one that has nothing to finish."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(120)
        except (subprocess.TimeoutExpired, TimeoutError):
            self._process.kill()
            self._process.wait()

    def _ports(self) -> tuple[int, int]:
        def said() -> dict[str, Any] | None:
            assert self._process.poll() is None, self.stderr.read_text()
            return next((event for event in self.events() if event["event"] == "serving"), None)

        serving = eventually(said, "the server serves")
        assert serving is not None
        return int(serving["reviews"]), int(serving["operations"])


class Caller:
    """A connection of an API server."""

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection

    def send(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused while it was written: the answer is there
            self.connection.request(method, target, body or None, dict(headers or {}))
        answer = self.connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())

    def post(self, review: object, path: str = "/validate") -> Reply:
        return self.send("POST", path, json.dumps(review).encode(), {"Content-Type": "application/json"})


class _Connection(http.client.HTTPSConnection):
    """To a port of loopback, whose server shows a certificate for localhost."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port, timeout=120, context=TRUSTING)

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = TRUSTING.wrap_socket(self.sock, server_hostname="localhost")


def answer_to(connection: socket.socket, sent: bytes) -> bytes:
    """Everything that comes back until the server closes; that it never closes fails."""
    found = b""
    with suppress(ConnectionError, ssl.SSLError):  # closed while it was being sent, or without a farewell
        connection.sendall(sent)
    with suppress(ConnectionError, ssl.SSLError):
        while part := connection.recv(65536):
            found += part
    return found


def statuses(answer: bytes) -> list[int]:
    """The status of each answer."""
    return [int(code) for code in re.findall(rb"^HTTP/\d\.\d (\d{3}) ", answer, re.MULTILINE)]


@contextmanager
def serving(
    folder: Path,
    *flags: str,
    facts: str = "",
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
    command: Sequence[str | Path] = (),
    cwd: Path = REPOSITORY,
) -> Iterator[Webhook]:
    """A server with a certificate of its own, and, unless the flags name a cluster, `facts` (a dump) for one.

    Its stdout is a file of the folder, or the descriptor that is given. With `command` that program is started in `cwd`;
    else the server is forked from a process that has loaded it.
    """
    arguments = [*_defaults(folder, flags, facts, environment or {}), *flags]
    with (folder / "stdout").open("wb") as file, (folder / "stderr").open("wb") as stderr:
        variables = {**os.environ, **(environment or {})}
        stdout = file.fileno() if stdout is None else stdout
        start = _started if command else _forked
        process = start([*command, "serve", *arguments], cwd, variables, stdout, stderr.fileno())
    try:
        webhook = Webhook(process, folder)
    except BaseException:
        process.kill()
        process.wait()
        raise
    try:
        yield webhook
    finally:
        webhook.close()


def _forked(
    arguments: Sequence[str | Path], folder: Path, variables: Mapping[str, str], stdout: int, stderr: int
) -> Run:
    return start_forked(WEBHOOK, *map(str, arguments), folder=folder, variables=variables, stdout=stdout, stderr=stderr)


def _started(
    command: Sequence[str | Path], folder: Path, variables: Mapping[str, str], stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        process_group=0,
    )


def _defaults(folder: Path, flags: tuple[str, ...], facts: str, environment: Mapping[str, str]) -> Iterator[str]:
    given = {*flags, *(f"--{name.removeprefix('KMODGATE_').lower().replace('_', '-')}" for name in environment)}
    files = write(folder, leaf())
    values = {
        "--listen": "127.0.0.1:0",
        "--ops-listen": "127.0.0.1:0",
        "--tls-cert": str(files.certificate),
        "--tls-key": str(files.key),
        "--audit-log": str(folder / "audit.jsonl"),
    }
    if not given & {"--kubeconfig", "--in-cluster"}:
        values["--facts"] = str(folder / "facts.json")
        (folder / "facts.json").write_text(facts or _EMPTY)
    for flag, value in values.items():
        if flag not in given:
            yield from (flag, value)
