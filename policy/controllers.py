"""Who asks on behalf of the cluster: controllers that remove what is left of what somebody else deleted.

Sources: controller names of kube-controller-manager; install manifests of Kernel Module Management, upstream and for
OpenShift.
"""

from __future__ import annotations

from collections.abc import Collection

CONTROLLERS = frozenset(
    (
        "system:kube-controller-manager",
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:serviceaccount:kube-system:namespace-controller",
        "system:serviceaccount:kmm-operator-system:kmm-operator-controller",
        "system:serviceaccount:kmm-operator-system:kmm-operator-hub-controller",
        "system:serviceaccount:openshift-kmm:kmm-operator-controller",
        "system:serviceaccount:openshift-kmm-hub:kmm-operator-hub-controller",
    )
)
"""User names: the garbage collector, the namespace controller, and KMM where it is installed as documented."""


def is_controller(user: str, further: Collection[str] = ()) -> bool:
    """Whether a user is one of them, or of those that a policy names besides."""
    return user in CONTROLLERS or user in further
