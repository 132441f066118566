"""Bodies that are encoded, in chunks, too large or too slow."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import pytest

from tests.webhook.hostile.sending import HEAD, MIB, chunked, posted
from tests.webhook.reviews import broken_module, module, review, uid
from tests.webhook.server import Webhook, answer_to, serving, statuses

pytestmark = pytest.mark.timing

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


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_the_caller_waits(target: Webhook) -> None:
    head = HEAD.replace(b"timeout=10s", b"timeout=1s") + b"Content-Length: 1000\r\n\r\n{"
    with target.secure_socket() as connection:
        assert statuses(answer_to(connection, head)) == [408]


def test_a_body_that_is_announced_is_asked_for(target: Webhook) -> None:
    asked = review("CREATE", "Module", broken_module())
    body = json.dumps(asked).encode()
    head = HEAD + b"Expect: 100-Continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with target.secure_socket() as connection:
        connection.sendall(head)
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        answer = answer_to(connection, body)
    assert statuses(answer) == [200]
    assert uid(asked).encode() in answer


EXPECTING = HEAD + b"Expect: 100-continue\r\n"

NOT_READ = {
    "too large": (EXPECTING + b"Content-Length: %d\r\n\r\n" % (9 * MIB), 413),
    "encoded": (EXPECTING + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", 415),
    "to another path": (EXPECTING.replace(b"/validate", b"/other") + b"Content-Length: 9\r\n\r\n", 404),
    "of another type": (EXPECTING.replace(b"/json", b"/xml") + b"Content-Length: 9\r\n\r\n", 415),
}


@pytest.mark.parametrize(("sent", "status"), NOT_READ.values(), ids=NOT_READ.keys())
def test_a_body_that_is_announced_and_will_not_be_read_is_not_asked_for(
    target: Webhook, sent: bytes, status: int
) -> None:
    with target.secure_socket() as connection:
        assert statuses(answer_to(connection, sent)) == [status]


def test_a_body_that_is_announced_and_finds_no_room_ends_the_connection(tmp_path: Path) -> None:
    sent = EXPECTING + b"Content-Length: %d\r\n\r\n" % (2 * MIB)
    with serving(tmp_path, "--max-megabytes", "1") as server, server.secure_socket() as connection:
        answer = answer_to(connection, sent)
        assert statuses(answer) == [429]
        assert b"Connection: close" in answer
