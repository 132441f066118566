"""Requests of strangers, byte by byte."""

from __future__ import annotations

from tests.webhook.server import Webhook, answer_to

MIB = 1 << 20

HEAD = b"POST /validate?timeout=10s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def posted(target: Webhook, *headers: str, body: bytes) -> bytes:
    """The answer to a body with such headers, on a connection that is to end after it."""
    lines = "".join(f"{header}\r\n" for header in (*headers, "Connection: close")).encode()
    with target.secure_socket() as connection:
        return answer_to(connection, HEAD + lines + b"\r\n" + body)


def chunked(body: bytes, size: int) -> bytes:
    """A body in chunks of so many bytes."""
    parts = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
