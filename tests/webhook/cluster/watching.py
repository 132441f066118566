"""A watch over the stub of an API server, and what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from kmodgate.webhook.cluster.live_facts import MODULES
from kmodgate.webhook.cluster.watch import Key, Map, Resource, Timings, Watch
from tests.webhook.api_stub import ApiStub, events

QUICK = Timings(first_pause=0.01, longest_pause=0.05, probe=0.02, silence=30.0, request=10.0)
QUIET = events(stalls=True)


class Names:
    """Keeps the names, and how often the cache was without any."""

    def __init__(self) -> None:
        self.kept: dict[Key, Map] = {}
        self.was_emptied = 0

    def put(self, key: Key, item: Map) -> None:
        self.kept[key] = item

    def drop(self, key: Key) -> None:
        self.kept.pop(key, None)
        self.was_emptied += not self.kept

    def keys(self) -> Iterator[Key]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def names(self) -> set[str]:
        return {name for _, name in self.kept}


def watched(
    stub: ApiStub,
    scenario: Callable[[Watch, Names], Awaitable[None]],
    *,
    resource: Resource = MODULES,
    timings: Timings = QUICK,
) -> None:
    """Runs a scenario while a watch runs over the stub."""

    async def run() -> None:
        async with stub.serving() as server:
            names = Names()
            watch = Watch(server, resource, names, timings)
            running = asyncio.create_task(watch.run())
            try:
                await scenario(watch, names)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
