"""A server on loopback that answers as the recipes of IMS do, and faults to give it.

Sources: src/server/v2/resources/recipes.py, src/server/models/recipes.py and src/server/app.py of Cray-HPE/ims.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs

FALSE_WORDS = ("false", "no", "n", "off", "f", "0")
Fault = Callable[["Handler"], None]


class FakeIms(ThreadingHTTPServer):
    """The server. `faults` are used up by requests, one each; what was asked is in `seen`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.recipes: list[dict[str, Any]] = []
        self.faults: deque[Fault | None] = deque()
        self.seen: list[tuple[str, str, Any]] = []
        self.tokens: list[str | None] = []
        self.scheme = "http"
        self.stop = Event()
        """Set at the end: what a slow answer waits for."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def add(self, name: str, require_dkms: Any, **fields: Any) -> str:
        """Store a recipe; a text as its flag is what another client has left. Return its id."""
        id = f"20863675-c7c6-46b4-bb58-{len(self.recipes):012d}"
        record = {
            "id": id,
            "name": name,
            "arch": "x86_64",
            "created": "2026-01-01T00:00:00",
            "require_dkms": require_dkms,
        }
        self.recipes.append(record | fields)
        return id

    def flag(self, id: str) -> Any:
        """Return what is stored, which GET does not show where it is a text."""
        return next(record["require_dkms"] for record in self.recipes if record["id"] == id)

    @property
    def patches(self) -> list[tuple[str, Any]]:
        return [(path.rpartition("/")[2], body) for method, path, body in self.seen if method == "PATCH"]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that end early: that is what is tested."""


class Handler(BaseHTTPRequestHandler):
    server: FakeIms

    def do_GET(self) -> None:
        self.begin()

    def do_PATCH(self) -> None:
        self.begin()

    def do_POST(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = self.headers.get("Content-Type") == "application/json"
        self.server.seen.append((self.command, self.path, json.loads(self.body) if text else self.body.decode()))
        self.server.tokens.append(self.headers.get("Authorization"))
        fault = self.server.faults.popleft() if self.server.faults else None
        if fault is None:
            self.serve()
        else:
            fault(self)

    def serve(self) -> None:
        path = self.path.removeprefix("/apis/ims").removeprefix("/v2").removeprefix("/v3")
        if self.command == "POST":
            self.token()
        elif self.command == "GET" and path == "/recipes":
            self.answer(
                200, [record | {"require_dkms": shown(record["require_dkms"])} for record in self.server.recipes]
            )
        elif self.command == "PATCH" and path.startswith("/recipes/"):
            self.patch(path.rpartition("/")[2])
        else:
            self.problem(404)

    def token(self) -> None:
        form = parse_qs(self.body.decode())
        is_known = form.get("client_id") == ["admin-client"] and form.get("client_secret") == ["hush"]
        self.answer(200, {"access_token": "t0ken"}) if is_known else self.answer(401, {"error": "unauthorized_client"})

    def patch(self, id: str) -> None:
        record = next((record for record in self.server.recipes if record["id"] == id), None)
        changes = json.loads(self.body)
        if record is None:
            self.problem(404)
        elif changes.keys() != {"require_dkms"} or changes["require_dkms"] is None:
            self.problem(422)
        else:
            record.update(changes)
            self.answer(200, record)

    def problem(self, status: int, detail: str = "as the service says") -> None:
        self.answer(status, {"status": status, "detail": detail}, kind="application/problem+json")

    def answer(self, status: int, value: Any, kind: str = "application/json") -> None:
        self.send(status, json.dumps(value).encode(), kind)

    def send(self, status: int, data: bytes, kind: str, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def reset(self) -> None:
        """End the connection as a killed process does."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep stderr clean."""


def shown(flag: Any) -> Any:
    return flag.lower() not in FALSE_WORDS if isinstance(flag, str) else flag


def status(number: int, detail: str = "as the service says") -> Fault:
    return lambda handler: handler.problem(number, detail)


def html(number: int) -> Fault:
    return lambda handler: handler.send(number, b"<!DOCTYPE html><title>Sign in</title>", "text/html")


def sends(data: bytes, number: int = 200, **headers: str) -> Fault:
    return lambda handler: handler.send(number, data, "application/json", **headers)


def cut_short(handler: Handler) -> None:
    """Half of a reply, and then the end of the connection."""
    handler.send(200, b'[{"id": "a"', "application/json", length=4000)
    handler.close_connection = True


def reset_in_reply(handler: Handler) -> None:
    handler.send(200, b'[{"id": "a"', "application/json", length=4000)
    handler.reset()


def reset(handler: Handler) -> None:
    handler.reset()


@contextmanager
def running(certificate: Path | None = None) -> Iterator[FakeIms]:
    server = FakeIms()
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()
