"""What strangers send, to a server that runs: whatever it was, the next review is answered."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import signal
import socket
import ssl
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.config import Policy
from policy.dump import Dump
from policy.engine import MOST_FINDINGS
from policy.kmm.versions import Release
from tests.e2e.waiting import eventually
from tests.webhook.certificates import leaf, write
from tests.webhook.reviews import (
    CLUSTER,
    Object,
    broken_module,
    dump,
    module,
    review,
    uid,
)
from tests.webhook.server import Webhook, answer_to, serving, statuses
from tests.webhook.serving import Conversation, run
from tests.webhook.serving import serving as serving_here
from webhook.admit import Admitter
from webhook.app import Reviews
from webhook.audit import AuditLog
from webhook.clients import ClientAuth
from webhook.connections import ConnectionLimits
from webhook.decide import decide
from webhook.limits import Gate
from webhook.live import SnapshotCluster
from webhook.metrics import Metrics
from webhook.tls import Certificates

MIB = 1 << 20

HEAD = b"POST /validate?timeout=10s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """The server that all of this is sent to."""
    with serving(tmp_path_factory.mktemp("target"), facts=dump(*CLUSTER)) as server:
        yield server
        assert server.metric("kmodgate_internal_errors_total") == 0
        assert [event for event in server.events() if event["level"] == "error"] == []
        assert "Traceback" not in server.stderr.read_text()


@pytest.fixture(autouse=True)
def lives(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test the server answers; at their end it has to have answered without a bug, and told of no error."""
    yield
    if "target" not in request.fixturenames:
        return
    server: Webhook = request.getfixturevalue("target")
    asked = review("CREATE", "Module", broken_module())
    reply = server.post(asked)
    assert (reply.response["uid"], reply.code) == (uid(asked), 422)
    assert server.operations("/healthz") == (200, "ok\n")


# --- what is no TLS ---


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


# --- what is no HTTP ---


NO_HTTP = {
    "noise": random.Random(2).randbytes(2048) + b"\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "a version to come": b"POST /validate HTTP/9.9\r\n\r\n",
    "no version": b"POST /validate\r\n\r\n",
    "a header line without an end": HEAD + b"X: " + b"a" * 40_000 + b"\r\n\r\n",
    "a thousand headers": HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(1000)) + b"\r\n",
    "a very long address": b"POST /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "a length that is none": HEAD + b"Content-Length: ten\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}{}",
    "a length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown transfer": HEAD + b"Transfer-Encoding: bogus\r\n\r\n{}",
    "a NUL in a header": HEAD + b"X: a\x00b\r\n\r\n",
    "a folded header": HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a name with a space": HEAD + b"Content-Length : 0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP.keys())
def test_what_is_no_http_is_a_bad_request_and_ends_the_connection(target: Webhook, sent: bytes) -> None:
    with target.secure_socket() as connection:
        assert all(400 <= status < 500 for status in statuses(answer_to(connection, sent)) or [0])


def test_a_second_request_behind_a_bad_first_one_is_not_answered(target: Webhook) -> None:
    body = json.dumps(review("CREATE", "Module", module())).encode()
    inner = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    outer = HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner
    with target.secure_socket() as connection:
        assert statuses(answer_to(connection, outer)) == [400]


# --- bodies ---


def posted(target: Webhook, *headers: str, body: bytes) -> bytes:
    """The answer to a body with such headers, on a connection that is to end after it."""
    lines = "".join(f"{header}\r\n" for header in (*headers, "Connection: close")).encode()
    with target.secure_socket() as connection:
        return answer_to(connection, HEAD + lines + b"\r\n" + body)


ENCODED = {
    "gzip": gzip.compress(b'{"a": 1}'),
    "deflate": zlib.compress(b'{"a": 1}'),
    "br": b"\x0b\x02\x80\x03",
    "zstd": b"\x28\xb5\x2f\xfd",
    "identity": b"{}",
    "gzip, gzip": gzip.compress(gzip.compress(b"{}")),
    "GZIP": gzip.compress(bytes(50 * MIB)),
    "": b"{}",
}


@pytest.mark.parametrize(("encoding", "body"), ENCODED.items(), ids=[name or "none" for name in ENCODED])
def test_an_encoded_body_is_not_looked_at(target: Webhook, encoding: str, body: bytes) -> None:
    found = posted(target, f"Content-Encoding: {encoding}", f"Content-Length: {len(body)}", body=body)
    assert statuses(found) == [415]


def chunked(body: bytes, size: int) -> bytes:
    parts = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_body_in_chunks_is_read(target: Webhook, size: int) -> None:
    asked = review("CREATE", "Module", broken_module())
    found = posted(target, "Transfer-Encoding: chunked", body=chunked(json.dumps(asked).encode(), size))
    assert statuses(found) == [200]
    assert uid(asked).encode() in found


