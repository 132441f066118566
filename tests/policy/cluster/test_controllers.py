"""Who is believed by name: controllers, and ServiceAccounts that may load kernel modules."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from kmodgate.policy.cluster.controllers import (
    CASCADE,
    KMM,
    controllers_in,
    controllers_of,
    hub_namespaces,
    is_controller,
    is_kmm,
    may_take_away,
    takers_away,
)
from kmodgate.policy.formats.kubernetes_names import is_dns1123_label, is_dns1123_subdomain
from kmodgate.policy.node_access.module_loaders import is_approved
from kmodgate.policy.node_access.starters import STARTERS
from kmodgate.policy.views.pod import PodView


@pytest.mark.parametrize(
    ("user", "controller"),
    [
        ("system:serviceaccount:kmm-operator-system:kmm-operator-controller", True),
        ("system:serviceaccount:openshift-kmm:kmm-operator-controller", True),
        ("system:serviceaccount:openshift-kmm-hub:kmm-operator-hub-controller", True),
        ("system:serviceaccount:kmm-operator-system:kmm-operator-hub-controller-manager", True),
        ("system:serviceaccount:openshift-kmm:kmm-operator-hub-controller", False),
        ("system:serviceaccount:openshift-kmm-hub:kmm-operator-controller", False),
        ("system:serviceaccount:operators:kmm-operator-controller", False),
        ("system:serviceaccount:site:kmm", True),
        ("system:serviceaccount:kube-system:generic-garbage-collector", True),
        ("system:serviceaccount:kube-system:namespace-controller", True),
        ("system:kube-controller-manager", True),
        ("system:serviceaccount:default:kmm-operator-controller", False),
        ("system:serviceaccount:openshift-kmm:default", False),
        ("system:admin", False),
        ("", False),
    ],
)
def test_a_controller_is_known_by_its_whole_user_name(user: str, controller: bool) -> None:
    assert is_controller(user, (SITE,)) == controller


SITE = "system:serviceaccount:site:kmm"
RESERVED = {user for user in KMM if user.startswith("system:serviceaccount:openshift-")}


@pytest.mark.parametrize(
    ("named", "platform", "counting"),
    [
        ((), "kubernetes", KMM),
        ((SITE,), "kubernetes", {SITE}),
        ((SITE,), "openshift", {SITE, *RESERVED}),
        (controllers_of("upstream"), "kubernetes", controllers_of("upstream")),
        (controllers_of("redhat", "kmm"), "kubernetes", controllers_of("redhat", "kmm")),
    ],
)
def test_who_usually_is_kmm_counts_while_nobody_else_is_named(
    named: tuple[str, ...], platform: str, counting: Collection[str]
) -> None:
    everybody = {*KMM, *named, *CASCADE, "alice", "system:serviceaccount:openshift-kmm:default"}
    assert {user for user in everybody if is_kmm(user, named, platform)} == {*counting}
    found = {user for user in everybody if may_take_away(user, named, platform)}
    assert found == {*counting, *CASCADE} == takers_away(named, platform)


@pytest.mark.parametrize(
    ("named", "platform", "namespaces"),
    [
        ((), "kubernetes", {"kmm-operator-system", "openshift-kmm-hub"}),
        ((SITE,), "kubernetes", {"site"}),
        (("system:serviceaccount:kmm-operator-system:kmm-operator-controller",), "kubernetes", {"kmm-operator-system"}),
        (("system:serviceaccount:openshift-kmm:kmm-operator-hub-controller",), "kubernetes", {"openshift-kmm"}),
        ((SITE,), "openshift", {"site", "openshift-kmm-hub"}),
        (controllers_of("redhat"), "openshift", {"openshift-kmm-hub"}),
        (controllers_of("redhat", "hub", is_hub=True), "openshift", {"hub", "openshift-kmm-hub"}),
    ],
)
def test_a_hub_builds_where_its_operator_may_be_and_not_where_a_spokes_usually_is(
    named: tuple[str, ...], platform: str, namespaces: set[str]
) -> None:
    assert hub_namespaces(named, platform) == namespaces


def test_on_a_hub_the_operator_of_a_spoke_may_run_beside_that_of_the_hub() -> None:
    found = controllers_of("redhat", "hub", is_hub=True)
    assert {*controllers_of("redhat", "hub"), _user("openshift-kmm", "kmm-operator-controller")} <= {*found}
    assert not any(user.startswith("system:serviceaccount:openshift-kmm-hub") for user in found)
    assert _user("operators", "kmm-operator-hub-controller") not in controllers_of("upstream", "hub", is_hub=True)


def test_starters_are_names_that_kubernetes_accepts_each_once_with_its_source() -> None:
    pairs = [(item.namespace, name) for item in STARTERS for name in item.accounts]
    assert len(pairs) == len(set(pairs))
    assert all(is_dns1123_label(namespace) and is_dns1123_subdomain(name) for namespace, name in pairs)
    assert all(item.source for item in STARTERS)


def pod(namespace: str, account: str = "", **labels: str) -> PodView:
    metadata = {"name": "a", "namespace": namespace, "labels": labels}
    return PodView({"kind": "Pod", "metadata": metadata, "spec": {"serviceAccountName": account}}, "Pod")


def test_access_to_the_kernel_is_the_service_accounts_of_one_namespace() -> None:
    approved = [("storage", "csi"), ("storage", "default")]
    assert is_approved(pod("storage", "csi"), "alice", approved, is_by_kmm=False, platform="kubernetes")
    assert is_approved(pod("storage"), "alice", approved, is_by_kmm=False, platform="kubernetes")
    assert is_approved(pod("kube-system", "cilium"), "alice", (), is_by_kmm=False, platform="kubernetes")
    assert not is_approved(pod("shop", "csi"), "alice", approved, is_by_kmm=False, platform="kubernetes")
    assert not is_approved(pod("shop", "cilium"), "alice", approved, is_by_kmm=False, platform="kubernetes")
    assert not is_approved(
        pod("shop", "a", app="cilium", **{"kmm.node.kubernetes.io/role": "dra"}),
        "alice",
        (),
        is_by_kmm=False,
        platform="kubernetes",
    )


@pytest.mark.parametrize(
    ("namespace", "account", "openshift", "kubernetes"),
    [
        ("openshift-cluster-node-tuning-operator", "tuned", True, False),
        ("openshift-kmm", "kmm-operator-module-loader", True, False),
        ("node-feature-discovery", "nfd-worker", False, True),
        ("kube-system", "cilium", True, True),
        ("rook-ceph", "rook-csi-rbd-plugin-sa", True, True),
    ],
)
def test_what_belongs_to_a_platform_is_approved_there_only(
    namespace: str, account: str, openshift: bool, kubernetes: bool
) -> None:
    asked = pod(namespace, account)
    assert is_approved(asked, "alice", (), is_by_kmm=False, platform="openshift") is openshift
    assert is_approved(asked, "alice", (), is_by_kmm=False, platform="kubernetes") is kubernetes


def test_namespaces_of_openshift_are_bound_to_it() -> None:
    assert {item.platform for item in STARTERS if item.namespace.startswith("openshift-")} == {"openshift"}


def test_an_owner_is_believed_only_where_nobody_asks() -> None:
    worker = pod("drivers")
    worker.controllers = [("kmm.sigs.x-k8s.io", "NodeModulesConfig")]
    assert is_approved(worker, "", (), is_by_kmm=False, platform="kubernetes")
    assert not is_approved(worker, "alice", (), is_by_kmm=False, platform="kubernetes")
    assert is_approved(worker, "whoever is KMM", (), is_by_kmm=True, platform="kubernetes")


def _user(namespace: str, account: str) -> str:
    return f"system:serviceaccount:{namespace}:{account}"


def test_a_fleet_tells_who_kmm_is_by_flavour_and_namespace() -> None:
    upstream, redhat = controllers_of("upstream"), controllers_of("redhat")
    for namespace in ("kmm-operator-system", "operators"):
        assert _user(namespace, "kmm-operator-controller") in upstream
    assert _user("openshift-kmm", "kmm-operator-controller") in redhat
    assert _user("openshift-kmm-hub", "kmm-operator-hub-controller") in redhat
    for flavour in ("upstream", "redhat"):
        found = controllers_of(flavour, "kmm")
        assert _user("kmm", "kmm-operator-controller") in found
        assert {user.split(":")[2] for user in found} == {"kmm"}


def _pod(image: str, account: str, *variables: str) -> dict[str, Any]:
    containers = [{"name": "manager", "image": image, "env": [{"name": name} for name in variables]}]
    return {"template": {"spec": {"serviceAccountName": account, "containers": containers}}}


def _deployment(namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "controller", "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    "spec",
    [
        _pod("gcr.io/k8s-staging-kmm/kernel-module-management-operator:v2.6.0", "site"),
        _pod("gcr.io/k8s-staging-kmm/kernel-module-management-operator-hub:latest", "site"),
        _pod("registry.local:5000/kernel-module-management-operator", "site"),
        _pod("registry.redhat.io/kmm/kernel-module-management-rhel9-operator@sha256:00", "site"),
        _pod("registry.redhat.io/kmm/kernel-module-management-hub-operator-rhel9:v2.4", "site"),
        _pod("docker.io/rocm/kernel-module-management-operator:v1.3.0", "site"),
        _pod("mirror/a@sha256:00", "site", "RELATED_IMAGE_WORKER", "RELATED_IMAGE_SIGN", "OPERATOR_NAMESPACE"),
    ],
)
def test_a_dump_tells_who_kmm_is_by_what_it_runs(spec: dict[str, Any]) -> None:
    install = {"spec": {"deployments": [{"name": "controller", "spec": spec}]}}
    version = {"kind": "ClusterServiceVersion", "metadata": {"namespace": "operators"}, "spec": {"install": install}}
    copy = version | {"metadata": {"namespace": "copied", "labels": {"olm.copiedFrom": "operators"}}}
    found = controllers_in([_deployment("gpu", spec), version, copy])
    assert found == (_user("gpu", "site"), _user("operators", "site"))


@pytest.mark.parametrize(
    "item",
    [
        _deployment("kmm", _pod("gcr.io/k8s-staging-kmm/kernel-module-management-webhook-server:v2.6.0", "site")),
        _deployment("kmm", _pod("quay.io/acme/operator:1", "site", "OPERATOR_NAMESPACE")),
        {"kind": "Deployment", "metadata": None, "spec": {"template": {"spec": {"containers": [None, {"env": "a"}]}}}},
        {"kind": "ClusterServiceVersion", "spec": {"install": {"spec": {"deployments": "none"}}}},
        {"kind": "Pod", "spec": {"containers": [{"image": "a/kernel-module-management-operator:1"}]}},
    ],
)
def test_nothing_else_in_a_dump_counts_as_kmm(item: dict[str, Any]) -> None:
    assert controllers_in([item]) == ()
