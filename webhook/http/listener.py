"""The listeners: a connection is counted before it costs anything, and its handshake takes a short time or fails.

The framework's own listener makes a TLS layer for whoever connects, and waits a minute for the handshake.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from aiohttp import web

from kmodgate.webhook.http.connections import Connections, Guard

ACCEPT_AGAIN = 0.1
"""Seconds to wait after a connection could not be accepted."""


class LimitedSite(web.BaseSite):
    """A site of an `AppRunner` within the limits of `connections`, over TLS where there is a `context`.

    `host` is a name or an address; without one it listens on every address of both families.
    """

    __slots__ = ("_address", "_connections", "_context", "_listener", "_reuse_port")

    def __init__(
        self,
        runner: web.BaseRunner,
        host: str | None,
        port: int,
        *,
        context: ssl.SSLContext | None,
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
        return f"http{'s' if self._context else ''}://{self._address[0] or '[::]'}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises OSError where the address cannot be had."""
        await super().start()
        listening = await _listen(*self._address, backlog=self._backlog, reuse_port=self._reuse_port)
        self._listener = _Listener(listening, self._accepted)

    async def stop(self) -> None:
        """Stop listening, answer what was asked, and end all connections: at the latest after `grace`, or cancelled."""
        await super().stop()
        if self._listener is None:
            return
        try:
            async with asyncio.timeout(self._connections.limits.grace):
                await self._listener.close()
                await self._connections.finish()
        except TimeoutError:
            pass
        finally:
            self._connections.cut()

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
        return self._secure(sock, Guard(server(), self._connections, peer))

    async def _secure(self, sock: socket.socket, guard: Guard) -> None:
        loop, limits = asyncio.get_running_loop(), self._connections.limits
        if not guard.has_place:  # it was taken at once
            sock.close()
            return
        guard.socket = sock
        secure: dict[str, Any] = {}
        if self._context is not None:
            secure = {
                "ssl": self._context,
                "ssl_handshake_timeout": limits.handshake,
                "ssl_shutdown_timeout": limits.reading,
            }
        try:
            await loop.connect_accepted_socket(lambda: guard, sock, **secure)
        except OSError:  # TLS errors, resets and time-outs are kinds of it
            self._connections.handshakes_failed += 1
        finally:
            if not guard.begun:
                self._connections.leave(guard)


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
        self._listening = listening
        self._accepted = accepted
        self._handshakes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._listen()

    async def close(self) -> None:
        """Take whom the kernel has let in already, stop listening, and wait for those in the handshake."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        with self._listening, suppress(OSError):
            while self._take():
                pass
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _listen(self) -> None:
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        try:
            self._take()
        except OSError:  # out of descriptors
            self._loop.remove_reader(self._listening)
            self._pause = self._loop.call_later(ACCEPT_AGAIN, self._listen)

    def _take(self) -> bool:
        """Accept one connection; False where none waits. Raises OSError."""
        try:
            sock, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):  # the caller has gone already
            return False
        sock.setblocking(False)
        if work := self._accepted(sock):
            handshake = self._loop.create_task(work)
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)
        else:
            sock.close()
        return True


def _peer(sock: socket.socket) -> str:
    try:
        return str(sock.getpeername()[0])
    except OSError:  # gone again
        return ""
