"""Who acts for the cluster itself: the controllers that finish what people began, by the names they log in with."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from kmodgate.policy.cluster.facts import Object, as_map, metadata_of
from kmodgate.policy.lazy import lazy_regex

_SPOKE = ("kmm-operator-controller", "kmm-operator-controller-manager")
_HUB = ("kmm-operator-hub-controller", "kmm-operator-hub-controller-manager")

_KMM_ACCOUNTS = {
    "kmm-operator-system": (*_SPOKE, *_HUB),
    "openshift-kmm": _SPOKE,
    "openshift-kmm-hub": _HUB,
}
"""Namespace that KMM is installed in → the ServiceAccounts of its controllers there, today's and those of 1.x.

It may be installed elsewhere; anybody can make an account of that name in a namespace that is not KMM's, so that other
ones count only if the policy names them. Source: config/default, config/default-hub and config/rbac of
kubernetes-sigs/kernel-module-management and rh-ecosystem-edge/kernel-module-management.
"""

HUB_NAMESPACES = {"upstream": "kmm-operator-system", "redhat": "openshift-kmm-hub"}
"""The namespace of the hub's operator, in which it builds and signs, by the flavour of its KMM."""

PACKAGE = "kernel-module-management"
HUB_PACKAGE = "kernel-module-management-hub"
"""The packages of the Operator Lifecycle Manager: KMM itself, and the operator of a hub."""

_OLM = "operators"
"""The namespace in which the Operator Lifecycle Manager installs what is for all namespaces."""

EVERY_CONTROLLER = "system:kube-controller-manager"
"""Who all of Kubernetes' controllers are where they have no ServiceAccounts of their own."""

KMM = frozenset(
    f"system:serviceaccount:{namespace}:{name}" for namespace, names in _KMM_ACCOUNTS.items() for name in names
)

COLLECTORS = frozenset((EVERY_CONTROLLER, "system:serviceaccount:kube-system:generic-garbage-collector"))
"""Who deletes what belongs to something that is gone."""

CASCADE = COLLECTORS | {"system:serviceaccount:kube-system:namespace-controller"}
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

OLM_GROUP = "operators.coreos.com"
"""The group of the kinds of the Operator Lifecycle Manager."""

OLM = frozenset(
    f"system:serviceaccount:{namespace}:olm-operator-serviceaccount"
    for namespace in ("olm", "openshift-operator-lifecycle-manager")
)
"""The Operator Lifecycle Manager, which deletes the ClusterServiceVersions that it replaces, and old InstallPlans.

Source: deploy/chart and manifests of operator-framework/operator-lifecycle-manager.
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


def _user(namespace: str, account: str) -> str:
    return f"system:serviceaccount:{namespace}:{account}"


def controllers_of(flavour: str, namespace: str = "", *, is_hub: bool = False) -> tuple[str, ...]:
    """Return the users of KMM's controllers, by its flavour and the namespace it is installed in.

    Without a namespace they are in the flavour's own, or for upstream in the one in which OLM installs it. On a hub
    `namespace` is that of the hub's operator, and a spoke's operator may run beside it in the flavour's own.
    """
    if flavour == "redhat":
        usual = {place: _KMM_ACCOUNTS[place] for place in ("openshift-kmm", "openshift-kmm-hub")}
    else:
        usual = {place: (*_SPOKE, *_HUB) for place in ("kmm-operator-system", _OLM)}
    places = {namespace: (*_SPOKE, *_HUB)} if namespace else usual
    if namespace and is_hub:
        beside = {place: tuple(name for name in names if name in _SPOKE) for place, names in usual.items()}
        places = beside | places
    return tuple(_user(place, name) for place, names in places.items() for name in names)


def controllers_in(objects: Iterable[Object]) -> tuple[str, ...]:
    """The users that KMM's controllers are, by the Deployments and ClusterServiceVersions of a dump, sorted.

    KMM is known by the image of its operator, whoever has built and named it; AMD's GPU Operator brings one. A copy
    that OLM makes of a ClusterServiceVersion for another namespace tells nothing.
    """
    found: set[str] = set()
    for item in objects:
        metadata = metadata_of(item)
        if item.get("kind") == "Deployment":
            specs = [as_map(item.get("spec"))]
        elif item.get("kind") == "ClusterServiceVersion" and _COPIED not in as_map(metadata.get("labels")):
            install = as_map(as_map(as_map(item.get("spec")).get("install")).get("spec"))
            specs = [as_map(as_map(entry).get("spec")) for entry in _listed(install, "deployments")]
        else:
            continue
        pods = (as_map(as_map(spec.get("template")).get("spec")) for spec in specs)
        accounts = (str(pod.get("serviceAccountName") or "default") for pod in pods if runs_kmm(pod))
        found |= {_user(str(metadata.get("namespace", "")), account) for account in accounts}
    return tuple(sorted(found))


_COPIED = "olm.copiedFrom"
_OPERATOR = lazy_regex(
    r"(?:.*/)?kernel-module-management-(?:(?:rhel[0-9]+-)?(?:hub-)?operator|operator-hub)(?:-rhel[0-9]+)?"
)
"""The name of the operator's image, without tag and digest.

