"""Who is believed by name: controllers, and ServiceAccounts that may load kernel modules."""

from __future__ import annotations

import pytest

from kmodgate.policy.cluster.controllers import is_controller, is_kmm
from kmodgate.policy.formats.kubernetes_names import is_dns1123_label, is_dns1123_subdomain
from kmodgate.policy.node_access.module_loaders import is_approved
from kmodgate.policy.node_access.starters import STARTERS
from kmodgate.policy.views.pod import PodView


@pytest.mark.parametrize(
    ("user", "kmm", "controller"),
    [
        ("system:serviceaccount:kmm-operator-system:kmm-operator-controller", True, True),
        ("system:serviceaccount:openshift-kmm:kmm-operator-controller", True, True),
        ("system:serviceaccount:openshift-kmm-hub:kmm-operator-hub-controller", True, True),
        ("system:serviceaccount:kmm-operator-system:kmm-operator-hub-controller-manager", True, True),
        ("system:serviceaccount:openshift-kmm:kmm-operator-hub-controller", False, False),
        ("system:serviceaccount:openshift-kmm-hub:kmm-operator-controller", False, False),
        ("system:serviceaccount:operators:kmm-operator-controller", False, False),
        ("system:serviceaccount:site:kmm", True, True),
        ("system:serviceaccount:kube-system:generic-garbage-collector", False, True),
        ("system:serviceaccount:kube-system:namespace-controller", False, True),
        ("system:kube-controller-manager", False, True),
        ("system:serviceaccount:default:kmm-operator-controller", False, False),
        ("system:serviceaccount:openshift-kmm:default", False, False),
        ("system:admin", False, False),
        ("", False, False),
    ],
)
def test_a_controller_is_known_by_its_whole_user_name(user: str, kmm: bool, controller: bool) -> None:
    named = ("system:serviceaccount:site:kmm",)
    assert (is_kmm(user, named), is_controller(user, named)) == (kmm, controller)


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
    assert is_approved(pod("storage", "csi"), "alice", approved, (), platform="kubernetes")
    assert is_approved(pod("storage"), "alice", approved, (), platform="kubernetes")
    assert is_approved(pod("kube-system", "cilium"), "alice", (), (), platform="kubernetes")
    assert not is_approved(pod("shop", "csi"), "alice", approved, (), platform="kubernetes")
    assert not is_approved(pod("shop", "cilium"), "alice", approved, (), platform="kubernetes")
    assert not is_approved(
        pod("shop", "a", app="cilium", **{"kmm.node.kubernetes.io/role": "dra"}), "alice", (), (), platform="kubernetes"
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
    assert is_approved(asked, "alice", (), (), platform="openshift") is openshift
    assert is_approved(asked, "alice", (), (), platform="kubernetes") is kubernetes


def test_namespaces_of_openshift_are_bound_to_it() -> None:
    assert {item.platform for item in STARTERS if item.namespace.startswith("openshift-")} == {"openshift"}


def test_an_owner_is_believed_only_where_nobody_asks() -> None:
    worker = pod("drivers")
    worker.controllers = [("kmm.sigs.x-k8s.io", "NodeModulesConfig")]
    assert is_approved(worker, "", (), (), platform="kubernetes")
    assert not is_approved(worker, "alice", (), (), platform="kubernetes")
    assert is_approved(
        worker, "system:serviceaccount:openshift-kmm:kmm-operator-controller", (), (), platform="kubernetes"
    )
