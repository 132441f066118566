"""What one server takes on: requests, bytes, bodies, time."""

from __future__ import annotations

import asyncio
import gzip
import math
from contextlib import ExitStack, suppress

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.webhook.certificates.served_certificate import Certificates, Material
from kmodgate.webhook.http.connections import ConnectionLimits
from kmodgate.webhook.http.limits import Gate, Limits, Refusal, deadline, duration, read_body, time_limit
from tests.webhook.issued_certificates import leaf
from tests.webhook.serving import LOOPS, Handler, run, serving


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("1m0s", 60),
        ("1h2m3s", 3723),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("2.s", 2),
        ("300ms", 0.3),
        ("+5s", 5),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1ns", 1e-9),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0s",
        "-1s",
        "10",
        "s",
        "1 s",
        "1S",
        "1d",
        "1s ",
        "1..5s",
        ".s",
        "ten",
        "\u0661s",
        "1s\n",
        "9" * 400 + "s",
    ],
)
def test_what_is_no_positive_duration_is_none(text: str) -> None:
    assert duration(text) is None


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("10s", 9), ("30s", 29), ("1s", 0.9), ("5m", 29), (None, 9), ("", 9), ("soon", 9), ("0s", 9), ("-3s", 9)],
)
def test_the_time_limit_is_the_callers_less_a_margin(timeout: str | None, seconds: float) -> None:
    assert time_limit(timeout, Limits()) == pytest.approx(seconds)
    assert deadline(timeout, Limits(), now=lambda: 100.0) == pytest.approx(100 + seconds)


@given(st.text(max_size=80) | st.from_regex(r"[0-9.]{1,20}(ns|us|ms|s|m|h)", fullmatch=True))
def test_whatever_a_caller_asks_for_the_time_limit_is_between_nothing_and_the_longest(timeout: str) -> None:
    seconds = time_limit(timeout, Limits())
    assert math.isfinite(seconds)
    assert 0 < seconds < Limits().longest_deadline


def arrived(gate: Gate, size: int = 0, peer: str = "") -> ExitStack:
    """A request whose body is there, until the stack is closed."""
    stack = ExitStack()
    with stack:
        stack.enter_context(gate.enter(peer)).take(size)
        return stack.pop_all()
    raise AssertionError


def test_a_request_above_the_number_is_refused_until_one_has_ended() -> None:
    gate = Gate(Limits(requests=2))
    first, second = arrived(gate), arrived(gate)
    with pytest.raises(Refusal) as refused:
        arrived(gate)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    assert gate.requests == 2
    first.close()
    third = arrived(gate)
    assert gate.requests == 2
    second.close()
    third.close()
    assert (gate.requests, len(gate.arrivals)) == (0, 0)


def test_a_body_that_has_not_arrived_takes_no_place() -> None:
    gate = Gate(Limits(requests=1))
    with gate.enter(), gate.enter(), gate.enter():
        assert (gate.requests, len(gate.arrivals)) == (0, 3)
        arrived(gate).close()


def test_bytes_above_the_sum_are_refused_until_some_are_let_go() -> None:
    gate = Gate(Limits(bytes=100, body=80))
    first, second = arrived(gate, 60), arrived(gate, 40)
    with pytest.raises(Refusal, match="429"):
        arrived(gate, 1)
    second.close()
    assert gate.bytes == 60
    first.close()
    assert gate.bytes == 0


def test_a_body_that_has_stopped_gives_up_its_bytes_to_one_that_comes() -> None:
    gate, given_up = Gate(Limits(bytes=100, body=100)), []
    with gate.enter("10.0.0.1") as stopped, gate.enter("10.0.0.1") as going, gate.enter("10.0.0.2") as other:
        for name, slot in (("stopped", stopped), ("going", going), ("other", other)):
            slot.on_given_up(lambda name=name: given_up.append(name))
        stopped.grow(30)
        going.grow(30)
        other.grow(30)
        going.grow(30)
        assert given_up == ["stopped"]
        assert (gate.bytes, gate.arrivals.given_up) == (90, 1)
        other.grow(30)
        assert given_up == ["stopped", "going"]  # of the address that has most
    assert (gate.bytes, gate.arrivals.bytes) == (0, 0)


def test_a_body_that_comes_whole_has_a_stopped_one_make_room() -> None:
    gate, given_up = Gate(Limits(bytes=100, body=100)), []
    with gate.enter("10.0.0.1") as stopped:
        stopped.on_given_up(lambda: given_up.append("stopped"))
        stopped.grow(60)
        with arrived(gate, 50, "10.0.0.2"):
            assert given_up == ["stopped"]
            assert (gate.held, gate.arrivals.bytes) == (50, 0)


def test_an_address_has_no_more_than_three_quarters_of_what_arrives() -> None:
    gate, given_up = Gate(Limits(bytes=100, body=100)), []
    with gate.enter("10.0.0.1") as first, gate.enter("10.0.0.1") as second:
        first.on_given_up(lambda: given_up.append("first"))
        first.grow(50)
        second.grow(40)
    assert given_up == ["first"]


@given(st.lists(st.lists(st.integers(0, 60), max_size=5), max_size=6), st.integers(0, 3))
def test_what_is_counted_is_what_is_held_and_never_above_the_limits(bodies: list[list[int]], kept: int) -> None:
    gate = Gate(Limits(requests=3, bytes=100, body=50))
    with ExitStack() as first_ones:
        for number, chunks in enumerate(bodies):
            with ExitStack() as own, suppress(Refusal):
                slot = (first_ones if number < kept else own).enter_context(gate.enter(f"10.0.0.{number % 2}"))
                if len(chunks) == 1:  # it came with its header
                    slot.take(chunks[0])
                else:
                    for size in chunks:
                        slot.grow(size)
                        assert gate.bytes <= gate.limits.bytes
                    slot.has_arrived()
                assert slot.bytes <= gate.limits.body
                assert gate.bytes <= gate.limits.bytes
            assert gate.requests <= gate.limits.requests
    assert (gate.requests, gate.bytes, gate.held, len(gate.arrivals)) == (0, 0, 0, 0)


