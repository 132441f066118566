"""What the server knows of a cluster: from its caches, live, and from a dump."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kmodgate.policy.cluster.facts import UNKNOWN, NodeEntry
from kmodgate.webhook.cluster.api_server import ApiServer, from_kubeconfig, in_cluster
from kmodgate.webhook.cluster.live_cluster import LiveCluster
from kmodgate.webhook.cluster.live_facts import CONFIGS, MODULES, NAMESPACES, NODES, RUNTIME_CLASSES, Known
from kmodgate.webhook.cluster.questions import NotAnswered, UserInfo
from tests.webhook.api_stub import Answer, ApiStub, bookmark, event, events, failure, module, page, until
from tests.webhook.cluster.cached import config
from tests.webhook.cluster.test_watch import QUICK, QUIET

IN_DRIVERS = "/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/drivers/modules"
SECRET = "/api/v1/namespaces/drivers/secrets/cert"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture
def stub(tmp_path: Path) -> ApiStub:
    stub = ApiStub(tmp_path)
    for resource in (CONFIGS, MODULES, NAMESPACES, NODES, RUNTIME_CLASSES):
        stub.lists(page(), path=resource.path)
        stub.watches(QUIET, path=resource.path)
    return stub


def with_cluster(stub: ApiStub, scenario: Callable[[LiveCluster], Awaitable[None]], *, too_old: float = 3600.0) -> None:
    """Runs a scenario with a cluster whose watches run, once it is ready."""

    async def run() -> None:
        async with stub.serving() as server:
            cluster = LiveCluster(server, too_old=too_old, timings=replace(QUICK, resume=3600.0))
            running = asyncio.create_task(cluster.run())
            try:
                await until(lambda: cluster.is_ready)
                await scenario(cluster)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def answered(value: dict[str, Any], status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(value, status=status)

    return answer


# --- caches ---


def test_facts_answer_from_what_was_listed(stub: ApiStub) -> None:
    stub.lists(page({"metadata": {"name": "drivers", "labels": {"a": "b"}}}), path=NAMESPACES.path)
    stub.lists(page(config("n1", ("drivers", "nic"), ("others", "gpu"))), path=CONFIGS.path)
    stub.lists(page({"metadata": {"name": "kata"}, "handler": "kata-qemu"}), path=RUNTIME_CLASSES.path)
    stub.lists(page({"metadata": {"name": "n1", "labels": {"zone": "x"}}}), path=NODES.path)
    stub.lists(page(module("nic", imageRepoSecret={"name": "pull"})))

    async def scenario(cluster: LiveCluster) -> None:
        facts = cluster.facts
        namespace = facts.find("Namespace", "", "drivers")
        assert isinstance(namespace, dict)
        assert namespace["metadata"]["labels"] == {"a": "b"}
        assert facts.find("Namespace", "", "another") is None
        found = facts.find("RuntimeClass", "", "kata")
        assert isinstance(found, dict)
        assert found["handler"] == "kata-qemu"
        assert facts.entries_of("drivers") == [NodeEntry("n1", "drivers", "nic", "sa", "", is_loaded=False)]
        (known,) = facts.modules_in("drivers")  # type: ignore[misc]
        assert known["spec"]["imageRepoSecret"] == {"name": "pull"}
        assert facts.modules_in("others") == []
        (node,) = facts.nodes() or ()
        assert node.labels == {"zone": "x"}

    with_cluster(stub, scenario)


def test_nobody_knows_a_secret_before_it_is_asked_for(stub: ApiStub) -> None:
    async def scenario(cluster: LiveCluster) -> None:
        assert cluster.facts.find("Secret", "drivers", "cert") is UNKNOWN
        assert cluster.age("Secret") == math.inf
        assert not any("secrets" in request.path for request in stub.asked)

    with_cluster(stub, scenario)


def test_facts_that_are_too_old_are_unknown_and_those_of_other_kinds_are_not(stub: ApiStub) -> None:
    stub.lists(page(module("nic", moduleLoader={"container": {"modprobe": {"moduleName": "nic"}}})))

    async def bookmarks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(json.dumps(bookmark("11")).encode() + b"\n")
            await asyncio.sleep(0.02)

    stub.watches(bookmarks, path=NAMESPACES.path)

    async def scenario(cluster: LiveCluster) -> None:
        facts = cluster.facts
        await until(lambda: facts.modules_in("drivers") is UNKNOWN)
        assert facts.find("Module", "drivers", "nic") is UNKNOWN
        await until(lambda: facts.find("Namespace", "", "drivers") is None)
        assert [view.metadata.text("name") for view in facts.neighbours().loading("nic")] == ["nic"]
        assert cluster.is_ready

    with_cluster(stub, scenario, too_old=0.5)


def test_nothing_is_known_before_the_first_list(stub: ApiStub) -> None:
    async def run() -> None:
        async with stub.serving() as server:
            cluster = LiveCluster(server)
            assert cluster.facts.modules_in("drivers") is UNKNOWN
            assert cluster.facts.entries_of("drivers") is UNKNOWN
            assert cluster.facts.find("Namespace", "", "drivers") is UNKNOWN
            assert cluster.facts.nodes() is None
            assert not cluster.is_ready
            assert {state.age for state in cluster.states()} == {math.inf}

    asyncio.run(run())


def test_a_cluster_without_kmm_has_no_modules(stub: ApiStub) -> None:
    for resource in (MODULES, CONFIGS):
        stub.lists(failure(404, "not found"), path=resource.path)

    async def scenario(cluster: LiveCluster) -> None:
        assert cluster.facts.modules_in("drivers") == []
        assert cluster.facts.entries_of("drivers") == []
        assert {state.kind: state.installed for state in cluster.states()}["Module"] is False

    with_cluster(stub, scenario)


def test_a_kind_that_is_withheld_makes_only_its_own_facts_unknown(stub: ApiStub) -> None:
    stub.lists(failure(403, "forbidden"), path=NODES.path)

    async def scenario(cluster: LiveCluster) -> None:
        assert cluster.facts.nodes() is None
        assert cluster.facts.modules_in("drivers") == []
        refused = [state for state in cluster.states() if state.refused]
        assert [state.kind for state in refused] == ["Node"]
        assert refused[0].error.startswith("Node: ")

    with_cluster(stub, scenario)


def test_an_event_is_seen_by_the_next_question(stub: ApiStub) -> None:
    stub.watches(events(event("ADDED", module("late", "11")), stalls=True))

    async def scenario(cluster: LiveCluster) -> None:
        await until(lambda: bool(cluster.facts.modules_in("drivers")))

    with_cluster(stub, scenario)


# --- live ---


def test_a_fresh_read_sees_what_no_watch_has_told_yet(stub: ApiStub) -> None:
    stub.lists(page(module("a"), following="2nd"), page(module("b")), path=IN_DRIVERS)
    stub.lists(answered({"metadata": {"name": "drivers"}}), path="/api/v1/namespaces/drivers")

    async def scenario(cluster: LiveCluster) -> None:
        stub.lists(page(config("n1"), following="2nd"), page(config("n2", ("drivers", "a"))), path=CONFIGS.path)
        assert cluster.facts.modules_in("drivers") == []
        wanted = ("Namespace", "", "drivers")
        facts = await cluster.fresh("drivers", [wanted, ("Secret", "drivers", "cert")])
        assert [item["metadata"]["name"] for item in facts.modules_in("drivers")] == ["a", "b"]  # type: ignore[union-attr]
        assert [entry.node for entry in facts.entries_of("drivers")] == ["n2"]  # type: ignore[union-attr]
        assert facts.find(*wanted) is not None
        assert facts.find("Secret", "drivers", "cert") is None
        assert facts.modules_in("others") == []
        live = [request for request in stub.asked if request.path in (IN_DRIVERS, wanted)]
        assert not any("resourceVersion" in request.query for request in live)

    with_cluster(stub, scenario)


@pytest.mark.parametrize(
    "answer",
    [
        failure(503, "overloaded"),
        failure(403, "forbidden"),
        answered({}),
        events(b'{"kind":"ModuleList","items":[{"metad'),
    ],
    ids=["unavailable", "forbidden", "no list", "cut off"],
)
def test_a_fresh_read_that_is_not_answered_is_an_error_and_never_nothing(stub: ApiStub, answer: Answer) -> None:
    async def scenario(cluster: LiveCluster) -> None:
        stub.lists(answer, path=CONFIGS.path)
        with pytest.raises(NotAnswered):
            await cluster.fresh("drivers")

    with_cluster(stub, scenario)


def test_a_fresh_read_of_which_a_later_page_is_missing_is_an_error(stub: ApiStub) -> None:
    async def scenario(cluster: LiveCluster) -> None:
        stub.lists(page(config("n1"), following="2nd"), failure(404, "not found"), path=CONFIGS.path)
        with pytest.raises(NotAnswered):
            await cluster.fresh("drivers")

    with_cluster(stub, scenario)


def test_a_fresh_read_ends_in_the_time_it_is_given(stub: ApiStub) -> None:
    async def scenario(cluster: LiveCluster) -> None:
        stub.lists(events(b"{", stalls=True), path=CONFIGS.path)
        with pytest.raises(NotAnswered, match=r"in 0\.1 seconds|in time"):
            await cluster.fresh("drivers", seconds=0.1)

    with_cluster(stub, scenario)


def test_a_secret_is_told_without_what_is_secret(stub: ApiStub) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "cert",
            "namespace": "drivers",
            "annotations": {"kmodgate.io/key-fingerprint": "sha256:1", "last-applied": "hush"},
        },
        "type": "Opaque",
        "data": {"cert": encoded(CERTIFICATE + "hush"), "key": encoded("hush")},
    }
    stub.lists(answered(secret), path=SECRET)

    async def scenario(cluster: LiveCluster) -> None:
        found = await cluster.secret("drivers", "cert")
        assert isinstance(found, dict)
        assert found["data"] == {"cert": encoded(CERTIFICATE), "key": ""}
        assert found["metadata"]["annotations"] == {"kmodgate.io/key-fingerprint": "sha256:1"}
        assert "hush" not in json.dumps(found)
        assert encoded("hush") not in json.dumps(found)
        assert cluster.facts.find("Secret", "drivers", "cert") is UNKNOWN
        supplied = Known(cluster.facts, {("Secret", "drivers", "cert"): found})
        assert supplied.find("Secret", "drivers", "cert") is found

    with_cluster(stub, scenario)


def test_a_secret_that_is_withheld_is_unknown_and_one_that_is_not_there_is_none(stub: ApiStub) -> None:
    stub.lists(failure(403, "forbidden"), events(b"{", stalls=True), failure(404, "not found"), path=SECRET)

    async def scenario(cluster: LiveCluster) -> None:
        assert await cluster.secret("drivers", "cert") is UNKNOWN
        assert await cluster.secret("drivers", "cert", seconds=0.1) is UNKNOWN
        assert await cluster.secret("drivers", "cert") is None

    with_cluster(stub, scenario)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "%2e%2e"])
def test_a_name_that_would_lead_elsewhere_is_not_asked_for(stub: ApiStub, name: str) -> None:
    async def scenario(cluster: LiveCluster) -> None:
        before = len([request for request in stub.asked if "watch" not in request.query])
        assert await cluster.secret("drivers", name) is None
        assert await cluster.secret(name, "cert") is None
        assert len([request for request in stub.asked if "watch" not in request.query]) == before

    with_cluster(stub, scenario)


@pytest.mark.parametrize(("status", "may"), [({"allowed": True}, True), ({"allowed": False}, False), ({}, False)])
def test_the_api_server_decides_who_may_override(stub: ApiStub, status: dict[str, Any], may: bool) -> None:
    asked: list[Any] = []

    async def review(request: web.Request) -> web.StreamResponse:
        asked.append(await request.json())
        return web.json_response({"status": status}, status=201)

    stub.lists(review, path=REVIEWS)

    async def scenario(cluster: LiveCluster) -> None:
        assert await cluster.may_override(UserInfo("ann", ("admins",)), "drivers") is may

    with_cluster(stub, scenario)
    assert asked[0]["spec"] == {
        "user": "ann",
        "groups": ["admins"],
        "resourceAttributes": {
            "verb": "override",
            "group": "kmodgate.io",
            "resource": "namespaces",
            "namespace": "drivers",
            "name": "drivers",
        },
    }


def test_authorizers_are_told_uid_and_extra_of_who_asks(stub: ApiStub) -> None:
    asked: list[Any] = []

    async def review(request: web.Request) -> web.StreamResponse:
        asked.append(await request.json())
        return web.json_response({"status": {"allowed": True}}, status=201)

    stub.lists(review, path=REVIEWS)
    user = UserInfo("ann", ("admins",), "e8c1", {"scopes.authorization.openshift.io": ("user:info", "user:check")})

    async def scenario(cluster: LiveCluster) -> None:
        assert await cluster.may_override(user, "drivers")

    with_cluster(stub, scenario)
    spec = asked[0]["spec"]
    assert (spec["user"], spec["groups"], spec["uid"]) == ("ann", ["admins"], "e8c1")
    assert spec["extra"] == {"scopes.authorization.openshift.io": ["user:info", "user:check"]}
    assert "user:info" not in repr(user)


def test_who_may_override_is_not_guessed(stub: ApiStub) -> None:
    stub.lists(failure(403, "forbidden"), path=REVIEWS)

    async def scenario(cluster: LiveCluster) -> None:
        with pytest.raises(NotAnswered, match="forbidden"):
            await cluster.may_override(UserInfo("ann"), "drivers")

    with_cluster(stub, scenario)


# --- credentials ---


def test_a_kubeconfig_that_cannot_be_used_is_told_without_its_tokens(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(
        "current-context: x\ncontexts: []\nclusters: []\nusers: [{name: a, user: {token: hush}}, {token: hush}]\n"
    )

    async def run() -> None:
        with pytest.raises(NotAnswered) as told:
            await ApiServer(from_kubeconfig(str(path))).get("/api", seconds=1)
        assert str(path) in str(told.value)
        assert "hush" not in str(told.value)

    asyncio.run(run())


def test_outside_a_pod_there_is_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    async def run() -> None:
        with pytest.raises(NotAnswered, match="ServiceAccount of the pod"):
            await ApiServer(in_cluster()).get("/api", seconds=1)

    asyncio.run(run())
