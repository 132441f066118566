"""Requests to the API server without kubectl."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said: the HTTP status, and the JSON (or else the text) of the body."""

    status: int
    body: Any


class Connection:
    """One connection to 127.0.0.1, kept alive, on which everything is asked with one token. For one thread."""

    def __init__(self, port: int, ca: Path, token: str, *, seconds: float) -> None:
        """It connects with the first call; `seconds` is how long any step of a call may take."""
        context = ssl.create_default_context(cafile=ca)
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=seconds, context=context)
        self._token = token

    def call(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> Answer:
        """One request, with the body as JSON. OSError when the server does not answer."""
        self.send(method, path, body, content_type=content_type)
        return self.answer()

    def send(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> None:
        """The first half of `call`."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, headers)

    def answer(self) -> Answer:
        """The second half of `call`."""
        try:
            reply = self._connection.getresponse()
            return Answer(reply.status, _parsed(reply.read()))
        except http.client.HTTPException as broken:
            raise ConnectionError(f"no whole answer: {broken!r}") from broken

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
