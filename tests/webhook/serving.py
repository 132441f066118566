"""A real TLS server on loopback, and clients that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from kmodgate.webhook.certificates.key_pair import Pair
from kmodgate.webhook.certificates.served_certificate import Certificates, Material
from kmodgate.webhook.http.connections import ConnectionLimits, Connections, runner_options
from kmodgate.webhook.http.listener import LimitedSite
from tests.webhook.issued_certificates import AUTHORITY, leaf

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def run(test: Coroutine[Any, Any, None], loop: str = "asyncio") -> None:
    """Run a test to its end on the named event loop; one that hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(120):
            await test

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(bounded())


async def greet(request: web.Request) -> web.Response:
    return web.Response(text="hello")


@dataclass(frozen=True)
class Serving:
    """A server that runs: its port, and what it counts."""

    port: int
    connections: Connections

    async def connect(self, context: ssl.SSLContext | None = None) -> Conversation:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context or trusting(AUTHORITY), server_hostname="localhost"
        )
        return Conversation(reader, writer)


@dataclass(frozen=True)
class Conversation:
    """One TLS connection of a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate that the server showed, as PEM."""
        shown = self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return hashlib.sha256(ssl.DER_cert_to_PEM_cert(shown).encode()).hexdigest()

    async def ask(self, head: str = "GET / HTTP/1.1", *headers: str, body: bytes = b"") -> tuple[int, str]:
        """Send one request; status and head of the answer, its body read."""
        lines = "\r\n".join([head, "Host: localhost", *headers])
        self.writer.write(lines.encode() + b"\r\n\r\n" + body)
        return await self.answer()

    async def answer(self) -> tuple[int, str]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-length")), 0
        )
        await self.reader.readexactly(int(length))
        return int(head.split()[1]), head

    async def closed(self) -> bool:
        """Wait until the server has closed the connection; what it says until then is thrown away."""
        with suppress(ConnectionError, ssl.SSLError):
            await self.reader.read()
        return True

    async def leave(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@asynccontextmanager
async def serving(
    certificates: Certificates,
    handler: Handler = greet,
    limits: ConnectionLimits | None = None,
    *,
    host: str | None = "127.0.0.1",
) -> AsyncIterator[Serving]:
    """Serve `handler` for every path on a free port."""
    connections = Connections(limits)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=1, **runner_options(connections.limits))
    await runner.setup()
    try:
        site = LimitedSite(runner, host, 0, context=certificates.context, connections=connections)
        await site.start()
        yield Serving(site.port, connections)
    finally:
        await runner.cleanup()


async def greeted(server: Serving, context: ssl.SSLContext | None = None) -> str:
    """Shake hands, ask, leave; the fingerprint of the certificate shown."""
    conversation = await server.connect(context)
    assert (await conversation.ask())[0] == 200
    await conversation.leave()
    return conversation.fingerprint


def trusting(authority: Pair, identity: Pair | None = None, folder: Path | None = None) -> ssl.SSLContext:
    """A client's context that trusts one CA, with a client certificate where one is given (written to `folder`)."""
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    if identity and folder:
        file = folder / "client.pem"
        file.write_bytes(identity.certificate + identity.key)
        context.load_cert_chain(file)
    return context


def served() -> Certificates:
    certificates = Certificates()
    certificates.take(Material(leaf()))
    return certificates


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it; the test's own time limit is the end of the wait."""
    while not condition():
        await asyncio.sleep(0.01)
