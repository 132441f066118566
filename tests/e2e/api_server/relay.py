"""A wire between a client and the API server that a test can cut."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self

_CHUNK = 65536


class Relay:
    """Passes connections to 127.0.0.1:PORT on, as they are: TLS is between the client and the API server.

    `control_plane.kubeconfig(user, url=relay.url)` sends a client through it.
    """

    def __init__(self, target: int) -> None:
        """Nobody is served before `with`."""
        self._target = target
        self._flowing = threading.Event()
        self._flowing.set()
        self._joined = True
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.port: int = self._server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Close all connections, and every new one at once, until `join`."""
        with self._lock:
            self._joined = False
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Pass new connections on again after `cut`."""
        with self._lock:
            self._joined = True

    def stall(self) -> None:
        """Keep all connections, and let nothing through, until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let through what has waited since `stall`, and what comes."""
        self._flowing.set()

    def serve(self, client: socket.socket) -> None:
        """Pass one connection on until one of its ends is closed."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server:
            ends = {client, server}
            with self._lock:
                if not self._joined:
                    return
                self._open |= ends
            back = threading.Thread(target=self._pump, args=(server, client))
            back.start()
            self._pump(client, server)
            back.join()
            with self._lock:
                self._open -= ends

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flowing.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cut()
        self.flow()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = False

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.relay.serve(self.request)
