"""Accounts that are called like KMM's where another KMM is named, and a KMM that only a dump of the cluster shows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from kmodgate.policy.cluster.controllers import controllers_of
from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.config import Platform, Policy
from kmodgate.policy.findings import Mode
from kmodgate.policy.parameters import Parameters
from kmodgate.policy.review import ClusterTraits
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from tests.renderer.registration.registering import LABEL
from tests.webhook.manifests import encoded
from tests.webhook.reviews import (
    Object,
    broken_module,
    dkms_pod,
    loading_container,
    module,
    named,
    namespace,
    pod,
    review,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
USUAL = "system:serviceaccount:kmm-operator-system:kmm-operator-controller"
AMD = "system:serviceaccount:gpu:kmm"
PRIVILEGED: Object = {"name": "a", "image": "quay.io/acme/tool:1.0", "securityContext": {"privileged": True}}
KINDS = frozenset({"Namespace", "Module", "NodeModulesConfig", "Node", "RuntimeClass", "DaemonSet"})
"""The kinds that docs/webhook.md names for a dump of a cluster that is no hub."""
HUB_CONTAINER: Object = {
    "build": {"dockerfileConfigMap": {"name": "dockerfile"}, "secrets": [{"name": "build"}]},
    "sign": {"keySecret": {"name": "key"}, "certSecret": {"name": "cert"}, "filesToSign": ["/opt/lib/nic.ko"]},
}


def amds_kmm() -> Object:
    containers = [{"name": "manager", "image": "docker.io/rocm/kernel-module-management-operator:v1.3.0"}]
    template = {"spec": {"serviceAccountName": "kmm", "containers": containers}}
    return named("Deployment", "kmm", "gpu", "apps/v1", spec={"template": template})


def cluster_of(*objects: Object, kinds: frozenset[str] = KINDS) -> SnapshotCluster:
    return SnapshotCluster(Dump(list(objects), kinds))


def asked(
    request: Object,
    cluster: SnapshotCluster,
    *controllers: str,
    user: str = "alice",
    platform: Platform = "kubernetes",
    path: str = "/validate",
) -> Answer:
    """The answer of a webhook whose policy refuses workloads, and names KMM's controllers."""
    policy = Policy(modes={"PRV": Mode.ENFORCE}, parameters=Parameters(controllers=controllers))
    admitter = Admitter(policy, ClusterTraits(controllers=cluster.controllers, platform=platform))
    request["request"]["userInfo"]["username"] = user
    return asyncio.run(decide(path, encoded(request), admitter, cluster, NOW))


def denied(answer: Answer) -> list[str]:
    rules = answer.outcome.rules.get("denied", [])
    assert answer.is_allowed is (not rules)
    return list(rules)


@pytest.mark.parametrize("container", [loading_container(), PRIVILEGED], ids=["SYS_MODULE", "privileged"])
def test_a_usual_account_makes_no_pod_that_reaches_the_node_where_another_one_is_named(container: Object) -> None:
    request = review("CREATE", "Pod", pod(containers=[container]))
    for controllers in ((AMD,), controllers_of("redhat")):
        answer = asked(request, cluster_of(), *controllers, user=USUAL)
        assert denied(answer) in (["PRV101"], ["PRV105"])
        assert f"if {USUAL} is KMM here, name it under parameters.controllers" in answer.findings[0].fix
    for controllers in ((), (USUAL,), (AMD, USUAL)):
        assert denied(asked(request, cluster_of(), *controllers, user=USUAL)) == []


def test_a_usual_account_of_openshift_makes_such_pods_there_whoever_is_named() -> None:
    user = "system:serviceaccount:openshift-kmm:kmm-operator-controller"
    request = review("CREATE", "Pod", pod(containers=[loading_container()]))
    assert denied(asked(request, cluster_of(), AMD, user=user, platform="openshift")) == []
    assert denied(asked(request, cluster_of(), AMD, user=user)) == ["PRV101"]


def test_dkms_work_of_a_usual_account_goes_into_kata_where_another_one_is_named() -> None:
    request = review("CREATE", "Pod", dkms_pod())
    answer = asked(request, cluster_of(), AMD, user=USUAL)
    assert "KTA101" in denied(answer)
    (finding,) = (item for item in answer.findings if item.rule == "KTA101")
    assert f"if {USUAL} is KMM here" in finding.fix
    kata = named("RuntimeClass", "kata-qemu", "", "node.k8s.io/v1", handler="kata-qemu")
    assert asked(request, cluster_of(kata), AMD, user=USUAL, path="/mutate").patch
    for controllers in ((), (USUAL,)):
        assert not asked(request, cluster_of(kata), *controllers, user=USUAL, path="/mutate").patch
        assert "KTA101" not in denied(asked(request, cluster_of(kata), *controllers, user=USUAL))


