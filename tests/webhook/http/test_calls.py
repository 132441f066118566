"""How the webhook is called: addresses and methods of HTTP, the time that a call has, and what becomes of a bug."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import Facts
from kmodgate.policy.config import Policy
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from kmodgate.webhook.http.app import Reviews
from kmodgate.webhook.http.limits import Gate
from kmodgate.webhook.large_bodies.pool import Pool
from kmodgate.webhook.telemetry.audit_log import AuditLog
from kmodgate.webhook.telemetry.metrics import Metrics
from tests.e2e.waiting import eventually
from tests.objects.modules import TRAITS
from tests.webhook.api_stub import ApiStub, failure
from tests.webhook.reviews import (
    LARGE,
    broken_module,
    module,
    namespace,
    padded,
    review,
    uid,
)
from tests.webhook.server import PATHS, Webhook, serving
from tests.webhook.stalling import Held, modules_of, stalled

# --- HTTP ---


ADDRESSES = ["/", "/validate/", "//validate", "/validate/../mutate", "/Validate", "/healthz", "/metrics", "/%76alidate",
             "/validate%2f", "/mutate;a", "*"]  # fmt: skip


@pytest.mark.parametrize("target", ADDRESSES)
def test_nothing_is_ever_redirected(webhook: Webhook, target: str) -> None:
    for method in ("POST", "GET"):
        reply = webhook.send(method, target, b"", {"Content-Type": "application/json", "Host": "metadata.internal"})
        assert 400 <= reply.status < 500
        assert "Location" not in reply.headers
        assert reply.body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_reviews_are_only_posted(webhook: Webhook, path: str, method: str) -> None:
    assert webhook.send(method, path).status == 405


def test_a_method_that_does_not_exist_is_a_bad_request(webhook: Webhook) -> None:
    assert webhook.send("BREW", "/validate").status == 400


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "multipart/form-data",
        "application/jsonx",
        "application/json-patch+json",
        "application/json, text/plain",
    ],
)
def test_a_review_is_json(webhook: Webhook, kind: str) -> None:
    body = json.dumps(review("CREATE", "Module", module())).encode()
    assert webhook.send("POST", "/validate", body, {"Content-Type": kind}).status == 415


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/JSON ;a=b"])
def test_a_content_type_may_name_its_characters_and_is_spelled_in_any_case(webhook: Webhook, kind: str) -> None:
    body = json.dumps(review("CREATE", "Module", module("gpu"))).encode()
    assert webhook.send("POST", "/validate", body, {"Content-Type": kind}).allowed


def test_one_connection_serves_one_review_after_the_other(webhook: Webhook) -> None:
    with webhook.caller() as caller:
        first = caller.connection.sock
        for _ in range(5):
            asked = review("CREATE", "Module", module("gpu"))
            assert caller.post(asked).response["uid"] == uid(asked)
            first = first or caller.connection.sock
            assert caller.connection.sock is first


def test_http_1_1_is_spoken_to_a_caller_that_would_take_http_2(webhook: Webhook) -> None:
    context = ssl.create_default_context(cadata=None)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(webhook.plain_socket()) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"


# --- time ---


@pytest.mark.timing
@pytest.mark.parametrize("size", [0, LARGE], ids=["small", "large"])
def test_a_cluster_that_does_not_answer_in_the_time_of_the_query_is_named_as_the_reason_under_the_uid(
    stub: ApiStub, watching: Webhook, size: int
) -> None:
    stub.lists(stalled, path=modules_of("slow"))
    asked = review("DELETE", "Namespace", None, padded(namespace("slow"), size))
    reply = watching.post(asked, timeout="3s")
    assert (reply.response["uid"], reply.code, reply.response["status"]["reason"]) == (
        uid(asked),
        503,
        "ServiceUnavailable",
    )
    assert "did not answer" in reply.response["status"]["message"]
    logged = watching.decision(uid(asked))
    assert logged["allowed"] is False
    assert size or (logged["user"], logged["operation"], logged["name"]) == ("alice", "DELETE", "slow")


@pytest.mark.timing
def test_the_next_large_review_after_one_that_took_too_long_is_answered(stub: ApiStub, watching: Webhook) -> None:
    stub.lists(stalled, path=modules_of("slow"))
    assert watching.post(review("DELETE", "Namespace", None, padded(namespace("slow"))), timeout="3s").code == 503
    assert watching.post(review("CREATE", "Module", padded(broken_module()))).code == 422


def test_nothing_is_taken_away_that_the_api_server_was_not_asked_about(stub: ApiStub, watching: Webhook) -> None:
    stub.lists(failure(500, "etcd is gone"), path=modules_of("unsure"))
    asked = review("DELETE", "Namespace", None, namespace("unsure"))
    reply = watching.post(asked)
    assert (reply.response["uid"], reply.code) == (uid(asked), 503)


@pytest.mark.parametrize("size", [0, LARGE], ids=["small", "large"])
def test_who_may_override_is_asked_with_all_that_is_told_of_the_user_and_nothing_of_it_is_let_out(
    stub: ApiStub, watching: Webhook, size: int
) -> None:
    asked: list[Any] = []

    async def refused(request: web.Request) -> web.StreamResponse:
        asked.append((await request.json())["spec"])
        return web.json_response({"status": {"allowed": False}}, status=201)

    stub.lists(refused, path="/apis/authorization.k8s.io/v1/subjectaccessreviews")
    item = padded(namespace("scoped"), size)
    item["metadata"]["annotations"]["kmodgate.io/override"] = "alice until 2026-01-31T18:00:00Z"
    user = {"username": "alice", "groups": ["drivers"], "uid": "e8c1-11", "extra": {"example.com/scope": ["h1dd3n"]}}
    reply = watching.post(review("UPDATE", "Namespace", item, namespace("scoped"), userInfo=user))
    assert (reply.code, asked[0]["user"], asked[0]["groups"]) == (403, "alice", ["drivers"])
    assert (asked[0]["uid"], asked[0]["extra"]) == ("e8c1-11", {"example.com/scope": ["h1dd3n"]})
    let_out = (watching.audit.read_text(), watching.stderr.read_text(), reply.body.decode())
    assert not any("h1dd3n" in text for text in let_out)


def test_a_dry_run_asks_the_cluster_and_changes_nothing_there(stub: ApiStub, watching: Webhook) -> None:
    override = {"kmodgate.io/override": "alice until 2026-01-31T18:00:00Z"}
    item = namespace("dry")
    item["metadata"]["annotations"] = override
    watching.post(review("UPDATE", "Namespace", item, namespace("dry"), dryRun=True))
    watching.post(review("DELETE", "Namespace", None, item, dryRun=True))
    writes = {request.path for request in stub.asked if request.method != "GET"}
    assert writes == {"/apis/authorization.k8s.io/v1/subjectaccessreviews"}
    assert any(request.path == modules_of("dry") for request in stub.asked)


@pytest.mark.parametrize("timeout", ["", "0s", "-1s", "soon", "1" * 99, "NaN", "10", "%31s"])
def test_a_time_that_is_none_counts_as_the_usual_one(webhook: Webhook, timeout: str) -> None:
    assert webhook.post(review("CREATE", "Module", module("gpu")), timeout=timeout).allowed


@pytest.mark.timing
def test_above_the_number_of_reviews_at_once_the_caller_is_told_to_come_again(stub: ApiStub, tmp_path: Path) -> None:
    held = Held()
    stub.lists(held, path=modules_of("busy"))
    slow = review("DELETE", "Namespace", None, namespace("busy"))
    with serving(tmp_path, "--kubeconfig", str(stub.kubeconfig), "--max-requests", "1") as server:
        eventually(lambda: server.operations("/readyz")[0] == 200, "it is ready")
        caller = threading.Thread(target=server.post, args=(slow,), kwargs={"timeout": "30s"})
        caller.start()
        eventually(lambda: server.metric("kmodgate_reviews_in_flight") == 1, "one review is on its way")
        refused = server.post(review("CREATE", "Module", module("gpu")))
        assert (refused.status, refused.headers["Retry-After"], bool(refused.body)) == (429, "1", True)
        held.release()
        caller.join()
        assert server.post(review("CREATE", "Module", module("gpu"))).allowed


# --- bugs ---


class _Failing(SnapshotCluster):
    """A cluster with a bug."""

    @property
    def facts(self) -> Facts:
        raise LookupError("drawer")

    @facts.setter
    def facts(self, value: Any) -> None: ...


def test_a_bug_denies_under_the_uid_and_with_a_text_that_says_so() -> None:
    asked = review("DELETE", "Namespace", None, namespace("drivers"))
    admitter = Admitter(Policy(), TRAITS)
    body = json.dumps(asked).encode()
    answer = asyncio.run(decide("/validate", body, admitter, _Failing(Dump()), datetime.now(UTC)))
    response = json.loads(answer.encoded(admitter.digest))["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == (uid(asked), False, 500)
    assert "LookupError" in response["status"]["message"]
    assert "drawer" not in response["status"]["message"]


class _BrokenPool(Pool):
    """A pool with a bug."""

    async def decide(self, *_: object) -> Answer:  # type: ignore[override]
        raise LookupError("drawer")


def test_a_bug_beside_the_rules_denies_a_large_review_under_its_uid_too() -> None:
    asked = review("CREATE", "Module", padded(module("gpu")))
    admitter, cluster = Admitter(Policy(), TRAITS), SnapshotCluster(Dump())
    reviews = Reviews(admitter, cluster, Gate(), Metrics(), AuditLog(""), _BrokenPool())
    decided = reviews._decide("/validate", json.dumps(asked).encode(), admitter, 0.0, datetime.now(UTC))
    response = json.loads(asyncio.run(decided).encoded(admitter.digest))["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == (uid(asked), False, 500)
    assert "LookupError" in response["status"]["message"]
    assert "drawer" not in response["status"]["message"]


class _BrokenLog(AuditLog):
    """An audit log with a bug."""

    def write(self, *_: object) -> None:
        raise LookupError("drawer")


class _BrokenGate(Gate):
    """Limits with a bug."""

    def enter(self, *_: object) -> Any:
        raise LookupError("drawer")


async def _posted(reviews: Reviews, body: bytes) -> tuple[int, str]:
    async with RawTestServer(reviews.handle) as server, TestClient(server) as client:
        response = await client.post("/validate", data=body, headers={"Content-Type": "application/json"})
        return response.status, await response.text()


@pytest.mark.timing
def test_a_bug_after_the_decision_denies_the_review_and_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    asked = review("CREATE", "Module", module("gpu"))
    metrics = Metrics()
    reviews = Reviews(Admitter(Policy(), TRAITS), SnapshotCluster(Dump()), Gate(), metrics, _BrokenLog(""))
    status, text = asyncio.run(_posted(reviews, json.dumps(asked).encode()))
    response = json.loads(text)["response"]
    assert (status, response["uid"], response["allowed"], response["status"]["code"]) == (200, uid(asked), False, 500)
    (logged,) = (item.getMessage() for item in caplog.records if item.levelname == "ERROR")
    assert logged.startswith("a review failed: LookupError at ")
    assert "test_calls.py" in logged
    assert "drawer" not in logged + text
    assert "\n" not in logged
    assert b"kmodgate_internal_errors_total 1.0" in metrics.page()


@pytest.mark.timing
def test_a_bug_before_there_is_a_review_has_a_body_and_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    reviews = Reviews(Admitter(Policy(), TRAITS), SnapshotCluster(Dump()), _BrokenGate(), metrics, AuditLog(""))
    status, text = asyncio.run(_posted(reviews, b"{}"))
    assert (status, text) == (500, "a bug of kmodgate ended the request; its log has more\n")
    assert [item.getMessage()[:32] for item in caplog.records if item.levelname == "ERROR"] == [
        "a request failed: LookupError at"
    ]
    assert b"kmodgate_internal_errors_total 1.0" in metrics.page()
