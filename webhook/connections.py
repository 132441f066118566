"""The TLS listener: how many connections there are, and how long one may take to say what it wants.

The framework's own listener makes a TLS layer for whoever connects, waits a minute for the handshake, and lets half a
request header stand as long as an idle connection. Here a connection is counted before it costs anything, and both
waits are short. An idle connection may stay for longer than the API server keeps one (90 s): were the server the first
to close, a call just sent on it would be lost, and a POST is not tried again.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

ACCEPT_AGAIN = 0.1
"""Seconds to wait after a connection could not be accepted."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one listener; times in seconds.

    `per_peer` counts by address. It is large, because a proxy in front may show one address for every API server.
    `header` runs from the first byte of a request; `first_header` from the handshake to the end of the first header.
    That is longer than the 90 s for which the API server keeps a connection that it opened and then had no use for.
    """

    total: int = 512
    per_peer: int = 256
    handshake: float = 5.0
    first_header: float = 100.0
    header: float = 10.0
    idle: float = 180.0
    lingering: float = 2.0


def runner_options(limits: ConnectionLimits) -> dict[str, Any]:
    """Arguments of `web.AppRunner` that go with the limits; a compressed body is refused, so none is ever unpacked."""
    return {
        "keepalive_timeout": limits.idle,
        "lingering_time": limits.lingering,
        "auto_decompress": False,
        "access_log": None,
    }


class Connections:
    """Counts of one listener: `open` now; since start, refused, failed in the handshake, closed for a late header."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        self.open = 0
        self.refused = 0
        self.handshakes_failed = 0
        self.headers_late = 0
        self._peers: Counter[str] = Counter()

    def enter(self, peer: str) -> bool:
        """Count one more connection of `peer`; False where there is no room for it."""
        if self.open >= self.limits.total or self._peers[peer] >= self.limits.per_peer:
            self.refused += 1
            return False
        self.open += 1
        self._peers[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        self.open -= 1
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]


class ReviewServer(web.Server):
    """A server of the framework that quotes nothing of what is no request: it may be the rest of a body."""

    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class _Handler(RequestHandler):
    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        return super().handle_error(request, status, exc, None if status == 500 else "this is no request of HTTP/1.1\n")


class TLSSite(web.BaseSite):
    """A site of an `AppRunner` that serves `context` within the limits of `connections`.

    `host` is a name or an address; without one it listens on every address of both families.
    """

    __slots__ = ("_address", "_connections", "_context", "_listener", "_reuse_port")

    def __init__(
        self,
        runner: web.BaseRunner,
        host: str | None,
        port: int,
        *,
        context: ssl.SSLContext,
        connections: Connections,
        backlog: int = 1024,
        reuse_port: bool = False,
    ) -> None:
        super().__init__(runner, ssl_context=context, backlog=backlog)
        self._address = (host, port)
        self._context = context
        self._connections = connections
        self._reuse_port = reuse_port
        self._listener: _Listener | None = None

    @property
    def name(self) -> str:
        return f"https://{self._address[0] or '[::]'}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises OSError where the address cannot be had."""
        await super().start()
        listening = await _listen(*self._address, backlog=self._backlog, reuse_port=self._reuse_port)
        self._listener = _Listener(listening, self._accepted)

    async def stop(self) -> None:
        """Stop listening; connections that are open live on until the runner ends them."""
        await super().stop()
        if self._listener:
            await self._listener.close()

    @property
    def port(self) -> int:
        """The port that is listened on; before the start, the one asked for."""
        return self._listener.port if self._listener else self._address[1]

    def _accepted(self, sock: socket.socket) -> Coroutine[Any, Any, None] | None:
        """What to do with a new connection; None where there is no room for it."""
        peer = _peer(sock)
        server = self._runner.server
        if server is None or not self._connections.enter(peer):
            return None
        return self._secure(sock, _Guard(server(), self._connections, peer))

    async def _secure(self, sock: socket.socket, guard: _Guard) -> None:
        loop, limit = asyncio.get_running_loop(), self._connections.limits.handshake
        try:
            await loop.connect_accepted_socket(lambda: guard, sock, ssl=self._context, ssl_handshake_timeout=limit)
        except OSError:  # TLS errors, resets and time-outs are kinds of it
            self._connections.handshakes_failed += 1
        finally:
            if not guard.begun:
                self._connections.leave(guard.peer)


async def _listen(host: str | None, port: int, *, backlog: int, reuse_port: bool) -> socket.socket:
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=backlog, reuse_port=reuse_port, dualstack_ipv6=True
        )
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, address = found[0]
    return socket.create_server(address[:2], family=family, backlog=backlog, reuse_port=reuse_port)


class _Listener:
    """Accepts by hand: a server of the event loop makes the TLS layer before anybody can say no to a connection."""

    def __init__(
        self, listening: socket.socket, accepted: Callable[[socket.socket], Coroutine[Any, Any, None] | None]
    ) -> None:
        listening.setblocking(False)
        self.port: int = listening.getsockname()[1]
        self._accepted = accepted
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.get_running_loop().create_task(self._accept(listening))

    async def close(self) -> None:
        """Stop listening. Whoever is still in the handshake has asked nothing yet and is let go."""
        tasks = (self._accepting, *self._handshakes)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listening:
            while True:
                try:
                    sock, _ = await loop.sock_accept(listening)
                except OSError:  # out of descriptors, or the caller has gone already
                    await asyncio.sleep(ACCEPT_AGAIN)
                    continue
                if work := self._accepted(sock):
                    handshake = loop.create_task(work)
                    self._handshakes.add(handshake)
                    handshake.add_done_callback(self._handshakes.discard)
                else:
                    sock.close()


class _Guard(asyncio.Protocol):
    """Stands before the framework's handler on one connection and watches that request headers arrive in time.

    It looks at two counters of the handler that are not public: only the parser knows whether bytes completed a header
    or belong to a body.
    """

    def __init__(self, handler: RequestHandler, connections: Connections, peer: str) -> None:
        self.peer = peer
        self.begun = False
        self._handler = handler
        self._connections = connections
        self._transport: asyncio.WriteTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._header_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.begun = True
        self._transport = cast(asyncio.WriteTransport, transport)
        self._expect_header(self._connections.limits.first_header)
        self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self.peer)
        self._header_done()
        self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        handler = self._handler
        before, waiting = handler._request_count, handler._waiter is not None or not handler._request_count
        handler.data_received(data)
        if handler._request_count > before:
            self._header_done()
        elif waiting and not self._header_begun:
            self._header_begun = True
            self._expect_header(self._connections.limits.header)

    def eof_received(self) -> None:
        self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def _expect_header(self, limit: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(limit, self._header_late)

    def _header_done(self) -> None:
        self._header_begun = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _header_late(self) -> None:
        self._timer = None
        self._connections.headers_late += 1
        if self._transport is not None:
            self._transport.abort()


def _peer(sock: socket.socket) -> str:
    try:
        return str(sock.getpeername()[0])
    except OSError:  # gone again
        return ""
