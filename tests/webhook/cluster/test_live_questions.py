"""Questions that the server puts to the API server: fresh reads, Secrets, and the right to override."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from aiohttp import web

from kmodgate.policy.cluster.facts import UNKNOWN
from kmodgate.policy.views.boot_config import POOL_LABEL, boot_config
from kmodgate.webhook.cluster.live_cluster import LiveCluster
from kmodgate.webhook.cluster.live_facts import CONFIGS, with_fetched
from kmodgate.webhook.cluster.questions import NotAnswered, UserInfo
from tests.e2e.objects import daemon_set
from tests.webhook.api_stub import Answer, ApiStub, events, failure, module, page
from tests.webhook.cluster.cached import config
from tests.webhook.cluster.running_cluster import with_cluster

pytestmark = pytest.mark.timing

IN_DRIVERS = "/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/drivers/modules"
SECRET = "/api/v1/namespaces/drivers/secrets/cert"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def answered(value: dict[str, Any], status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(value, status=status)

    return answer


def test_a_fresh_read_sees_what_no_watch_has_told_yet(stub: ApiStub) -> None:
    stub.lists(page(module("a"), following="2nd"), page(module("b")), path=IN_DRIVERS)
    daemon_sets = daemon_set("nic", "drivers"), daemon_set("web", "drivers", app="web")
    stub.lists(page(*daemon_sets), path="/apis/apps/v1/namespaces/drivers/daemonsets")
    stub.lists(answered({"metadata": {"name": "drivers"}}), path="/api/v1/namespaces/drivers")

    async def scenario(cluster: LiveCluster) -> None:
        stub.lists(page(config("n1"), following="2nd"), page(config("n2", ("drivers", "a"))), path=CONFIGS.path)
        assert cluster.facts.modules_in("drivers") == []
        wanted = ("Namespace", "", "drivers")
        facts = await cluster.fresh("drivers", [wanted, ("Secret", "drivers", "cert")])
        assert [item["metadata"]["name"] for item in facts.modules_in("drivers")] == ["a", "b"]  # type: ignore[union-attr]
        assert [entry.node for entry in facts.entries_of("drivers")] == ["n2"]  # type: ignore[union-attr]
        assert [item["metadata"]["name"] for item in facts.daemon_sets_in("drivers")] == ["nic"]  # type: ignore[union-attr]
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
        supplied = with_fetched(cluster.facts, {("Secret", "drivers", "cert"): found})
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


DAEMON_SET = "/apis/apps/v1/namespaces/agents/daemonsets/agent"


def test_of_an_owner_its_identity_and_age_are_told_and_nothing_else(stub: ApiStub) -> None:
    metadata = {"name": "agent", "namespace": "agents", "uid": "u1", "creationTimestamp": "2025-01-02T03:04:05Z"}
    found = {"metadata": {**metadata, "annotations": {"last-applied": "hush"}}, "spec": {"template": {"spec": "hush"}}}
    stub.lists(answered(found), path=DAEMON_SET)

    async def scenario(cluster: LiveCluster) -> None:
        assert await cluster.owner("apps/DaemonSet", "agents", "agent") == {"metadata": metadata}
        assert await cluster.owner("apps/DaemonSet", "agents", "another") is None

    with_cluster(stub, scenario)


@pytest.mark.parametrize("answer", [failure(403, "forbidden"), failure(503, "overloaded"), events(b"{", stalls=True)])
def test_an_owner_of_which_the_api_server_does_not_tell_is_unknown(stub: ApiStub, answer: Answer) -> None:
    stub.lists(answer, path=DAEMON_SET)

    async def scenario(cluster: LiveCluster) -> None:
        assert await cluster.owner("apps/DaemonSet", "agents", "agent", seconds=0.1) is UNKNOWN

    with_cluster(stub, scenario)


def test_machine_configs_of_pools_are_read_without_what_is_not_about_drivers(stub: ApiStub) -> None:
    units = [
        {"name": "nic.service", "contents": 'Environment="KERNEL_MODULE=nic"\nEnvironment="KERNEL_MODULE_IMAGE=quay.io/acme/nic"'},
        {"name": "login.service", "contents": "ExecStart=/bin/login s3cr3t"},
    ]  # fmt: skip
    config = {"ignition": {"version": "3.2.0"}, "passwd": {"users": [{"name": "core"}]}, "systemd": {"units": units}}
    item = {"metadata": {"name": "99-worker-nic", "labels": {POOL_LABEL: "worker"}}, "spec": {"config": config}}
    path = "/apis/machineconfiguration.openshift.io/v1/machineconfigs"
    stub.lists(page(item), path=path)

    async def scenario(cluster: LiveCluster) -> None:
        (found,) = await cluster.machine_configs()
        loaded = boot_config(found)
        assert loaded is not None
        assert (loaded.pool, loaded.module, loaded.image) == ("worker", "nic", "quay.io/acme/nic")
        assert "s3cr3t" not in str(found)
        assert "core" not in str(found)
        (asked,) = [request for request in stub.asked if request.path == path]
        assert asked.query["labelSelector"] == POOL_LABEL

    with_cluster(stub, scenario)
