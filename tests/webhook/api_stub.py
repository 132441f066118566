"""An API server that says what a test tells it to: for what a real one does not do on command."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from kmodgate.webhook.cluster.api_server import ApiServer, from_kubeconfig

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

MODULES = "/apis/kmm.sigs.x-k8s.io/v1beta1/modules"


class ApiStub:
    """Answers by path, lists and watches apart, each in the order given; the last one again and again."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.token = "first"
        self.asked: list[web.Request] = []
        self._answers: dict[tuple[str, bool], list[Answer]] = defaultdict(list)

    def lists(self, *answers: Answer, path: str = MODULES) -> None:
        self._answers[path, False] = list(answers)

    def watches(self, *answers: Answer, path: str = MODULES) -> None:
        self._answers[path, True] = list(answers)

    def queries(self, *, watch: bool) -> list[dict[str, str]]:
        """What the lists, or the watches, were asked with."""
        return [dict(request.query) for request in self.asked if ("watch" in request.query) is watch]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ApiServer]:
        """A client of it, while it runs on a port of loopback."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self.write_kubeconfig(port)
        client = ApiServer(from_kubeconfig(str(self.kubeconfig)))
        try:
            yield client
        finally:
            await client.close()
            await runner.cleanup()

    def write_kubeconfig(self, port: int) -> None:
        self._port = port
        (self.kubeconfig.parent / "token").write_text(self.token)
        config: dict[str, Any] = {
            "current-context": "stub",
            "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
            "clusters": [{"name": "stub", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "stub", "user": {"tokenFile": "token"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def rotate(self, token: str) -> None:
        """From now on only another token is accepted."""
        self.token = token
        (self.kubeconfig.parent / "token").write_text(token)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return await failure(401, "Unauthorized")(request)
        answers = self._answers[request.path, "watch" in request.query]
        if not answers:
            return await failure(404, "the server could not find the requested resource")(request)
        answer = answers.pop(0) if answers[1:] else answers[0]
        return await answer(request)


def failure(code: int, message: str, **headers: str) -> Answer:
    """A Status; `Retry_After="1"` is the header Retry-After."""

    async def answer(request: web.Request) -> web.StreamResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
        return web.json_response(body, status=code, headers=names)

    return answer


def page(*items: dict[str, Any], version: str = "10", following: str = "") -> Answer:
    """A page of a list; `following` is the token of the next one."""

    async def answer(request: web.Request) -> web.StreamResponse:
        metadata = {"resourceVersion": version, "continue": following}
        return web.json_response({"kind": "ModuleList", "apiVersion": "v1", "metadata": metadata, "items": list(items)})

    return answer


def events(*lines: dict[str, Any] | bytes, stalls: bool = False) -> Answer:
    """The events of a watch, bytes as they are; then it ends, or goes on without a word."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        if stalls:
            await asyncio.sleep(3600)
        return response

    return answer


def event(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": item}


def bookmark(version: str) -> dict[str, Any]:
    return event("BOOKMARK", {"kind": "Module", "metadata": {"resourceVersion": version}})


def module(name: str, version: str = "1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": name, "namespace": "drivers", "resourceVersion": version},
        "spec": spec,
    }


async def until(is_so: Callable[[], bool]) -> None:
    """Waits until something is so; a test that waits for ever is ended by its bound of a minute."""
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.005)
