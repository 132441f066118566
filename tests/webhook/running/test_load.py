"""The program under load: what it accepted it answers, what it cannot take it refuses at once, and it stays small.

Nothing here measures time: `make bench` does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cache
from itertools import cycle
from pathlib import Path

import pytest

from tests.bench import samples
from tests.webhook.issued_certificates import AUTHORITY, leaf
from tests.webhook.manifests import encoded, large_module, review
from tests.webhook.program import Caller, Pool, Program, Reply, memory, program, request
from tests.webhook.serving import run, trusting

pytestmark = pytest.mark.timing

MIB = 1024 * 1024
LARGE = encoded(review(large_module(3 * MIB)))


@cache
def bodies() -> list[bytes]:
    """Reviews that the server has not seen; all are admitted."""
    return samples.numbered(samples.seen_first(samples.modules(accepted=True)), 200)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    with program(tmp_path / "server", "--drain", "1", is_forked=True) as running:
        yield running


async def calling(post: Callable[[bytes], Awaitable[None]], enough: asyncio.Event) -> None:
    """Calls one after the other; the first that fails ends the test."""
    for body in cycle(bodies()):
        if enough.is_set():
            return
        await post(body)


# -- the end ---------------------------------------------------------------------------------------


class ApiServer:
    """A caller that spreads its calls over replicas, as a Service does, and counts the answers of each."""

    def __init__(self, replicas: Sequence[Program]) -> None:
        self.endpoints = list(replicas)
        self.answered: Counter[int] = Counter()
        self._pools = {replica.reviews: Pool(replica.reviews) for replica in replicas}

    async def call(self, body: bytes) -> None:
        port = self.endpoints[self.answered.total() % len(self.endpoints)].reviews
        reply = await self._pools[port].post(body)
        assert reply.status == 200
        assert reply.response["allowed"]
        self.answered[port] += 1

    async def has_answered(self, replica: Program, *, more: int) -> None:
        """Wait until a replica has answered so many calls more."""
        wanted = self.answered[replica.reviews] + more
        while self.answered[replica.reviews] < wanted:
            await asyncio.sleep(0.01)


def test_a_replica_that_is_ended_under_load_loses_no_call(tmp_path: Path) -> None:
    async def scenario(server: Program, other: Program) -> None:
        api, enough = ApiServer([server, other]), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(calling(api.call, enough))
            await api.has_answered(server, more=50)
            server.process.send_signal(signal.SIGTERM)
            await api.has_answered(server, more=8)  # endpoints lag behind: calls go on coming
            api.endpoints.remove(server)
            assert await asyncio.to_thread(server.process.wait, 120) == 0
            await api.has_answered(other, more=50)
            enough.set()
        assert api.answered[server.reviews] == server.decisions()

    with (
        program(tmp_path / "server", "--drain", "5", is_forked=True) as server,
        program(tmp_path / "other", is_forked=True) as other,
    ):
        run(scenario(server, other))


def test_a_server_that_drains_takes_calls_and_closes_each_connection_with_its_reply(server: Program) -> None:
    async def scenario() -> None:
        kept = [await Caller.connect(server.reviews) for _ in range(5)]
        assert not any([(await caller.post(bodies()[0])).closes for caller in kept])
        server.process.send_signal(signal.SIGTERM)
        while "[-] serving" not in await asyncio.to_thread(server.page, "/readyz"):
            await asyncio.sleep(0.01)
        assert all([(await caller.post(bodies()[0])).closes for caller in kept])
        assert (await (await Caller.connect(server.reviews)).post(bodies()[0])).closes

    run(scenario())


def test_reviews_that_are_being_judged_when_the_server_ends_are_answered(server: Program) -> None:
    async def scenario() -> None:
        os.kill(worker := server.worker(), signal.SIGSTOP)
        callers = [await Caller.connect(server.reviews) for _ in range(6)]
        calls = [asyncio.create_task(caller.post(LARGE, "/validate?timeout=30s")) for caller in callers]
        while await asyncio.to_thread(server.metric, "kmodgate_reviews_in_flight") < len(calls):
            await asyncio.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)
        assert [(await call).response["allowed"] for call in calls] == [True] * 6
        assert await asyncio.to_thread(server.process.wait, 120) == 0
        assert server.decisions() == 6

    run(scenario())


def test_callers_that_come_until_the_last_moment_are_answered_if_they_are_let_in(server: Program) -> None:
    async def coming(answered: list[Reply]) -> None:
        """Calls on a connection of its own each time, until there is nothing to connect to."""
        context = trusting(AUTHORITY)
        for body in cycle(bodies()):
            try:
                caller = await Caller.connect(server.reviews, context)
            except ConnectionRefusedError:
                return
            except OSError:  # it came with the end: nothing was asked yet
                continue
            answered.append(await caller.post(body))
            caller.leave()

    async def scenario() -> None:
        answered: list[Reply] = []
        async with asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(coming(answered))
            while len(answered) < 100:
                await asyncio.sleep(0.01)
            server.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 120) == 0
        assert {reply.status for reply in answered} == {200}
        assert server.decisions() == len(answered)
        assert answered[-1].closes

    run(scenario())


def ask_on(caller: ssl.SSLSocket, asked: bytes) -> None:
    """Asks the same again and again. Raises TimeoutError when the server takes no more."""
    while True:
        caller.sendall(asked * 50)


def test_a_caller_that_reads_no_reply_does_not_hold_up_the_end(tmp_path: Path) -> None:
    asked = request(bodies()[0], "/validate") + bodies()[0]
    with (
        program(tmp_path, "--drain", "0", "--grace", "0", is_forked=True) as server,
        socket.create_connection(("127.0.0.1", server.reviews), timeout=120) as connection,
        trusting(AUTHORITY).wrap_socket(connection, server_hostname="localhost") as caller,
    ):
        caller.settimeout(1)  # the handshake takes as long as it takes
        with pytest.raises(TimeoutError):
            ask_on(caller, asked)
        assert server.end() == 0


# -- the certificate -------------------------------------------------------------------------------


async def rotated(server: Program) -> None:
    """Gives the server a new pair, and waits until it shows that."""
    before, context = (await Caller.connect(server.reviews)).certificate, trusting(AUTHORITY)
    server.certificate.update(leaf())
    while (caller := await Caller.connect(server.reviews, context)).certificate == before:
        caller.leave()
        await asyncio.sleep(0.05)
    caller.leave()


def test_certificates_that_are_replaced_under_load_fail_no_handshake_and_no_call(server: Program) -> None:
    async def scenario() -> None:
        enough, shown, context = asyncio.Event(), set[bytes](), trusting(AUTHORITY)

        async def call(body: bytes) -> None:
            caller = await Caller.connect(server.reviews, context)
            shown.add(caller.certificate)
            assert (await caller.post(body, close=True)).status == 200
            caller.leave()

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(calling(call, enough))
            for _ in range(3):
                await rotated(server)
            enough.set()
        assert len(shown) >= 3

    run(scenario())


# -- more than it takes ----------------------------------------------------------------------------


async def at_once(port: int, bodies: Sequence[bytes]) -> list[asyncio.Task[Reply]]:
    """Posts all of them at the same time, each on a connection that is open already."""
    context = trusting(AUTHORITY)
    callers = [await Caller.connect(port, context) for _ in bodies]
    posts = (caller.post(body, "/validate?timeout=30s") for caller, body in zip(callers, bodies, strict=True))
    return [asyncio.create_task(post) for post in posts]


def test_of_ten_times_as_many_reviews_as_it_takes_the_rest_is_told_when_to_come_back(tmp_path: Path) -> None:
    most = 4
    with program(tmp_path, "--max-requests", str(most), is_forked=True) as server:

        async def scenario() -> None:
            os.kill(worker := server.worker(), signal.SIGSTOP)
            calls = await at_once(server.reviews, [LARGE] * 10 * most)
            while sum(call.done() for call in calls) < 9 * most:
                await asyncio.sleep(0.01)
            os.kill(worker, signal.SIGCONT)
            replies = await asyncio.gather(*calls)
            accepted = [reply for reply in replies if reply.status == 200]
            refused = [reply for reply in replies if reply.status != 200]
            assert len(accepted) == most
            assert all(reply.response["allowed"] for reply in accepted)
            assert {(reply.status, reply.headers["retry-after"]) for reply in refused} == {(429, "1")}
            while server.decisions() < len(accepted):
                await asyncio.sleep(0.01)
            assert server.decisions() == len(accepted)
            again = await Caller.connect(server.reviews)
            assert (await again.post(bodies()[0])).status == 200

        run(scenario())


def test_many_large_reviews_at_once_stay_within_the_bounds_of_bytes_and_memory(tmp_path: Path) -> None:
    most = 64
    with program(tmp_path, "--max-megabytes", str(most)) as server:

        async def scenario() -> tuple[float, int]:
            bytes_in_flight, peak = 0.0, 0
            os.kill(worker := server.worker(), signal.SIGSTOP)
            calls = await at_once(server.reviews, [LARGE] * 64)
            while not all(call.done() for call in calls):
                bytes_in_flight = max(
                    bytes_in_flight, await asyncio.to_thread(server.metric, "kmodgate_review_bytes_in_flight")
                )
                peak = max(peak, sum(memory(pid)["Rss"] for pid in server.processes()))
                if bytes_in_flight >= most * MIB / 2:
                    os.kill(worker, signal.SIGCONT)
                await asyncio.sleep(0.01)
            found = await asyncio.gather(*calls)
            assert {reply.status for reply in found} <= {200, 408, 429}  # 408: gave up its room while it arrived
            assert all(reply.response["allowed"] for reply in found if reply.status == 200)
            assert sum(reply.status == 200 for reply in found) * len(LARGE) >= most * MIB / 2
            return bytes_in_flight, peak

        async def bounded() -> None:
            bytes_in_flight, peak = await scenario()
            assert most * MIB / 2 <= bytes_in_flight <= most * MIB
            assert peak < 512 * MIB

        run(bounded())
        assert server.metric("kmodgate_review_bytes_in_flight") == 0
