"""Connections above the cap, and callers that trickle."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.config import Policy
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.certificates.client_certificates import ClientAuth
from kmodgate.webhook.certificates.served_certificate import Certificates
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from kmodgate.webhook.http.app import Reviews
from kmodgate.webhook.http.connections import ConnectionLimits
from kmodgate.webhook.http.descriptors import raise_limit
from kmodgate.webhook.http.limits import Gate
from kmodgate.webhook.telemetry.audit_log import AuditLog
from kmodgate.webhook.telemetry.metrics import Metrics
from tests.e2e.waiting import eventually
from tests.objects.modules import TRAITS
from tests.webhook.hostile.sending import HEAD
from tests.webhook.issued_certificates import leaf, write
from tests.webhook.reviews import broken_module, module, review
from tests.webhook.server import TRUSTING, Webhook, answer_to, serving, statuses
from tests.webhook.serving import Conversation, run
from tests.webhook.serving import serving as serving_here

pytestmark = pytest.mark.timing


def test_connections_above_the_cap_take_the_places_of_those_that_ask_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, "--max-connections", "16") as server, server.caller() as caller:
        assert caller.post(review("CREATE", "Module", module())).status == 200
        held = [server.secure_socket() for _ in range(30)]
        assert caller.post(review("CREATE", "Module", module())).status == 200
        assert server.post(review("CREATE", "Module", module())).status == 200
        assert server.metric('kmodgate_connections_failed_total{reason="place"}') >= 14
        assert server.metric("kmodgate_connections") <= 16
        for connection in held:
            connection.close()
        eventually(lambda: server.metric("kmodgate_connections") == 1, "the connections are free again")


HALF = HEAD.replace(b"timeout=10s", b"timeout=30s") + b"Content-Length: 1000\r\n\r\n{"


def half_sent(server: Webhook, address: str) -> ssl.SSLSocket:
    """A connection from an address of loopback that sends half a body, and then nothing."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=120, source_address=(address, 0))
    secured = TRUSTING.wrap_socket(connection, server_hostname="localhost")
    secured.sendall(HALF)
    return secured


def answered_from(server: Webhook, address: str) -> int:
    """The status of a complete review from an address."""
    body = json.dumps(review("CREATE", "Module", module())).encode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=120, source_address=(address, 0))
    with TRUSTING.wrap_socket(connection, server_hostname="localhost") as secured:
        (status,) = statuses(
            answer_to(secured, HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        )
    return status


@pytest.mark.parametrize("addresses", [1, 5])
def test_reviews_are_answered_beside_three_hundred_that_stop_in_the_middle(tmp_path: Path, addresses: int) -> None:
    raise_limit()
    theirs = [f"127.0.0.{number}" for number in range(2, 2 + addresses)]
    with serving(tmp_path) as server, ExitStack() as attack:
        for number in range(300):
            attack.enter_context(half_sent(server, theirs[number % addresses]))
        eventually(lambda: server.metric("kmodgate_bodies_arriving") >= 200, "the bodies do not arrive")
        for address in ("127.0.0.1", *theirs, "127.0.0.1"):
            assert answered_from(server, address) == 200, address
        assert server.metric('kmodgate_requests_refused_total{code="429"}') == 0
        assert server.metric("kmodgate_reviews_in_flight") == 0


def test_probes_are_answered_beside_eleven_hundred_idle_connections_on_their_port(tmp_path: Path) -> None:
    raise_limit()
    with serving(tmp_path) as server, ExitStack() as attack:
        for _ in range(1100):
            idle = socket.create_connection(("127.0.0.1", server.operations_port), timeout=120)
            attack.enter_context(idle)
        assert server.operations("/healthz") == (200, "ok\n")
        assert server.operations("/readyz")[0] in (200, 503)
        assert server.metric("process_open_fds") < 300
        assert server.post(review("CREATE", "Module", module())).status == 200


def test_a_low_limit_of_open_files_leaves_some_for_the_probes(tmp_path: Path) -> None:
    command = ("sh", "-c", 'ulimit -n 256 && exec "$@"', "sh", sys.executable, "-m", "kmodgate.webhook.start")
    with serving(tmp_path, command=command) as server, ExitStack() as attack:
        assert server.event("fewer connections than asked for: the limit of open files is low")["connections"] == 64
        for _ in range(150):
            attack.enter_context(server.plain_socket())
        assert server.operations("/healthz") == (200, "ok\n")
        assert server.post(review("CREATE", "Module", module())).status == 200


def test_a_review_is_answered_beside_callers_that_trickle(tmp_path: Path) -> None:
    """Short limits, and so in this process: whoever sends half a header is closed, and nobody else notices."""
    certificates = Certificates(ClientAuth("off", None, frozenset()))
    certificates.take(write(tmp_path, leaf()).read())
    admitter = Admitter(Policy(), TRAITS)
    reviews = Reviews(admitter, SnapshotCluster(Dump()), Gate(), Metrics(), AuditLog(""))
    asked = json.dumps(review("CREATE", "Module", broken_module())).encode()
    headers = ("Content-Type: application/json", f"Content-Length: {len(asked)}")

    async def trickle(conversation: Conversation) -> None:
        with suppress(ConnectionError):
            for byte in HEAD * 1000:
                conversation.writer.write(bytes((byte,)))
                await conversation.writer.drain()
                await asyncio.sleep(0.02)

    async def test() -> None:
        limits = ConnectionLimits(header=0.3, first_header=0.5)
        async with serving_here(certificates, reviews.handle, limits) as server:
            slow = [await server.connect() for _ in range(20)]
            tasks = [asyncio.create_task(trickle(conversation)) for conversation in slow]
            caller = await server.connect()
            while server.connections.open > 1:
                status, _ = await caller.ask("POST /validate HTTP/1.1", *headers, body=asked)
                assert status == 200
                await asyncio.sleep(0.02)
            assert server.connections.headers_late == 20
            await asyncio.gather(*tasks)
            await caller.leave()

    run(test())
