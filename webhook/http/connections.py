"""Connections of the TLS listener: how many there are, and how long one may take for each thing it does.

The framework lets half a request header stand as long as an idle connection, waits for ever for a caller to read its
reply, and at its end drops what has just connected. Here each wait is short. An idle connection may stay for longer
than the API server keeps one (90 s): were the server the first to close, a call just sent on it would be lost, and a
POST is not tried again.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from kmodgate.webhook.telemetry.metrics import Metrics

_LOOK_AGAIN = 0.02
_FAREWELL = 0.5
"""Seconds that callers have at the end to take what is on its way and to close their side."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one listener; times in seconds.

    `per_peer` counts by address. It is large, because a proxy in front may show one address for every API server.
    `header` runs from the first byte of a request; `first_header` from the handshake to the end of the first header.
    That is longer than the 90 s for which the API server keeps a connection that it opened and then had no use for.
    `reading` is how long a caller may take no byte of a reply that has outgrown its buffers. At the end of listening,
    `asking` is how long those may still ask who have asked nothing yet; `grace` bounds the whole end.
    """

    total: int = 512
    per_peer: int = 256
    handshake: float = 5.0
    first_header: float = 100.0
    header: float = 10.0
    idle: float = 180.0
    lingering: float = 2.0
    reading: float = 30.0
    asking: float = 2.0
    grace: float = 30.0


PROBES = ConnectionLimits(
    total=64, per_peer=64, first_header=10.0, header=5.0, idle=75.0, lingering=1.0, reading=10.0, asking=0.1, grace=1.0
)
"""Of the plain listener: a kubelet and some Prometheus servers need a few connections."""


def runner_options(limits: ConnectionLimits) -> dict[str, Any]:
    """Arguments of `web.AppRunner` that go with the limits; a compressed body is refused, so none is ever unpacked."""
    return {
        "keepalive_timeout": limits.idle,
        "lingering_time": limits.lingering,
        "auto_decompress": False,
        "access_log": None,
    }


class Connections:
    """The connections of one listener, and how many there are: `open` now; since start, refused, failed in the
    handshake, closed for a late header, closed for a reply that was not read, closed for another one's place.
    """

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        self.open = 0
        self.refused = 0
        self.handshakes_failed = 0
        self.headers_late = 0
        self.replies_unread = 0
        self.places_taken = 0
        self.members: set[Guard] = set()
        """All connections, those in the handshake included; `guards` are those after it."""
        self.guards: set[Guard] = set()
        self._peers: Counter[str] = Counter()

    def expose(self, metrics: Metrics) -> None:
        """Show the counts as metrics."""
        metrics.connections.read(lambda: self.open)
        metrics.connections_refused.read(lambda: self.refused)
        metrics.connections_failed.read(lambda: self.handshakes_failed, "handshake")
        metrics.connections_failed.read(lambda: self.headers_late, "header")
        metrics.connections_failed.read(lambda: self.replies_unread, "reply")
        metrics.connections_failed.read(lambda: self.places_taken, "place")

    def enter(self, peer: str) -> bool:
        """Count one more connection of `peer`; False where there is no room for it."""
        if self._peers[peer] >= self.limits.per_peer:
            has_room = self._make_room(peer)
        else:
            has_room = self.open < self.limits.total or self._make_room(max(self._peers, key=self._peers.__getitem__))
        if not has_room:
            self.refused += 1
            return False
        self.open += 1
        self._peers[peer] += 1
        return True

    def leave(self, guard: Guard) -> None:
        """A connection has ended, or its place is given away: that counts once."""
        if not guard.has_place:
            return
        guard.has_place = False
        self.members.discard(guard)
        self.open -= 1
        self._peers[guard.peer] -= 1
        if not self._peers[guard.peer]:
            del self._peers[guard.peer]

    def _make_room(self, peer: str) -> bool:
        """End the connection of an address that has been silent longest, unless it waits for an answer.

        Those that have asked nothing in full go first: who opens connections and stops keeps nobody out.
        """
        found = [guard for guard in self.members if guard.peer == peer and not guard.is_answered]
        if not found:
            return False
        victim = min(found, key=lambda guard: (guard.is_idle, guard.heard))
        self.places_taken += 1
        self.leave(victim)
        victim.abort()
        return True

    async def finish(self) -> None:
        """Wait until all that was asked is answered, and close.

        Who has asked nothing yet may do so for a short while: the caller's request and the end cross on their way.
        """
        now = asyncio.get_running_loop().time
        until = now() + self.limits.asking
        while any(guard.is_busy or (guard.is_fresh and now() < until) for guard in self.guards):
            await asyncio.sleep(_LOOK_AGAIN)
        for guard in tuple(self.guards):
            guard.close()
        until = now() + _FAREWELL
        while self.guards and now() < until:
            await asyncio.sleep(_LOOK_AGAIN)

    def cut(self) -> None:
        """End all connections at once, whatever is on its way."""
        for guard in tuple(self.guards):
            guard.abort()


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


class Guard(asyncio.Protocol):
    """Stands before the framework's handler on one connection and watches that the caller writes and reads in time.

    It looks at what of the handler is not public: only the parser knows whether bytes completed a header or belong to a
    body, and only the handler whether it waits for a request.
    """

    def __init__(self, handler: RequestHandler, connections: Connections, peer: str) -> None:
        self.peer = peer
        self.begun = False
        self.has_place = True
        self.heard = asyncio.get_running_loop().time()
        self.socket: socket.socket | None = None
        """Of the handshake, before there is a transport."""
        connections.members.add(self)
        self._handler = handler
        self._connections = connections
        self._transport: asyncio.WriteTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._header_begun = False

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was asked yet."""
        return not self._handler._request_count

    @property
    def is_busy(self) -> bool:
        """Whether a request is arriving or being answered, or its reply not sent yet."""
        if self._transport is not None and self._transport.is_closing():
            return self._transport.get_write_buffer_size() > 0
        waiter = self._handler._waiter
        return waiter is None or waiter.done() or self._header_begun

    @property
    def is_idle(self) -> bool:
        """Whether it has asked something, was answered, and asks nothing now."""
        return not self.is_fresh and not self.is_busy

    @property
    def is_answered(self) -> bool:
        """Whether a request has arrived in full and its reply is not sent yet."""
        if not self.begun or self.is_fresh or self._header_begun or not self.is_busy:
            return False
        if (request := self._handler._current_request) is not None:
            return request.content.is_eof()
        return all(body.is_eof() for _, body in self._handler._messages)  # taken up in the next turn of the loop

    def close(self) -> None:
        """End the connection when what was written is sent."""
        self._handler.force_close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.begun = True
        self.socket = None
        self._transport = cast(asyncio.WriteTransport, transport)
        self._connections.guards.add(self)
        self._expect_header(self._connections.limits.first_header)
        self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self)
        self._connections.guards.discard(self)
        self._header_done()
        self._read_on()
        self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        handler = self._handler
        self.heard = asyncio.get_running_loop().time()
        before, waiter = handler._request_count, handler._waiter
        # a waiter that is done has a request that nobody has taken up yet: what follows is that one's body
        waiting = not before or (waiter is not None and not waiter.done())
        handler.data_received(data)
        if handler._request_count > before:
            self._header_done()
        elif waiting and not self._header_begun:
            self._header_begun = True
            self._expect_header(self._connections.limits.header)

    def eof_received(self) -> None:
        self._handler.eof_received()

    def pause_writing(self) -> None:
        self._unread = asyncio.get_running_loop().call_later(self._connections.limits.reading, self._reply_unread)
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._read_on()
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
        self.abort()

    def _read_on(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _reply_unread(self) -> None:
        self._unread = None
        self._connections.replies_unread += 1
        self.abort()
