"""Which kinds of objects an API server sends for a resource or subresource that the webhook knows.

The main resources are those of the webhook's entries. A subresource takes the object of its resource, or one of a kind
of its own; for CONNECT that is a set of options.

Sources: the storages of Kubernetes' API groups (pkg/registry/core/rest, pkg/registry/apps/rest), whose `New` is the
kind that admission is told; Dynamic Admission Control of Kubernetes (matchPolicy: Equivalent converts to the registered
resource).
"""

from __future__ import annotations

from kmodgate.policy.cluster.dependents import RESOURCES
from kmodgate.policy.kmm.kinds import GROUPS
from kmodgate.policy.webhook_entries.entry_table import PLURALS, ROWS

_Kind = tuple[str, str]
"""Group and kind."""

_Place = tuple[str, str, str]
"""Group, resource and subresource."""

_OF_OTHERS: dict[tuple[str, str], str] = {
    ("", "limitranges"): "LimitRange",
    ("", "namespaces"): "Namespace",
    ("", "pods"): "Pod",
    ("", "replicationcontrollers"): "ReplicationController",
    ("", "resourcequotas"): "ResourceQuota",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "CustomResourceDefinition",
    ("apps", "daemonsets"): "DaemonSet",
    ("apps", "deployments"): "Deployment",
    ("apps", "replicasets"): "ReplicaSet",
    ("apps", "statefulsets"): "StatefulSet",
    ("batch", "cronjobs"): "CronJob",
    ("batch", "jobs"): "Job",
    ("cluster.open-cluster-management.io", "managedclusters"): "ManagedCluster",
    ("machineconfiguration.openshift.io", "machineconfigs"): "MachineConfig",
    ("operators.coreos.com", "clusterserviceversions"): "ClusterServiceVersion",
    ("operators.coreos.com", "installplans"): "InstallPlan",
    ("operators.coreos.com", "operatorgroups"): "OperatorGroup",
    ("operators.coreos.com", "subscriptions"): "Subscription",
}

_SCALE = ("autoscaling", "Scale")

_OF_SUBRESOURCES: dict[_Place, _Kind] = {
    ("", "namespaces", "finalize"): ("", "Namespace"),
    ("", "pods", "attach"): ("", "PodAttachOptions"),
    ("", "pods", "binding"): ("", "Binding"),
    ("", "pods", "ephemeralcontainers"): ("", "Pod"),
    ("", "pods", "eviction"): ("policy", "Eviction"),
    ("", "pods", "exec"): ("", "PodExecOptions"),
    ("", "pods", "portforward"): ("", "PodPortForwardOptions"),
    ("", "pods", "proxy"): ("", "PodProxyOptions"),
    ("", "pods", "resize"): ("", "Pod"),
    ("", "replicationcontrollers", "scale"): _SCALE,
    ("", "serviceaccounts", "token"): ("authentication.k8s.io", "TokenRequest"),
    ("apps", "deployments", "scale"): _SCALE,
    ("apps", "replicasets", "scale"): _SCALE,
    ("apps", "statefulsets", "scale"): _SCALE,
}
"""Besides `status`, which every resource may have. The webhook looks into none that has a kind of its own."""

_OF_KMM = frozenset(GROUPS.values())


def _pairs() -> dict[_Place, frozenset[_Kind]]:
    named = _OF_OTHERS | {(GROUPS[kind], plural): kind for kind, plural in PLURALS.items()}
    named |= {place: kind.rpartition("/")[2] for kind, place in RESOURCES.items()}
    resources = [item for row in ROWS for item in row.resources]
    kinds = {(item.group, name.partition("/")[0]) for item in resources for name in item.names} & named.keys()
    found = {(*place, sub): frozenset({(place[0], named[place])}) for place in kinds for sub in ("", "status")}
    own = {
        (group, name, sub): frozenset({kind, (group, named[group, name])})
        for (group, name, sub), kind in _OF_SUBRESOURCES.items()
    }
    return found | own | {("", "bindings", ""): frozenset({("", "Binding")})}


PAIRS = _pairs()
"""The kinds of objects by resource and subresource: that of the resource, and the subresource's own."""

_KNOWN = frozenset(kind for kinds in PAIRS.values() for kind in kinds)


def is_pair(kind: _Kind, place: _Place) -> bool:
    """Whether an API server sends an object of a kind for a resource or subresource.

    Of the groups of KMM, which may bring new kinds, each kind is one of its resources. Resources of which the webhook
    knows nothing pass unseen, with kinds that it does not know either: a configuration that somebody has widened must
    not stop the nodes of a cluster.
    """
    group, resource, _ = place
    kinds = PAIRS.get(place)
    if kinds is not None:
        return kind in kinds
    is_known = (group, resource, "") in PAIRS or kind in _KNOWN
    return not is_known if group not in _OF_KMM else kind[0] == group and kind not in _KNOWN
