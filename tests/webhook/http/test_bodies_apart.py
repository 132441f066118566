"""A body that comes apart from its header is no header of a second request."""

from __future__ import annotations

import asyncio

from aiohttp import web

from kmodgate.webhook.http.connections import Connections, Guard, ReviewServer


class Wire(asyncio.Transport):
    """A connection that takes everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        """Nobody is at the other end."""


async def _answered(*parts: bytes) -> tuple[Guard, Wire]:
    """What is left of a connection after a request in parts that all arrive before anybody looks at them."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=await request.read())

    connections, wire = Connections(), Wire()
    guard = Guard(ReviewServer(answer)(), connections, "127.0.0.1")
    guard.connection_made(wire)
    await asyncio.sleep(0)
    for part in parts:
        guard.data_received(part)
    for _ in range(20):
        await asyncio.sleep(0)
    return guard, wire


def test_a_connection_is_idle_once_it_was_answered_however_the_request_came_in() -> None:
    head, body = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n", b"body"

    async def scenario() -> None:
        for parts in ((head + body,), (head, body), (head[:9], head[9:], body[:1], body[1:]), (head, b"b", b"ody")):
            guard, wire = await _answered(*parts)
            assert wire.sent.endswith(b"body"), parts
            assert guard.is_idle, parts

    asyncio.run(scenario())
