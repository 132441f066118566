"""A cluster whose watches run over the stub of an API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from kmodgate.webhook.cluster.live_cluster import LiveCluster
from tests.webhook.api_stub import ApiStub, until
from tests.webhook.cluster.watching import QUICK


def with_cluster(stub: ApiStub, scenario: Callable[[LiveCluster], Awaitable[None]], *, too_old: float = 3600.0) -> None:
    """Runs a scenario with a cluster whose watches run, once it is ready."""

    async def run() -> None:
        async with stub.serving() as server:
            cluster = LiveCluster(server, too_old=too_old, timings=replace(QUICK, resume=3600.0))
            running = asyncio.create_task(cluster.run())
            try:
                await until(lambda: cluster.is_ready)
                await scenario(cluster)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
