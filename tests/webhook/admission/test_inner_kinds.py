"""Who may write KMM's own records, by what a server is told of KMM."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.config import Policy
from kmodgate.policy.parameters import Parameters
from kmodgate.policy.review import ClusterTraits
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from tests.webhook.manifests import encoded
from tests.webhook.reviews import Object, broken_module, review

KMM = "system:serviceaccount:gpu:kmm"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "kmm", "namespace": "gpu"},
    "spec": {
        "template": {
            "spec": {
                "serviceAccountName": "kmm",
                "containers": [{"name": "manager", "image": "docker.io/rocm/kernel-module-management-operator:v1.3.0"}],
            }
        }
    },
}


def config(*modules: str) -> Object:
    entries = [{"name": name, "namespace": "drivers"} for name in modules]
    version = "kmm.sigs.x-k8s.io/v1beta1"
    return {
        "apiVersion": version,
        "kind": "NodeModulesConfig",
        "metadata": {"name": "node-1"},
        "spec": {"modules": entries},
    }


def asked(user: str, cluster: SnapshotCluster, policy: Policy | None = None) -> Answer:
    admitter = Admitter(policy or Policy(), ClusterTraits(controllers=cluster.controllers))
    body = encoded(review("UPDATE", "NodeModulesConfig", config(), config("nic"), userInfo={"username": user}))
    return asyncio.run(decide("/validate", body, admitter, cluster, NOW))


@pytest.mark.parametrize("by", ["a dump", "the policy"])
def test_where_it_is_known_who_kmm_is_nobody_else_writes_its_records(by: str) -> None:
    cluster = SnapshotCluster(Dump([DEPLOYMENT] if by == "a dump" else []))
    policy = Policy(parameters=Parameters(controllers=(KMM,) if by == "the policy" else ()))
    assert asked(KMM, cluster, policy).findings == []
    answer = asked("alice", cluster, policy)
    assert (answer.is_allowed, answer.outcome.rules.get("denied")) == (False, ["REF301"])


USUAL = "system:serviceaccount:kmm-operator-system:kmm-operator-controller"


def test_where_somebody_is_named_who_usually_is_kmm_counts_for_nothing() -> None:
    policy = Policy(parameters=Parameters(controllers=(KMM,)))
    answer = asked(USUAL, SnapshotCluster(Dump()), policy)
    assert (answer.is_allowed, answer.outcome.rules.get("denied")) == (False, ["REF301"])
    assert f"if {USUAL} is KMM here, name it" in answer.findings[0].fix
    both = Policy(parameters=Parameters(controllers=(KMM, USUAL)))
    for policy in (Policy(), both):
        assert asked(USUAL, SnapshotCluster(Dump()), policy).findings == []


def test_a_usual_account_that_is_not_named_changes_finalizers_of_modules_all_the_same() -> None:
    admitter = Admitter(Policy(parameters=Parameters(controllers=(KMM,))), ClusterTraits())
    old = {**broken_module(), "metadata": {"name": "nic", "namespace": "drivers"}}
    new = {**old, "metadata": {**old["metadata"], "finalizers": ["kmm.node.kubernetes.io/module-finalizer"]}}
    body = encoded(review("UPDATE", "Module", new, old, userInfo={"username": USUAL}))
    answer = asyncio.run(decide("/validate", body, admitter, SnapshotCluster(Dump()), NOW))
    assert answer.is_allowed


def test_while_it_is_not_known_who_kmm_is_nobody_is_refused() -> None:
    answer = asked("alice", SnapshotCluster(Dump()))
    assert (answer.is_allowed, answer.outcome.rules.get("warned")) == (True, ["REF301"])
