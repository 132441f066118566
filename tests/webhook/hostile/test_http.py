"""What is no HTTP."""

from __future__ import annotations

import json
import random

import pytest

from tests.webhook.hostile.sending import HEAD
from tests.webhook.reviews import module, review
from tests.webhook.server import Webhook, answer_to, statuses

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

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
    "a length with a sign": HEAD + b"Content-Length: +2\r\n\r\n{}",
    "a length in hex": HEAD + b"Content-Length: 0x2\r\n\r\n{}",
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length in other digits": HEAD + "Content-Length: \u0662\r\n\r\n{}".encode(),
    "a length of forty digits": HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "chunks twice": HEAD + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "chunks that are not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "five thousand trailers": HEAD + CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    "lines without a carriage return": HEAD.replace(b"\r", b"") + b"Content-Length: 2\n\n{}",
    "two types of the body": HEAD + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
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
