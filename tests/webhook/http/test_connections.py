"""The listener: connections that are too many, say nothing, or never come to the point."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress

import pytest
from aiohttp import web

from kmodgate.webhook.http.connections import ConnectionLimits, Connections, Guard
from kmodgate.webhook.http.listener import LimitedSite
from tests.webhook.serving import LOOPS, Serving, greet, run, served, serving, until

pytestmark = pytest.mark.timing


async def is_answered(server: Serving) -> bool:
    """Whether a caller gets an answer; where the machine is so busy that it is late itself, it comes again."""
    while True:
        with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            return (await (await server.connect()).ask())[0] == 200


async def closed_by_server(server: Serving, sent: bytes) -> bool:
    """Whether the server ends a plain connection that sends this."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    with suppress(ConnectionError):
        await reader.read()
    writer.close()
    return True


@pytest.mark.parametrize("loop", LOOPS)
def test_a_connection_above_the_cap_takes_the_place_of_the_one_that_was_silent_longest(loop: str) -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(total=3)) as server:
            asked = await server.connect()
            assert (await asked.ask())[0] == 200
            silent = [await server.connect() for _ in range(2)]
            late = await server.connect()
            assert await silent[0].closed()
            assert [(await conversation.ask())[0] for conversation in (asked, silent[1], late)] == [200] * 3
            assert (server.connections.open, server.connections.places_taken) == (3, 1)
            assert server.connections.refused == 0

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_connections_that_wait_for_an_answer_keep_their_place(loop: str) -> None:
    async def scenario() -> None:
        judged = asyncio.Event()

        async def waiting(request: web.Request) -> web.Response:
            await judged.wait()
            return await greet(request)  # type: ignore[return-value]

        async with serving(served(), waiting, ConnectionLimits(total=2)) as server:
            kept = [await server.connect() for _ in range(2)]
            calls = [asyncio.create_task(conversation.ask()) for conversation in kept]
            await until(lambda: all(guard.is_answered for guard in server.connections.guards))
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await server.connect()
            assert server.connections.refused == 1
            judged.set()
            assert [(await call)[0] for call in calls] == [200, 200]

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_half_a_body_is_no_request_that_waits_for_an_answer(loop: str) -> None:
    async def reading(request: web.Request) -> web.Response:
        await request.read()
        return await greet(request)  # type: ignore[return-value]

    async def scenario() -> None:
        async with serving(served(), reading, ConnectionLimits(total=1)) as server:
            half = await server.connect()
            half.writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
            await until(lambda: any(guard.is_busy for guard in server.connections.guards))
            assert (await (await server.connect()).ask())[0] == 200
            assert await half.closed()

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_waits_for_an_answer_before_a_request_is_there(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    class Watched(Guard):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            seen.append(self.is_answered)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            seen.append(self.is_answered)

    async def scenario() -> None:
        async with serving(served()) as server:
            half = await server.connect()
            half.writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
            await until(lambda: len(seen) == 2)
            await half.leave()

    monkeypatch.setattr("kmodgate.webhook.http.listener.Guard", Watched)
    run(scenario(), loop)
    assert seen == [False, False]


@pytest.mark.parametrize("host", [None, "", "127.0.0.1", "0.0.0.0"])
def test_the_listener_takes_one_address_or_all(host: str | None) -> None:
    async def scenario() -> None:
        async with serving(served(), host=host) as server:
            assert (await (await server.connect()).ask())[0] == 200

    run(scenario())


def test_an_address_in_use_is_an_error_and_not_a_silent_listener() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            runner = web.ServerRunner(web.Server(greet))  # type: ignore[arg-type]
            await runner.setup()
            site = LimitedSite(
                runner, "127.0.0.1", taken.getsockname()[1], context=served().context, connections=Connections()
            )
            with pytest.raises(OSError, match="Address already in use"):
                await site.start()
            await runner.cleanup()

    run(scenario())


def test_one_address_gives_place_to_itself_and_to_nobody_else() -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(total=10, per_peer=1)) as server:
            first, second = await server.connect(), await server.connect()
            assert await first.closed()
            assert server.connections.open == 1
            assert (await second.ask())[0] == 200

    run(scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_connections_without_a_handshake_count_and_are_closed(loop: str) -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(total=1, handshake=0.3)) as server:
            silent = asyncio.create_task(closed_by_server(server, b""))
            await until(lambda: server.connections.open == 1)
            assert await silent
            await until(lambda: server.connections.open == 0)
            assert server.connections.handshakes_failed == 1
            assert await is_answered(server)

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_connections_without_a_handshake_give_place_at_once(loop: str) -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(total=1, handshake=100)) as server:
            silent = asyncio.create_task(closed_by_server(server, b""))
            await until(lambda: server.connections.open == 1)
            assert (await (await server.connect()).ask())[0] == 200
            assert await silent
            assert server.connections.open == 1

    run(scenario(), loop)


