"""What installs KMM's operator is deleted: refused while Modules exist, whoever but OLM asks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.config import Policy
from kmodgate.policy.findings import Mode
from kmodgate.policy.review import ClusterTraits
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.decide import decide
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from tests.webhook.manifests import encoded
from tests.webhook.reviews import Object, module, review

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OLM = "system:serviceaccount:openshift-operator-lifecycle-manager:olm-operator-serviceaccount"
PLAN: Object = {"clusterServiceVersionNames": ["kernel-module-management.v2.6.0"]}


def deleted(kind: str, name: str, spec: Object, *modules: Object, user: str = "alice") -> Answer:
    cluster = SnapshotCluster(Dump(list(modules), frozenset({"Module", "NodeModulesConfig"})))
    item = {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "openshift-kmm"},
        "spec": spec,
    }
    body = encoded(review("DELETE", kind, None, item, userInfo={"username": user}))
    return asyncio.run(decide("/validate", body, Admitter(Policy(), ClusterTraits()), cluster, NOW))


@pytest.mark.parametrize(
    ("kind", "name", "spec"),
    [
        ("Subscription", "kmm", {"name": "kernel-module-management"}),
        ("ClusterServiceVersion", "kernel-module-management.v2.6.0", {}),
    ],
)
def test_the_operator_stays_while_there_are_modules(kind: str, name: str, spec: Object) -> None:
    (finding,) = deleted(kind, name, spec, module()).findings
    assert (finding.rule, finding.mode) == ("REF304", Mode.ENFORCE)
    assert "Module drivers/nic" in finding.message
    assert deleted(kind, name, spec).findings == []
    assert deleted(kind, name, spec, module(), user=OLM).findings == []


def test_an_install_plan_goes_with_a_warning() -> None:
    (finding,) = deleted("InstallPlan", "install-a", PLAN, module()).findings
    assert (finding.rule, finding.mode) == ("REF304", Mode.WARN)
