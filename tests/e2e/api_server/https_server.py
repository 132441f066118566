"""A server over TLS on loopback, for the webhooks that tests put beside ours."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.e2e.api_server.certificates import Authority


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], authority: Authority, name: str) -> Iterator[int]:
    """The port of a server with a certificate for `name`, which answers as the handler does."""
    pair = authority.issue(name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