def reading(gate: Gate, judged: asyncio.Event | None = None) -> Handler:
    """A handler that reads the body as the server does, and answers with its size, to `x` after the event only."""

    async def handler(request: web.Request) -> web.Response:
        until = asyncio.get_running_loop().time() + time_limit(request.query.get("timeout"), gate.limits)
        try:
            with gate.enter(request.remote or "") as slot:
                body = await read_body(request, slot, until)
                if judged is not None and body == b"x":
                    await judged.wait()
                return web.Response(text=str(len(body)), headers={"Size": str(len(body))})
        except Refusal as refusal:
            response = web.Response(status=refusal.status, text=refusal.reason, headers=refusal.headers)
            if "Connection" in refusal.headers:
                response.force_close()
            return response

    return handler


def served() -> Certificates:
    certificates = Certificates()
    certificates.take(Material(leaf()))
    return certificates


POST = "POST /?timeout=10s HTTP/1.1"
SLOW = "POST /?timeout=300ms HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"

BODIES = [
    # head, headers, body sent, status
    ("in one piece", POST, ["Content-Length: 5"], b"hello", 200),
    ("in chunks", POST, [CHUNKED], b"5\r\nhello\r\n0\r\n\r\n", 200),
    ("empty", POST, ["Content-Length: 0"], b"", 200),
    ("of the largest size", POST, ["Content-Length: 1000"], b"x" * 1000, 200),
    ("announced too large", POST, ["Content-Length: 1001"], b"", 413),
    ("too large in chunks", POST, [CHUNKED], b"3e9\r\n" + b"x" * 1001 + b"\r\n", 413),
    ("compressed", POST, ["Content-Length: 25", "Content-Encoding: gzip"], gzip.compress(b"hello"), 415),
    ("compressed by another name", POST, ["Content-Length: 5", "Content-Encoding: x"], b"hello", 415),
    ("that stops", SLOW, ["Content-Length: 5"], b"hel", 408),
    ("that never starts", SLOW, ["Content-Length: 5"], b"", 408),
    ("that stops between chunks", SLOW, [CHUNKED], b"3\r\nhel\r\n", 408),
    ("that is no chunk", POST, [CHUNKED], b"xyz\r\nhello\r\n", 400),
]


@pytest.mark.timing
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("head", "headers", "body", "status"), [case[1:] for case in BODIES], ids=[c[0] for c in BODIES]
)
def test_a_body(loop: str, head: str, headers: list[str], body: bytes, status: int) -> None:
    async def scenario() -> None:
        gate = Gate(Limits(body=1000))
        async with serving(served(), reading(gate), ConnectionLimits(lingering=0.1)) as server:
            conversation = await server.connect()
            assert (await conversation.ask(head, *headers, body=body))[0] == status
            if status != 200:
                assert await conversation.closed()
            assert (gate.requests, gate.bytes) == (0, 0)

    run(scenario(), loop)


def test_a_compressed_bomb_is_never_unpacked() -> None:
    async def scenario() -> None:
        bomb = gzip.compress(bytes(20 * 1024 * 1024))
        async with serving(served(), reading(Gate())) as server:
            conversation = await server.connect()
            headers = ["Content-Encoding: gzip", f"Content-Length: {len(bomb)}"]
            assert (await conversation.ask(POST, *headers, body=bomb))[0] == 415

    run(scenario())


@pytest.mark.timing
def test_a_slow_body_is_bounded_even_where_the_caller_has_time() -> None:
    async def scenario() -> None:
        async with serving(served(), reading(Gate(Limits(body_time=0.1)))) as server:
            conversation = await server.connect()
            assert (await conversation.ask("POST /?timeout=30s HTTP/1.1", "Content-Length: 5", body=b"h"))[0] == 408

    run(scenario())


@pytest.mark.timing
def test_slow_senders_of_large_bodies_reserve_nothing() -> None:
    async def scenario() -> None:
        gate = Gate(Limits(bytes=1000, body=1000))
        async with serving(served(), reading(gate)) as server:
            slow = [await server.connect() for _ in range(5)]
            for conversation in slow:
                conversation.writer.write(f"{POST}\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n".encode())
            while len(gate.arrivals) < len(slow):
                await asyncio.sleep(0.01)
            quick = await server.connect()
            assert (await quick.ask(POST, "Content-Length: 1000", body=b"x" * 1000))[0] == 200
            for conversation in (*slow, quick):
                await conversation.leave()

    run(scenario())


@pytest.mark.timing
def test_overload_is_refused_at_once_and_the_connection_goes_on() -> None:
    async def scenario() -> None:
        gate, judged = Gate(Limits(requests=1)), asyncio.Event()
        async with serving(served(), reading(gate, judged)) as server:
            holding, other = await server.connect(), await server.connect()
            holding.writer.write(f"{POST}\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx".encode())
            while not gate.requests:
                await asyncio.sleep(0.01)
            status, head = await other.ask(POST, "Content-Length: 2", body=b"xx")
            assert status == 429
            assert "Retry-After: 1" in head
            judged.set()
            assert (await holding.answer())[0] == 200
            assert (await other.ask(POST, "Content-Length: 2", body=b"xx"))[0] == 200

    run(scenario())
