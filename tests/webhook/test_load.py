"""The program under load: what it accepted it answers, what it cannot take it refuses at once, and it stays small.

Nothing here measures time: `make bench` does.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path

import pytest

from tests.bench.evaluate import module
from tests.webhook.certificates import leaf
from tests.webhook.program import Caller, Pool, Program, memory, program, request
from tests.webhook.manifests import encoded, large_module, review
from tests.webhook.serving import run, trusting
from tests.webhook.certificates import AUTHORITY

MIB = 1024 * 1024
BODIES = [encoded(review(module(number))) for number in range(20)]
LARGE = encoded(review(large_module(3 * MIB)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    with program(tmp_path / "server", "--drain", "1") as running:
        yield running


async def calling(post: Callable[[bytes], asyncio.Future[None]], until: asyncio.Event) -> None:
    for body in cycle(BODIES):
        if until.is_set():
            return
        await post(body)


def decisions(server: Program) -> int:
    return len((server.folder / "audit.jsonl").read_bytes().splitlines())


# -- the end -----------------------------------------------------------------------------------------


class ApiServer:
    """A caller with a pool for each of two replicas, which leaves the one that is not ready; it counts its calls."""

    def __init__(self, replicas: Sequence[Program]) -> None:
        self.replicas = list(replicas)
        self.answered: Counter[int] = Counter()
        self._pools = {id(replica): Pool(replica.reviews) for replica in replicas}

    async def call(self, body: bytes) -> None:
        replica = self.replicas[sum(self.answered.values()) % len(self.replicas)]
        reply = await self._pools[id(replica)].post(body)
        assert reply.status == 200
        assert reply.response["allowed"]
        self.answered[id(replica)] += 1


def test_a_replica_that_is_ended_under_load_loses_no_call(server: Program, tmp_path: Path) -> None:
    async def scenario(other: Program) -> None:
        api, enough = ApiServer([server, other]), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(calling(api.call, enough))
            await asyncio.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)  # as long as it takes until endpoints are taken out
            api.replicas.remove(server)
            await asyncio.to_thread(server.process.wait, 20)
            before = api.answered[id(other)]
            await asyncio.sleep(0.2)
            enough.set()
        assert server.process.returncode == 0
        assert api.answered[id(server)] == decisions(server)
        assert api.answered[id(other)] > before

    with program(tmp_path / "other") as other:
        run(scenario(other))


def test_every_reply_of_a_server_that_drains_closes_its_connection(server: Program) -> None:
    async def scenario() -> None:
        kept = [await Caller.connect(server.reviews) for _ in range(5)]
        assert not any([(await caller.post(BODIES[0])).closes for caller in kept])
        server.process.send_signal(signal.SIGTERM)
        while "[-] serving" not in await asyncio.to_thread(ready, server):
            await asyncio.sleep(0.01)
        assert all([(await caller.post(BODIES[0])).closes for caller in kept])
        late = await Caller.connect(server.reviews)
        assert (await late.post(BODIES[0])).status == 200

    run(scenario())


def ready(server: Program) -> str:
    return server.page("/readyz", whatever=True)


def test_reviews_that_are_being_judged_when_the_server_ends_are_answered(server: Program) -> None:
    async def scenario() -> None:
        callers = [await Caller.connect(server.reviews) for _ in range(6)]
        calls = [asyncio.create_task(caller.post(LARGE, "/validate?timeout=30s")) for caller in callers]
        while server.metric("kmodgate_reviews_in_flight") < 6:
            await asyncio.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        assert [(await call).response["allowed"] for call in calls] == [True] * 6
        assert await asyncio.to_thread(server.process.wait, 20) == 0

    run(scenario())


# -- the certificate ---------------------------------------------------------------------------------


def test_certificates_that_are_replaced_under_load_fail_no_call(server: Program) -> None:
    async def scenario() -> None:
        enough, shown = asyncio.Event(), set[bytes]()
        context = trusting(AUTHORITY)

        async def once(body: bytes) -> None:
            caller = await Caller.connect(server.reviews, context)
            shown.add(caller.certificate)
            assert (await caller.post(body, close=True)).status == 200
            caller.leave()

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(calling(once, enough))
            for _ in range(3):
                await rotated(server)
            enough.set()
        assert len(shown) >= 3
        assert server.metric("kmodgate_handshakes_failed") == 0

    run(scenario())


async def rotated(server: Program) -> None:
    """A new pair for the server, written as an ordinary program would, and waited for."""
    before = server.generation()
    server.volume.update(leaf())
    while server.generation() == before:
        await asyncio.sleep(0.05)