Source: config/manager-base of kernel-module-management; registry.redhat.io/kmm; helm-charts-k8s of ROCm/gpu-operator.
"""


_VARIABLES = ("RELATED_IMAGE_WORKER", "RELATED_IMAGE_SIGN", "OPERATOR_NAMESPACE")


def runs_kmm(pod: Object) -> bool:
    """Return whether a container of a pod runs KMM's operator, by its image or by the images that it is to start."""
    for container in map(as_map, _listed(pod, "containers")):
        image = str(container.get("image", "")).partition("@")[0]
        name = image if ":" not in image.rpartition("/")[2] else image.rpartition(":")[0]
        variables = {str(as_map(entry).get("name")) for entry in _listed(container, "env")}
        if (
            _OPERATOR.fullmatch(name)
            or {"RELATED_IMAGE_WORKER", "RELATED_IMAGE_SIGN", "OPERATOR_NAMESPACE"} <= variables
        ):
            return True
    return False


def _listed(value: Object, key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def namespaces_of(users: Iterable[str]) -> frozenset[str]:
    """Return the namespaces of ServiceAccounts, by their names as users."""
    return frozenset(user.split(":")[2] for user in users if user.startswith("system:serviceaccount:"))


def is_controller(user: str, named: Collection[str] = ()) -> bool:
    """Whether a user may be a controller, whose changes of metadata must pass: also who usually is KMM and unnamed."""
    return user in CASCADE or user in KMM or user in named


def is_kmm(user: str, named: Collection[str], platform: str) -> bool:
    """Whether a user counts as one of KMM's controllers, in whatever others may not do.

    Where nobody is named as KMM, that is everybody who usually is. Where somebody is, the usual ones do not count
    beside: whoever may create a namespace called like one of theirs has such an account. On OpenShift those in
    `openshift-*` always count, because nobody can request a project of that name.
    """
    if user in named:
        return True
    return user in KMM and (not named or (platform == "openshift" and user.startswith(_OF_OPENSHIFT)))


_OF_OPENSHIFT = "system:serviceaccount:openshift-"


def kmm_users(named: Collection[str], platform: str) -> frozenset[str]:
    """Return all users for whom `is_kmm` holds."""
    return frozenset(user for user in {*KMM, *named} if is_kmm(user, named, platform))


def hub_namespaces(named: Collection[str], platform: str) -> frozenset[str]:
    """Return the namespaces in which a hub's operator may build and sign: those of KMM's users, but a spoke's usual."""
    users = kmm_users(named, platform)
    return namespaces_of(users - KMM) | (namespaces_of(users & KMM) - _OF_SPOKES)


_OF_SPOKES = frozenset(place for place, names in _KMM_ACCOUNTS.items() if names == _SPOKE)


def may_take_away(user: str, named: Collection[str], platform: str) -> bool:
    """Whether a user is a controller that may write KMM's records and delete what Modules need."""
    return user in CASCADE or is_kmm(user, named, platform)


def takers_away(named: Collection[str], platform: str) -> frozenset[str]:
    """Return all users for whom `may_take_away` holds."""
    return CASCADE | kmm_users(named, platform)


_MAY_BE_KMM = lazy_regex(r"system:serviceaccount:[^:]+:[^:]*(?:kmm|kernel-module-management)[^:]*")


def fix_for(user: str, fix: str) -> str:
    """Return how to answer the refusal of a user: where its name may be KMM's, and is not named, also by naming it.

    AMD's GPU Operator, and others, bring a KMM whose accounts have names of their own.
    """
    if user not in KMM and not _MAY_BE_KMM.fullmatch(user):
        return fix
    return f"if {user} is KMM here, name it under parameters.controllers; otherwise {fix}"
