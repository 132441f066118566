"""Whose a workload is: asked of the cluster, each owner by its uid, and only where the answer decides something."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kmodgate.policy.cluster.facts import UNKNOWN, Object, SnapshotFacts, Unknown
from kmodgate.policy.config import read_policy
from kmodgate.policy.node_access.owners import Owner, Owners
from kmodgate.policy.review import ClusterTraits
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.admission.live import owners_of
from kmodgate.webhook.cluster.questions import UserInfo
from tests.webhook.api_stub import ApiStub
from tests.webhook.reviews import LARGE, loading_container, padded, pod, review
from tests.webhook.server import serving

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
BEFORE = "2025-01-02T03:04:05Z"
DAEMON_SETS = "system:serviceaccount:kube-system:daemon-set-controller"


def owner(name: str, uid: str, owned_by: dict[str, Any] | None = None) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "apps", "uid": uid, "creationTimestamp": BEFORE}
    return {"metadata": metadata | ({"ownerReferences": [owned_by]} if owned_by else {})}


def reference(kind: str, name: str, uid: str, version: str = "apps/v1") -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True}


def owned(*references: dict[str, Any]) -> dict[str, Any]:
    item = pod(containers=[loading_container()])
    item["metadata"]["ownerReferences"] = list(references)
    return item


class FakeCluster:
    """A cluster of a few workloads, which remembers what it was asked."""

    def __init__(
        self, owners: dict[tuple[str, str], Object | Unknown] | None = None, *, may_override: bool = False
    ) -> None:
        self.facts = SnapshotFacts([])
        self.asked: list[tuple[str, ...]] = []
        self._owners = owners or {}
        self._may_override = may_override

    async def owner(self, kind: str, namespace: str, name: str, *, seconds: float = 1.0) -> Object | Unknown | None:
        self.asked.append((kind, namespace, name))
        return self._owners.get((kind, name))

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = 1.0) -> bool:
        self.asked.append(("override", user.name, namespace))
        return self._may_override

    async def fresh(self, namespace: str, *, seconds: float = 1.0) -> Any:
        raise AssertionError

    async def secret(self, namespace: str, name: str, *, seconds: float = 1.0) -> Any:
        raise AssertionError


def chain(item: dict[str, Any], owners: dict[tuple[str, str], Object | Unknown]) -> Owners:
    return asyncio.run(owners_of(item, "apps", FakeCluster(owners)))


def test_a_chain_is_followed_to_the_controller_that_people_wrote() -> None:
    owners = {
        ("apps/ReplicaSet", "a-1"): owner("a-1", "u1", reference("Deployment", "a", "u2")),
        ("apps/Deployment", "a"): owner("a", "u2", reference("Operator", "o", "u3", "example.com/v1")),
    }
    found = chain(owned(reference("ReplicaSet", "a-1", "u1")), owners)
    assert [item.title for item in found.found] == ["ReplicaSet apps/a-1", "Deployment apps/a"]
    assert found.end == "whole"
    assert found.found[0] == Owner("apps/ReplicaSet", "apps", "a-1", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("answer", "end"), [(None, "gone"), (owner("a", "another"), "gone"), ({}, "gone"), (UNKNOWN, "unknown")]
)
def test_an_owner_counts_by_its_uid_alone(answer: Any, end: str) -> None:
    found = chain(owned(reference("DaemonSet", "a", "u1")), {("apps/DaemonSet", "a"): answer})
    assert (found.found, found.end) == ((), end)


def test_a_circle_of_owners_ends() -> None:
    owners = {("apps/DaemonSet", "a"): owner("a", "u1", reference("DaemonSet", "a", "u1"))}
    assert len(chain(owned(reference("DaemonSet", "a", "u1")), owners).found) == 3


def test_a_daemon_set_of_kmm_is_followed_to_its_module_by_its_uid() -> None:
    module = reference("Module", "nic", "u2", "kmm.sigs.x-k8s.io/v1beta1")
    plugin: dict[tuple[str, str], Object | Unknown] = {("apps/DaemonSet", "p"): owner("p", "u1", module)}
    item = owned(reference("DaemonSet", "p", "u1"))
    for known, titles, end in (
        ({("kmm.sigs.x-k8s.io/Module", "nic"): owner("nic", "u2")}, ["DaemonSet apps/p", "Module apps/nic"], "whole"),
        ({("kmm.sigs.x-k8s.io/Module", "nic"): owner("nic", "u9")}, ["DaemonSet apps/p"], "gone"),
        ({}, ["DaemonSet apps/p"], "gone"),
    ):
        found = chain(item, plugin | known)
        assert ([one.title for one in found.found], found.end) == (titles, end)


def asked(cluster: FakeCluster, item: dict[str, Any], user: str, *, mode: str = "enforce", kind: str = "Pod") -> Answer:
    admitter = Admitter(read_policy({"modes": {"PRV": mode}}), ClusterTraits())
    body = json.dumps(review("CREATE", kind, item, userInfo={"username": user})).encode()
    return asyncio.run(decide("/validate", body, admitter, cluster, NOW))


LIVE: dict[tuple[str, str], Object | Unknown] = {("apps/DaemonSet", "a"): owner("a", "u1")}


def test_a_pod_of_a_live_controller_is_let_through_and_told() -> None:
    answer = asked(FakeCluster(LIVE), owned(reference("DaemonSet", "a", "u1")), DAEMON_SETS)
    assert (answer.is_allowed, answer.existing) == (True, "DaemonSet apps/a")
    response = json.loads(answer.encoded("p"))["response"]
    assert response["auditAnnotations"] == {"policy": "p", "let-through": "DaemonSet apps/a", "warned-by": "PRV101"}
    assert "older than the policy's enforcement" in response["warnings"][0]


def test_the_cluster_is_asked_only_where_its_answer_decides() -> None:
    named = owned(reference("DaemonSet", "a", "u1"))
    for item, user, mode in (
        (named, "alice", "enforce"),
        (named, DAEMON_SETS, "audit"),
        (pod(), DAEMON_SETS, "enforce"),
    ):
        cluster = FakeCluster(LIVE)
        assert asked(cluster, item, user, mode=mode).existing == ""
        assert cluster.asked == []
    cluster = FakeCluster(LIVE)
    asked(cluster, named, DAEMON_SETS)
    assert cluster.asked == [("apps/DaemonSet", "apps", "a")]


def test_who_may_override_is_asked_only_of_who_debugs_a_node() -> None:
    shell = loading_container(volumeMounts=[{"name": "host", "mountPath": "/host"}])
    volumes = [{"name": "host", "hostPath": {"path": "/"}}]
    item = pod("node-debugger-worker-1-abcde", containers=[shell], volumes=volumes, nodeName="worker-1")
    for may in (True, False):
        cluster = FakeCluster(may_override=may)
        answer = asked(cluster, item, "alice")
        assert (answer.is_allowed, answer.existing) == (may, "")
        assert cluster.asked == [("override", "alice", "apps")]
    other = FakeCluster(may_override=True)
    assert not asked(other, pod(containers=[loading_container()]), "alice").is_allowed
    assert other.asked == []


POLICY = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\nspec: {modes: {PRV: enforce}}\n"


def test_the_process_for_large_bodies_asks_the_same(stub: ApiStub, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    flags = ("--kubeconfig", str(stub.kubeconfig), "--policy", str(tmp_path / "policy.yaml"))
    with serving(tmp_path, *flags) as server:
        for size in (0, LARGE):
            item = padded(owned(reference("DaemonSet", "nobody", "u1")), size)
            body = review("CREATE", "Pod", item, userInfo={"username": DAEMON_SETS})
            assert server.post(body).rules() == ["PRV101"]  # the stub knows no DaemonSet
            path = "/apis/apps/v1/namespaces/apps/daemonsets/nobody"
            assert [request.path for request in stub.asked].count(path) == (1 if size == 0 else 2)
