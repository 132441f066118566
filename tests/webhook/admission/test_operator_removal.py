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
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from kmodgate.webhook.cluster.questions import UserInfo
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


class OneMayOverride(SnapshotCluster):
    """Only `admin` may override."""

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = 0.0) -> bool:
        return user.name == "admin"


@pytest.mark.parametrize(
    ("kind", "version", "name"),
    [
        ("Subscription", "operators.coreos.com/v1alpha1", "kmm"),
        ("CustomResourceDefinition", "apiextensions.k8s.io/v1", "modules.kmm.sigs.x-k8s.io"),
    ],
)
def test_an_override_is_set_by_who_may_and_its_use_is_recorded(kind: str, version: str, name: str) -> None:
    bare: Object = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"name": "kernel-module-management"},
    }
    annotations = {"kmodgate.io/override": "alice until 2026-01-31T18:00:00Z"}
    overridden = bare | {"metadata": bare["metadata"] | {"annotations": annotations}}
    cluster = OneMayOverride(Dump([module()], frozenset({"Module", "NodeModulesConfig"})))

    def asked(user: str, operation: str, new: Object | None, old: Object | None) -> list[tuple[str, str]]:
        body = encoded(review(operation, kind, new, old, userInfo={"username": user}))
        answer = asyncio.run(decide("/validate", body, Admitter(Policy(), ClusterTraits()), cluster, NOW))
        return [(finding.rule, finding.mode.value) for finding in answer.findings]

    for operation, old in (("CREATE", None), ("UPDATE", bare)):
        assert asked("mallory", operation, overridden, old) == [("REF205", "enforce")]
        assert asked("admin", operation, overridden, old) == []
    assert asked("mallory", "UPDATE", overridden, overridden) == []
    assert asked("admin", "DELETE", None, overridden) == [("REF206", "audit")]