@pytest.mark.parametrize(
    "body", [b"zz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"f" * 40 + b"\r\n", b"2\r\n{}XX0\r\n\r\n"]
)
def test_chunks_of_no_size_are_a_bad_request(target: Webhook, body: bytes) -> None:
    assert statuses(posted(target, "Transfer-Encoding: chunked", body=body)) == [400]


def test_a_body_above_the_limit_is_refused_by_its_length(target: Webhook) -> None:
    found = posted(target, f"Content-Length: {9 * MIB}", body=b"")
    assert statuses(found) == [413]


def test_a_body_above_the_limit_is_refused_while_it_arrives(target: Webhook) -> None:
    refused = 'kmodgate_requests_refused_total{code="413"}'
    before = target.metric(refused)
    posted(target, "Transfer-Encoding: chunked", body=chunked(b" " * (9 * MIB), MIB))
    assert target.metric(refused) == before + 1  # the answer itself may be lost where both sides write


def test_two_objects_of_the_largest_size_are_judged(target: Webhook) -> None:
    old, new = module(), broken_module()
    for item in (old, new):
        item["metadata"]["annotations"] = {"a": "x" * (3 * MIB)}
    asked = review("UPDATE", "Module", new, old)
    reply = target.post(asked, timeout="30s")
    assert (reply.response["uid"], reply.code) == (uid(asked), 422)


@pytest.mark.parametrize("mappings", [2_000, 20_000])
def test_more_mappings_than_the_policy_allows_are_refused_and_not_compiled(target: Webhook, mappings: int) -> None:
    items = [{"regexp": f"^a{number}(b|c)*$", "containerImage": ""} for number in range(mappings)]
    reply = target.post(review("CREATE", "Module", module(kernelMappings=items)), timeout="30s")
    assert reply.code == 422


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_the_caller_waits(target: Webhook) -> None:
    head = HEAD.replace(b"timeout=10s", b"timeout=1s") + b"Content-Length: 1000\r\n\r\n{"
    with target.secure_socket() as connection:
        assert statuses(answer_to(connection, head)) == [408]


REVIEW = json.dumps(review("UPDATE", "Module", broken_module(), module())).encode()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_review_with_bytes_exchanged_is_answered(target: Webhook, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(REVIEW) - 1))
    end = data.draw(st.integers(start, min(start + 40, len(REVIEW))))
    put = data.draw(
        st.binary(max_size=20) | st.sampled_from([b"null", b"{}", b"[]", b'""', b"1e999", b"-0", b"[" * 2000])
    )
    reply = target.post(REVIEW[:start] + put + REVIEW[end:], data.draw(st.sampled_from(["/validate", "/mutate"])))
    assert reply.status in (200, 400)
    assert reply.body
    if reply.status == 200:
        assert reply.response["uid"]
        assert reply.allowed or reply.code in (400, 422)


# any JSON, where the API server puts objects
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(["spec", "metadata", "kind", "name"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_object_of_any_kind_is_answered(target: Webhook, data: st.DataObject) -> None:
    kind = data.draw(
        st.sampled_from(["Module", "Pod", "Namespace", "Secret", "RoleBinding", "Deployment", "PreflightValidation"])
    )
    operation = data.draw(st.sampled_from(["CREATE", "UPDATE", "DELETE", "CONNECT"]))
    new, old = (
        data.draw(st.dictionaries(st.sampled_from(["spec", "metadata", "subjects", "data"]), ANY)) for _ in "no"
    )
    subresource = data.draw(st.sampled_from(["", "finalize", "ephemeralcontainers"]))
    asked = review(operation, kind, subResource=subresource, name="a", namespace="apps") | {}
    asked["request"] |= {
        "object": new,
        "oldObject": old,
        data.draw(st.sampled_from(["userInfo", "options", "name"])): data.draw(ANY),
    }
    for path in ("/validate", "/mutate"):
        reply = target.post(asked, path)
        assert reply.response["uid"] == uid(asked)
        assert reply.allowed or reply.code in (400, 403, 422, 503)


# --- connections ---


def test_the_process_for_large_bodies_may_be_lost(tmp_path: Path) -> None:
    with serving(tmp_path, facts=dump(*CLUSTER)) as server:
        item = broken_module()
        item["metadata"]["annotations"] = {"a": "x" * MIB}
        asked = review("CREATE", "Module", item)
        assert server.post(asked).code == 422
        (child,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        assert server.post(asked).code in (422, 500)
        assert server.post(asked).code == 422


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
    admitter = Admitter(Policy(), Release("head"))
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


SIGNING = {"certSecret": {"name": "a"}, "keySecret": {"name": "b"}}
MODULES = ["nic", *(f"m{number}" for number in range(150_000))]

LONG: dict[str, Object] = {
    "modules": {
        "modprobe": {"moduleName": "nic", "modulesLoadingOrder": MODULES, "dirName": "/opt"},
        "sign": SIGNING | {"filesToSign": ["/opt/lib/modules/${KERNEL_FULL_VERSION}/nic.ko"]},
    },
    "files": {"sign": SIGNING | {"filesToSign": [f"/{name}" for name in MODULES]}},
}


@pytest.mark.parametrize("container", LONG.values(), ids=LONG.keys())
def test_a_rule_is_not_asked_for_more_than_anybody_reads(container: Object) -> None:
    admitter = Admitter(Policy(), Release("head"))
    body = json.dumps(review("CREATE", "Module", module(**container))).encode()
    answer = asyncio.run(decide("/validate", body, admitter, SnapshotCluster(Dump()), datetime.now(UTC)))
    counts = Counter(finding.rule for finding in answer.findings)
    assert max(counts.values()) == MOST_FINDINGS + 1  # the last says that there are more
    assert not answer.is_allowed
