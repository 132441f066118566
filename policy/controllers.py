"""Who acts for the cluster itself: the controllers that finish what people began, by the names they log in with."""

from __future__ import annotations

from collections.abc import Collection

_KMM_NAMESPACES = {
    "kmm-operator-system": "config/default and config/default-hub of kubernetes-sigs/kernel-module-management",
    "operators": "upstream through OLM, where OperatorHub installs",
    "openshift-kmm": "config/default of rh-ecosystem-edge/kernel-module-management",
    "openshift-kmm-hub": "config/default-hub of rh-ecosystem-edge/kernel-module-management",
}
"""Namespace that KMM is installed in → by what."""

_KMM_ACCOUNTS = {
    "kmm-operator-controller": "config/rbac-base/service_account.yaml with the prefix of config/default",
    "kmm-operator-hub-controller": "the same with the prefix of config/default-hub",
    "kmm-operator-controller-manager": "config/rbac/service_account.yaml of KMM 1.x",
    "kmm-operator-hub-controller-manager": "the same of the hub's 1.x",
}
"""ServiceAccount of KMM's controllers → where it is from."""

EVERY_CONTROLLER = "system:kube-controller-manager"
"""Who all of Kubernetes' controllers are where they have no ServiceAccounts of their own."""

KMM = frozenset(f"system:serviceaccount:{namespace}:{name}" for namespace in _KMM_NAMESPACES for name in _KMM_ACCOUNTS)

CASCADE = frozenset(
    (
        EVERY_CONTROLLER,
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:serviceaccount:kube-system:namespace-controller",
    )
)
"""Who deletes what belongs to something that is deleted. Source: cmd/kube-controller-manager of Kubernetes."""

DAEMON_SETS = frozenset((EVERY_CONTROLLER, "system:serviceaccount:kube-system:daemon-set-controller"))
"""Who makes the pods of DaemonSets."""


def is_kmm(user: str, named: Collection[str] = ()) -> bool:
    """Whether a user is one of KMM's controllers: a known one, or one that the policy names (`controllers`)."""
    return user in KMM or user in named


def is_controller(user: str, named: Collection[str] = ()) -> bool:
    """Whether a user is a controller whose finalizers and cascades must pass; the policy may name more."""
    return user in CASCADE or is_kmm(user, named)
