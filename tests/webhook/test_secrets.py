"""Nothing of a Secret leaves the server: not in an answer, not in a log, not on a page."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.draws import drawn
from tests.webhook.reviews import (
    CLUSTER,
    Object,
    dump,
    module,
    named,
    review,
)
from tests.webhook.server import Reply, Webhook, answer_to, serving, statuses

HEAD = b"POST /validate?timeout=1s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


MARK = "S3cr3t-Mark"
MARKED = st.sampled_from([
    MARK, base64.b64encode(MARK.encode()).decode(), f"{MARK}\n", [MARK], {"a": MARK}, f'"{MARK}', f"-----BEGIN PRIVATE KEY-----{MARK}",
])  # fmt: skip

WORDS = (MARK, base64.b64encode(MARK.encode()).decode().rstrip("="))


def written_by(server: Webhook, reply: Reply | bytes) -> str:
    """Everything that a server has let out: to the caller, its logs, its other port."""
    files = (server.audit, server.stderr, server.stdout)
    pages = (server.operations(path)[1] for path in ("/metrics", "/readyz", "/healthz"))
    answer = reply if isinstance(reply, bytes) else reply.body + repr(reply.headers).encode()
    return "\n".join([answer.decode(errors="replace"), *(file.read_text() for file in files), *pages])


@pytest.fixture(scope="module")
def discreet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """A server that knows Secrets with marked values."""
    known = named("Secret", "pull", "drivers", data={".dockerconfigjson": base64.b64encode(MARK.encode()).decode()})
    lists = [part | {"items": [known]} if part["kind"] == "SecretList" else part for part in CLUSTER]
    with serving(tmp_path_factory.mktemp("discreet"), facts=dump(*lists)) as server:
        yield server


SPOILT = {
    "as it is": lambda body: body,
    "nested too deep": lambda body: body.replace(b'"SPOIL"', b"[" * 1500 + b"]" * 1500),
    "not a number": lambda body: body.replace(b'"SPOIL"', b"NaN"),
    "a lone surrogate": lambda body: body.replace(b'"SPOIL"', rb'"\ud800"'),
    "cut off": lambda body: body[:-40],
    "two in one": lambda body: body + body,
}


@settings(max_examples=drawn(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_of_a_secret_is_ever_let_out(discreet: Webhook, data: st.DataObject) -> None:
    secret: Object = named("Secret", data.draw(st.sampled_from(["pull", "spare"])), "drivers", SPOIL="SPOIL")
    for place in data.draw(st.sets(st.sampled_from(["data", "stringData", "type", "immutable"]), min_size=1)):
        secret[place] = data.draw(
            st.dictionaries(st.sampled_from(["key", "cert", "tls.key"]), MARKED, min_size=1) | MARKED
        )
    secret["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(secret)}
    if data.draw(st.booleans()):
        secret["data"] = {"large": MARK + "x" * 300_000}
    operation = data.draw(st.sampled_from(["CREATE", "UPDATE", "DELETE"]))
    new, old = (None if operation == "DELETE" else secret), (None if operation == "CREATE" else secret)
    spoil = SPOILT[data.draw(st.sampled_from(sorted(SPOILT)))]
    body = spoil(json.dumps(review(operation, "Secret", new, old)).encode())
    path = data.draw(st.sampled_from(["/validate", "/mutate", "/elsewhere"]))
    reply = discreet.post(body, path)
    assert not any(word in written_by(discreet, reply) for word in WORDS)


LYING = [
    "Content-Length: 40",
    "Content-Length: 0",
    "Content-Encoding: gzip",
    "Content-Length: 99999999",
    "Content-Type: text/plain",
]


@pytest.mark.parametrize("header", LYING)
def test_no_value_of_a_secret_is_let_out_where_the_headers_are_wrong(discreet: Webhook, header: str) -> None:
    body = json.dumps(review("CREATE", "Secret", named("Secret", "a", "drivers", stringData={"key": MARK}))).encode()
    padding = f"\r\n\r\n{MARK} /{MARK} HTTP/1.1\r\n{MARK}\r\n\r\n".encode()
    with discreet.secure_socket() as connection:
        found = answer_to(connection, HEAD + header.encode() + b"\r\n\r\n" + body + padding)
    assert statuses(found)
    assert not any(word in written_by(discreet, found) for word in WORDS)


def test_what_is_known_of_a_secret_is_not_quoted(discreet: Webhook) -> None:
    sign = {"filesToSign": ["/opt/a.ko"], "keySecret": {"name": "pull"}, "certSecret": {"name": "pull"}}
    reply = discreet.post(review("CREATE", "Module", module(sign=sign)))
    assert "SGN301" in reply.rules("warned-by")
    assert not any(word in written_by(discreet, reply) for word in WORDS)
