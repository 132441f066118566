"""Who acts for the cluster itself: the controllers that finish what people began, by the names they log in with."""

from __future__ import annotations

from collections.abc import Collection

_SPOKE = ("kmm-operator-controller", "kmm-operator-controller-manager")
_HUB = ("kmm-operator-hub-controller", "kmm-operator-hub-controller-manager")

_KMM_ACCOUNTS = {
    "kmm-operator-system": (*_SPOKE, *_HUB),
    "openshift-kmm": _SPOKE,
    "openshift-kmm-hub": _HUB,
}
"""Namespace that KMM is installed in → the ServiceAccounts of its controllers there, today's and those of 1.x.

OLM may install it elsewhere; anybody can make an account of that name in a namespace that is not KMM's, so that other
ones count only if the policy names them. Source: config/default, config/default-hub and config/rbac of
kubernetes-sigs/kernel-module-management and rh-ecosystem-edge/kernel-module-management.
"""

EVERY_CONTROLLER = "system:kube-controller-manager"
"""Who all of Kubernetes' controllers are where they have no ServiceAccounts of their own."""

KMM = frozenset(
    f"system:serviceaccount:{namespace}:{name}" for namespace, names in _KMM_ACCOUNTS.items() for name in names
)

CASCADE = frozenset(
    (
        EVERY_CONTROLLER,
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:serviceaccount:kube-system:namespace-controller",
    )
)
"""Who deletes what belongs to something that is deleted. Source: cmd/kube-controller-manager of Kubernetes."""


def _controller(name: str) -> frozenset[str]:
    """The users that a controller of Kubernetes may be."""
    return frozenset((EVERY_CONTROLLER, f"system:serviceaccount:kube-system:{name}"))


DAEMON_SETS = _controller("daemon-set-controller")
"""Who makes the pods of DaemonSets."""

JOBS = _controller("job-controller")
"""Who makes the pods of Jobs."""

MAKERS = {
    "apps/DaemonSet": DAEMON_SETS,
    "apps/Deployment": _controller("deployment-controller"),
    "apps/ReplicaSet": _controller("replicaset-controller"),
    "apps/StatefulSet": _controller("statefulset-controller"),
    "ReplicationController": _controller("replication-controller"),
    "batch/Job": JOBS,
    "batch/CronJob": _controller("cronjob-controller"),
}
"""Kind of a workload → who makes what it owns: its pods, or ReplicaSets or Jobs.

Source: pkg/controller and plugin/pkg/auth/authorizer/rbac/bootstrappolicy of Kubernetes.
"""

KUBEVIRT = frozenset(
    f"system:serviceaccount:{namespace}:{name}"
    for namespace, name in (
        ("kubevirt", "kubevirt-controller"),
        ("openshift-cnv", "kubevirt-controller"),
        ("cdi", "cdi-sa"),
        ("openshift-cnv", "cdi-sa"),
    )
)
"""Who makes pods that give machines their disks as devices.

Source: pkg/virt-operator/resource/generate/components/serviceaccountnames.go of kubevirt/kubevirt, and
pkg/operator/resources/namespaced/controller.go of kubevirt/containerized-data-importer.
"""


def is_kmm(user: str, named: Collection[str] = ()) -> bool:
    """Whether a user is one of KMM's controllers: a known one, or one that the policy names (`controllers`)."""
    return user in KMM or user in named


def is_controller(user: str, named: Collection[str] = ()) -> bool:
    """Whether a user is a controller whose finalizers and cascades must pass; the policy may name more."""
    return user in CASCADE or is_kmm(user, named)
