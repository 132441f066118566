"""What is no TLS, or ends in the middle of it."""

from __future__ import annotations

import json
import random
import socket
import ssl
import struct
from contextlib import suppress

import pytest

from tests.webhook.hostile.sending import HEAD
from tests.webhook.reviews import module, review
from tests.webhook.server import Webhook

pytestmark = pytest.mark.timing

HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(32)

NO_TLS = {
    "nothing": b"",
    "a byte": b"\x16",
    "half a ClientHello": HELLO,
    "a ClientHello that announces 16 MiB": b"\x16\x03\x01\xff\xff\x01\xff\xff\xff\x03\x03" + bytes(60_000),
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "plain HTTP": HEAD + b"\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "zeros": bytes(4096),
    "noise": random.Random(1).randbytes(4096),
    "SSL 2": b"\x80\x2e\x01\x00\x02" + bytes(44),
}  # fmt: skip


@pytest.mark.parametrize("sent", NO_TLS.values(), ids=NO_TLS.keys())
def test_what_is_no_handshake_is_let_go(target: Webhook, sent: bytes) -> None:
    with target.plain_socket() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while connection.recv(65536):
                pass


@pytest.mark.parametrize("kept", [1, 40, 400])
def test_a_request_that_breaks_off_in_the_middle_of_tls_is_let_go(target: Webhook, kept: int) -> None:
    body = json.dumps(review("CREATE", "Module", module())).encode()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    secure = context.wrap_bio(incoming, outgoing)
    with target.plain_socket() as connection:
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        secure.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        connection.sendall(outgoing.read()[:kept])


def test_a_connection_that_is_reset_is_let_go(target: Webhook) -> None:
    connection = target.secure_socket()
    connection.sendall(HEAD + b"Content-Length: 100\r\n\r\nhalf")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
