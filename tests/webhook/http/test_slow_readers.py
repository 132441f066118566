"""The listener: replies that nobody reads, or that are read in parts."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from kmodgate.webhook.http.connections import ConnectionLimits
from tests.webhook.serving import LOOPS, run, served, serving, until

pytestmark = pytest.mark.timing


LONG = bytes(1024 * 1024)
MANY = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 32


async def long(request: web.Request) -> web.Response:
    return web.Response(body=LONG)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_reply_that_nobody_reads_is_not_kept(loop: str) -> None:
    async def scenario() -> None:
        async with serving(served(), long, ConnectionLimits(reading=0.3)) as server:
            conversation = await server.connect()
            conversation.writer.write(MANY)
            await until(lambda: server.connections.open == 0)
            assert server.connections.replies_unread == 1

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_reply_that_is_read_in_parts_may_take_longer(loop: str) -> None:
    async def scenario() -> None:
        async with serving(served(), long, ConnectionLimits(reading=0.5)) as server:
            conversation = await server.connect()
            conversation.writer.write(MANY)
            for _ in range(32):
                assert (await conversation.answer())[0] == 200
                await asyncio.sleep(0.03)
            assert server.connections.replies_unread == 0

    run(scenario(), loop)
