"""The end of the listener: what was asked is answered, who has just come is heard, and nobody holds it up."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from kmodgate.webhook.http.connections import ConnectionLimits
from tests.webhook.http.test_connections import closed_by_server
from tests.webhook.http.test_slow_readers import MANY, long
from tests.webhook.issued_certificates import AUTHORITY
from tests.webhook.serving import LOOPS, Conversation, run, served, serving, trusting, until

pytestmark = pytest.mark.timing


@pytest.mark.parametrize("loop", LOOPS)
def test_a_stop_answers_what_was_asked_and_lets_handshakes_go_that_take_too_long(loop: str) -> None:
    started = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        started.set()
        await asyncio.sleep(0.3)
        return web.Response()

    async def scenario() -> None:
        async with serving(served(), slow, ConnectionLimits(handshake=1)) as server:
            asking = asyncio.create_task((await server.connect()).ask())
            silent = asyncio.create_task(closed_by_server(server, b""))
            await started.wait()
            await until(lambda: server.connections.open == 2)
        assert (await asking)[0] == 200
        assert await silent
        with pytest.raises(ConnectionError):
            await server.connect()
        await until(lambda: server.connections.open == 0)

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("grace", [0.0, 0.5])
def test_a_stop_waits_for_nobody_longer_than_its_grace(loop: str, grace: float) -> None:
    async def scenario() -> None:
        async with serving(served(), long, ConnectionLimits(grace=grace)) as server:
            stuck = await server.connect()
            stuck.writer.write(MANY)
            await stuck.reader.readuntil(b"\r\n\r\n")
        assert await stuck.closed()
        await until(lambda: server.connections.open == 0)

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_stop_hears_those_who_have_just_connected(loop: str) -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(serving(served()))
            conversation = await server.connect()
            stopping = asyncio.create_task(stack.aclose())
            await asyncio.sleep(0.2)
            assert not stopping.done()
            assert (await conversation.ask("GET / HTTP/1.1", "Connection: close"))[0] == 200
            await stopping

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_stop_answers_those_whom_only_the_kernel_has_let_in(loop: str) -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(serving(served()))
            with socket.create_connection(("127.0.0.1", server.port)) as waiting:  # blocks, so the loop has not seen it
                stopping = asyncio.create_task(stack.aclose())
                await asyncio.sleep(0.2)
                reader, writer = await asyncio.open_connection(
                    sock=waiting, ssl=trusting(AUTHORITY), server_hostname="localhost"
                )
                conversation = Conversation(reader, writer)
                assert (await conversation.ask("GET / HTTP/1.1", "Connection: close"))[0] == 200
                await stopping

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_stop_does_not_wait_for_those_who_ask_nothing(loop: str) -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(asking=0.2, grace=3600)) as server:
            fresh, idle = await server.connect(), await server.connect()
            assert (await idle.ask())[0] == 200
        assert await fresh.closed()
        assert await idle.closed()

    run(scenario(), loop)
