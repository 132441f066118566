"""Connections above the cap, and callers that trickle."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
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
from kmodgate.webhook.http.limits import Gate
from kmodgate.webhook.telemetry.audit_log import AuditLog
from kmodgate.webhook.telemetry.metrics import Metrics
from tests.e2e.waiting import eventually
from tests.modules import TRAITS
from tests.webhook.hostile.sending import HEAD
from tests.webhook.issued_certificates import leaf, write
from tests.webhook.reviews import broken_module, module, review
from tests.webhook.server import serving
from tests.webhook.serving import Conversation, run
from tests.webhook.serving import serving as serving_here

pytestmark = pytest.mark.timing


def test_a_connection_above_the_cap_is_closed_and_the_others_go_on(tmp_path: Path) -> None:
    with serving(tmp_path, "--max-connections", "4") as server, server.caller() as caller:
        assert caller.post(review("CREATE", "Module", module())).status == 200
        held = [server.secure_socket() for _ in range(3)]
        with server.plain_socket() as one_more:
            assert one_more.recv(1) == b""
        assert caller.post(review("CREATE", "Module", module())).status == 200
        assert server.metric("kmodgate_connections_refused") >= 1
        for connection in held:
            connection.close()
        eventually(lambda: server.metric("kmodgate_connections") == 1, "the connections are free again")
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