@pytest.mark.parametrize("by", ["a dump", "the policy"])
def test_a_kmm_that_only_a_dump_shows_counts_as_one_that_the_policy_names(by: str) -> None:
    cluster = cluster_of(amds_kmm()) if by == "a dump" else cluster_of()
    controllers = (AMD,) if by == "the policy" else ()
    old = broken_module()
    new = {**old, "metadata": {**old["metadata"], "finalizers": ["kmm.node.kubernetes.io/module-finalizer"]}}
    job = dkms_pod(containers=[loading_container(env=[{"name": "JOB_ENABLE_DKMS", "value": "True"}])])
    for request in (
        review("UPDATE", "Module", new, old),
        review("CREATE", "Pod", pod("worker", "drivers", containers=[loading_container()])),
        review("CREATE", "Pod", job),
    ):
        assert denied(asked(request, cluster, *controllers, user=AMD)) == []
        assert denied(asked(request, cluster, *controllers))
    usual = review("CREATE", "Pod", pod(containers=[loading_container()]))
    assert denied(asked(usual, cluster, *controllers, user=USUAL)) == ["PRV101"]


@pytest.mark.parametrize("place", ["openshift-kmm", "openshift-kmm-hub"])
def test_the_namespaces_of_openshifts_kmm_stay_where_only_another_one_is_named(place: str) -> None:
    request = review("DELETE", "Namespace", None, namespace(place))
    cluster = cluster_of(module())
    assert denied(asked(request, cluster, AMD, platform="openshift")) == ["REF304"]
    assert denied(asked(request, cluster, AMD)) == []
    assert denied(asked(request, cluster_of(), AMD, platform="openshift")) == []


@pytest.mark.parametrize(
    ("kind", "name", "stays"),
    [
        *[("Secret", name, True) for name in ("key", "cert", "pull", "build")],
        ("ConfigMap", "dockerfile", True),
        ("Secret", "other", False),
    ],
)
def test_what_openshifts_hub_builds_with_stays_where_only_another_kmm_is_named(
    kind: str, name: str, stays: bool
) -> None:
    spec = {"moduleSpec": module(**HUB_CONTAINER)["spec"], "spokeNamespace": "drivers", "selector": {"a": "b"}}
    item = named("ManagedClusterModule", "nic", "", "hub.kmm.sigs.x-k8s.io/v1beta1", spec=spec)
    cluster = cluster_of(item, kinds=KINDS | {"ManagedClusterModule"})
    for place, is_kept in (("openshift-kmm-hub", stays), ("openshift-kmm", False)):
        request = review("DELETE", kind, None, named(kind, name, place))
        assert denied(asked(request, cluster, AMD, platform="openshift")) == ["REF204"] * is_kept


def test_a_usual_account_that_takes_kmms_label_off_is_told_how_to_be_known() -> None:
    going = module()
    going["metadata"]["deletionTimestamp"] = "2026-01-31T11:00:00Z"
    request = review("UPDATE", "Namespace", namespace("drivers"), namespace("drivers", **{LABEL: ""}))
    answer = asked(request, cluster_of(going), AMD, user=USUAL)
    assert denied(answer) == ["REF202"]
    assert f"if {USUAL} is KMM here, name it under parameters.controllers" in answer.findings[0].fix
    assert "parameters.controllers" not in asked(request, cluster_of(going), AMD).findings[0].fix


@pytest.mark.parametrize("place", ["openshift-kmm", "openshift-kmm-hub"])
def test_a_dump_that_shows_no_hub_keeps_nothing_for_one(place: str) -> None:
    full, empty = (named("ConfigMap", "settings", place, data=data) for data in ({"a": "b"}, {}))
    requests = [
        *(
            review("DELETE", kind, None, named(kind, "other", place))
            for kind in ("Secret", "ConfigMap", "ServiceAccount")
        ),
        review("UPDATE", "ConfigMap", empty, full),
    ]
    controllers = controllers_of("redhat")
    for request in requests:
        assert denied(asked(request, cluster_of(), *controllers, platform="openshift")) == []
    definition = named("CustomResourceDefinition", "managedclustermodules.hub.kmm.sigs.x-k8s.io")
    for request in requests:
        rules = denied(asked(request, cluster_of(definition), *controllers, platform="openshift"))
        assert bool(rules) is (place == "openshift-kmm-hub")
