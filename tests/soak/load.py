"""What is asked of the server while it is watched, and what it answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import cycle
from typing import Any

from tests.bench import samples
from tests.webhook.issued_certificates import AUTHORITY, leaf
from tests.webhook.manifests import config_map, encoded, large_module, mapped_module, module, namespace, pod, review
from tests.webhook.program import Caller, Pool, Program, Reply
from tests.webhook.serving import trusting

MIB = 1024 * 1024
_PAUSE = 0.02


def _refused(number: int) -> dict[str, Any]:
    manifest = module(number)
    manifest["spec"]["moduleLoader"]["container"]["kernelMappings"][0]["regexp"] = "("
    return manifest


_ACCEPTED = samples.modules(accepted=True)
_VALIDATE, _MUTATE = "/validate?timeout=10s", "/mutate?timeout=10s"

# what it is called, where it goes, whether it is allowed, and the review
SMALL = [
    *(("Module", _VALIDATE, True, body) for body in samples.numbered(samples.seen_first(_ACCEPTED), len(_ACCEPTED))),
    *(("Module again", _VALIDATE, True, body) for body in samples.numbered(samples.seen_before(_ACCEPTED), 20)),
    *(
        ("Pod of a workload", _VALIDATE, True, body)
        for body in samples.numbered(samples.made_again(samples.pods()), 20)
    ),
    *(("refused Module", _VALIDATE, False, encoded(review(_refused(number)))) for number in range(5)),
    ("Namespace with Modules", _VALIDATE, False, encoded(review(namespace("drivers"), "DELETE"))),
    ("Namespace without", _VALIDATE, True, encoded(review(namespace("default"), "DELETE"))),
    ("ConfigMap in use", _VALIDATE, False, encoded(review(config_map("df", 1000), "DELETE"))),
    ("Pod", _VALIDATE, True, encoded(review(pod("a")))),
    ("Pod to patch", _MUTATE, True, encoded(review(pod("a")))),
]
LARGE = [
    ("large Module", _VALIDATE, True, encoded(review(large_module(3 * MIB)))),
    ("many mappings", _VALIDATE, False, encoded(review(mapped_module(55_000)))),
    ("large ConfigMap", _VALIDATE, False, encoded(review(config_map("df", MIB), "DELETE"))),
]

Post = Callable[[bytes, str], Awaitable[Reply]]


class Load:
    """Calls, counted by what they are about; whatever else than the right answer comes is a failure."""

    def __init__(self, server: Program) -> None:
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []
        self.rotations = 0
        self._server = server
        self._context = trusting(AUTHORITY)
        self._pool = Pool(server.reviews)

    async def one_of_each(self) -> None:
        """Every review once, on connections that are left again."""
        for item in (*SMALL, *LARGE):
            await self._call(item, self._alone)

    async def call_until(self, end: float) -> None:
        """Small reviews, one after the other, on connections that are kept."""
        await self._until(end, SMALL, self._pool.post, _PAUSE)

    async def connect_until(self, end: float) -> None:
        """The same with a handshake for each."""
        await self._until(end, SMALL, self._alone, _PAUSE)

    async def large_until(self, end: float) -> None:
        await self._until(end, LARGE, self._pool.post, 0.5)

    async def rotate_until(self, end: float, count: int, pause: float) -> None:
        """Gives the server a new certificate `count` times, and waits each time until it shows that."""
        for _ in range(count):
            began, old = time.monotonic(), await self._shown()
            self._server.certificate.update(leaf())
            while (shown := await self._shown()) == old and time.monotonic() < end:
                await asyncio.sleep(0.1)
            if shown == old:
                self.failures.append(f"{self.rotations} rotations, where {count} were meant")
                return
            self.rotations += 1
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))

    async def leave(self) -> None:
        self._pool.close()
        while self._server.metric("kmodgate_connections"):
            await asyncio.sleep(0.1)

    def summary(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.answered.most_common())
        return (
            f"{self.answered.total()} answers ({kinds}), {self.rotations} certificates, {len(self.failures)} failures"
        )

    async def _until(self, end: float, items: list[tuple[str, str, bool, bytes]], post: Post, pause: float) -> None:
        for item in cycle(items):
            if time.monotonic() > end:
                return
            await self._call(item, post)
            await asyncio.sleep(pause)

    async def _call(self, item: tuple[str, str, bool, bytes], post: Post) -> None:
        kind, target, is_allowed, body = item
        try:
            reply = await post(body, target)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(f"{kind}: {error!r}")
            return
        if reply.status != 200 or reply.response["allowed"] is not is_allowed:
            self.failures.append(f"{kind}: {reply.status} {reply.body[:300]!r}")
        self.answered[kind] += 1

    async def _alone(self, body: bytes, target: str) -> Reply:
        caller = await Caller.connect(self._server.reviews, self._context)
        try:
            return await caller.post(body, target, close=True)
        finally:
            caller.leave()

    async def _shown(self) -> bytes:
        caller = await Caller.connect(self._server.reviews, self._context)
        caller.leave()
        return caller.certificate