TRUNCATED = bytes.fromhex("1603010200010001fc0303")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, TRUNCATED], ids=["http", "zeros", "truncated"]
)
def test_what_is_no_handshake_is_closed_and_counted(loop: str, sent: bytes) -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(handshake=0.3)) as server:
            assert await closed_by_server(server, sent)
            await until(lambda: server.connections.open == 0)
            assert server.connections.handshakes_failed == 1
            assert await is_answered(server)

    run(scenario(), loop)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("before", [0, 1], ids=["first request", "kept-alive connection"])
def test_half_a_header_is_not_waited_for(loop: str, before: int) -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(header=0.2)) as server:
            conversation = await server.connect()
            for _ in range(before):
                await conversation.ask()
            conversation.writer.write(b"GET / HTTP/1.1\r\nHost: ")
            assert await conversation.closed()
            assert server.connections.headers_late == 1
            await until(lambda: server.connections.open == 0)

    run(scenario(), loop)


def test_a_header_that_trickles_in_does_not_gain_time_with_each_byte() -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(header=0.3)) as server:
            conversation = await server.connect()

            async def trickle() -> None:
                conversation.writer.write(b"GET / HTTP/1.1\r\nHost: ")
                while True:
                    conversation.writer.write(b"a")
                    await asyncio.sleep(0.02)

            trickling = asyncio.create_task(trickle())
            assert await conversation.closed()
            trickling.cancel()
            assert server.connections.headers_late == 1

    run(scenario())


def test_a_connection_that_asks_nothing_is_closed() -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(first_header=0.2)) as server:
            assert await (await server.connect()).closed()
            assert server.connections.headers_late == 1

    run(scenario())


def test_an_idle_connection_outlives_the_limits_for_headers() -> None:
    async def scenario() -> None:
        limits = ConnectionLimits(first_header=0.5, header=0.5)
        async with serving(served(), limits=limits) as server:
            conversation = await server.connect()
            await conversation.ask()
            await asyncio.sleep(1)
            assert (await conversation.ask())[0] == 200
            assert server.connections.headers_late == 0

    run(scenario())


def test_an_idle_connection_is_closed_in_the_end() -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(idle=0.2)) as server:
            conversation = await server.connect()
            await conversation.ask()
            assert await conversation.closed()

    run(scenario())


def test_the_rest_of_a_body_that_nobody_read_is_not_taken_for_a_header() -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(header=0.2)) as server:
            conversation = await server.connect()
            assert (await conversation.ask("POST / HTTP/1.1", "Content-Length: 10", body=b"12345"))[0] == 200
            await asyncio.sleep(0.05)
            conversation.writer.write(b"67890")
            await asyncio.sleep(0.5)
            assert (await conversation.ask())[0] == 200

    run(scenario())


def test_requests_sent_in_one_go_are_all_answered() -> None:
    async def scenario() -> None:
        async with serving(served(), limits=ConnectionLimits(header=0.2)) as server:
            conversation = await server.connect()
            conversation.writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5)
            assert [(await conversation.answer())[0] for _ in range(5)] == [200] * 5

    run(scenario())


def test_a_slow_answer_is_not_cut_by_the_limit_for_headers() -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return await greet(request)  # type: ignore[return-value]

    async def scenario() -> None:
        async with serving(served(), slow, ConnectionLimits(header=0.1, first_header=0.1)) as server:
            assert await is_answered(server)

    run(scenario())
