"""The stub of an API server beside a test that waits for other things."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from kmodgate.webhook.cluster.live_facts import CONFIGS, MODULES, NAMESPACES, NODES, RUNTIME_CLASSES
from tests.webhook.api_stub import ApiStub, bookmark, events, page

WATCHED = (NAMESPACES, MODULES, CONFIGS, RUNTIME_CLASSES, NODES)


@contextmanager
def api_server(folder: Path) -> Iterator[ApiStub]:
    """A stub of a cluster that holds nothing, in a thread of its own; its kubeconfig lies in the folder."""
    stub = ApiStub(folder)
    for resource in WATCHED:
        stub.lists(page(), path=resource.path)
        stub.watches(events(bookmark("10"), stalls=True), path=resource.path)
    loop, is_serving, is_over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with stub.serving():
            is_serving.set()
            await is_over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert is_serving.wait(120)
    try:
        yield stub
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join(120)
        loop.close()


def modules_of(namespace: str) -> str:
    """The path by which the Modules of one namespace are read anew."""
    return f"/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{namespace}/modules"


class Held:
    """An answer that does not come before `release`, and then is an error."""

    def __init__(self) -> None:
        self._is_released = threading.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        while not self._is_released.is_set():
            await asyncio.sleep(0.01)
        return web.Response(status=500)

    def release(self) -> None:
        self._is_released.set()


async def stalled(request: web.Request) -> web.StreamResponse:
    """An answer that does not come."""
    await asyncio.sleep(3600)
    return web.Response()
