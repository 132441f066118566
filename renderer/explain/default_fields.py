"""Why kmodgate, KMM or Kubernetes sets a field of a rendered object that no line of a spec says.

The counterpart of `renderer/fleet/fields/field_table.py`, which says which line decides a field.
"""

from __future__ import annotations

from kmodgate.policy.cluster.facts import PLUGIN_LABEL
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.kmm.defaults import default_paths
from kmodgate.policy.kmm.nodes.kernel_labels import KERNEL_ANNOTATION, KERNEL_LABEL_ANNOTATION
from kmodgate.renderer.compile.mirrors.mirror_sets import KINDS
from kmodgate.renderer.compile.policy_config_map import HASH_ANNOTATION
from kmodgate.renderer.deliveries.daemonset.pods import SCRIPT
from kmodgate.renderer.deliveries.kmm.objects import SPEC_ANNOTATION
from kmodgate.renderer.fleet.fields.field_table import SYNC_OPTIONS
from kmodgate.renderer.manifests.argo import SYNC_WAVE
from kmodgate.renderer.manifests.manifest import DRIVER_LABEL

_LABELS: FieldPath = ("metadata", "labels")
_ANNOTATIONS: FieldPath = ("metadata", "annotations")
_POD: FieldPath = ("spec", "template", "spec")
_PRIVILEGED = "worker pods load kernel modules, which Pod Security admission allows in a privileged namespace only"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a path of objects of a kind (any kind if empty) has its value, with all below the path."""

    kind: str
    path: FieldPath
    text: str


REASONS = (
    Reason("", ("apiVersion",), "the version that the cluster's API serves"),
    Reason("", ("metadata", "namespace"), "that of the driver, as the attached file names none"),
    Reason("", ("kind",), "the kind of object that the driver needs here"),
    Reason("Module", ("metadata", "name"), "a Module is called after its driver"),
    Reason("", (*_ANNOTATIONS, SYNC_WAVE), "the order of Argo CD: what others need is applied first and pruned last"),
    Reason("Module", (*_ANNOTATIONS, SYNC_OPTIONS), "a Module is pruned only after a person has confirmed it"),
    Reason("Namespace", (*_ANNOTATIONS, SYNC_OPTIONS), "never pruned, since a namespace takes everything in it along"),
    Reason("ConfigMap", (*_ANNOTATIONS, SYNC_OPTIONS), "an old Dockerfile goes only after the Module has moved on"),
    Reason("", (*_ANNOTATIONS, SPEC_ANNOTATION), "leads from the object to the file of its spec"),
    Reason("ConfigMap", ("data", "policy.yaml"), "the built-in profile, as no DriverPolicy selects the cluster"),
    Reason("", (*_ANNOTATIONS, HASH_ANNOTATION), "tells which policy the webhook of the cluster holds"),
    Reason("", (*_LABELS, "app.kubernetes.io/managed-by"), "marks what kmodgate has rendered"),
    Reason("", (*_LABELS, "app.kubernetes.io/name"), "marks what belongs to the driver"),
    Reason("Namespace", (*_LABELS, "pod-security.kubernetes.io/audit"), _PRIVILEGED),
    Reason("Namespace", (*_LABELS, "pod-security.kubernetes.io/enforce"), _PRIVILEGED),
    Reason("Namespace", (*_LABELS, "pod-security.kubernetes.io/warn"), _PRIVILEGED),
    Reason(
        "Namespace",
        (*_LABELS, "security.openshift.io/scc.podSecurityLabelSync"),
        "keeps OpenShift from overwriting the labels of Pod Security",
    ),
    *(
        reason
        for kind, _ in KINDS.values()
        for reason in (
            Reason(kind, ("metadata", "name"), "one object of a kind has all mirrors of the cluster"),
            Reason(
                kind, (*_ANNOTATIONS, SYNC_OPTIONS), "pruned only after a person has confirmed it: nodes are drained"
            ),
            Reason(kind, ("spec",), "OpenShift's own default, written out"),
        )
    ),
    Reason("ConfigMap", ("metadata", "name"), "ends in a hash of the Dockerfile: another text is another ConfigMap"),
    Reason("ConfigMap", ("immutable",), "another Dockerfile gets another ConfigMap, so this one never changes"),
    Reason("ServiceAccount", ("metadata", "name"), "the pods of each driver get an account of their own"),
    Reason("RoleBinding", (), "on OpenShift the account of a driver's pods needs the right to a privileged SCC"),
    Reason("ManagedClusterModule", ("metadata", "name"), "a ManagedClusterModule is called after its driver"),
    Reason("ManagedClusterModule", (*_ANNOTATIONS, SYNC_OPTIONS), "pruned only after a person has confirmed it"),
    Reason(
        "ManifestWork", ("metadata", "name"), "a name that KMM, which makes a ManifestWork of its own, does not give"
    ),
    Reason("ManifestWork", ("spec", "deleteOption"), "what unloading needs stays on the spoke when this one goes"),
    Reason(
        "ManifestWork", ("spec", "manifestConfigs"), "others write into these objects, too: only our fields are ours"
    ),
    Reason("ClusterRole", (), "the work agent of the spoke has no right on such objects by itself"),
    *(
        Reason(kind, (), "copies the pull secret of the hub to the spokes that the driver selects")
        for kind in ("ManagedClusterSetBinding", "Placement", "Policy", "PlacementBinding")
    ),
    Reason("DaemonSet", ("metadata", "name"), "the driver, the kernel and a hash of both: one DaemonSet a kernel"),
    Reason("DaemonSet", (*_ANNOTATIONS, SYNC_OPTIONS), "pruned only after a person has confirmed it"),
    Reason("DaemonSet", (*_ANNOTATIONS, KERNEL_ANNOTATION), "a kernel that nodes of the Cluster run or get next"),
    Reason("DaemonSet", (*_ANNOTATIONS, KERNEL_LABEL_ANNOTATION), "the node label that names the kernel"),
    Reason("DaemonSet", (*_LABELS, DRIVER_LABEL), "the driver that is unloaded when its DaemonSets leave"),
    Reason("DaemonSet", (*_LABELS, PLUGIN_LABEL), "by which the webhook knows what the plugin of a driver needs"),
    Reason("DaemonSet", ("spec", "selector"), "the DaemonSet's own pods; it cannot change, and neither does the name"),
    Reason("DaemonSet", ("spec", "updateStrategy"), "a node changes when its pod is deleted, unless the spec says so"),
    Reason("DaemonSet", (*_POD, "nodeSelector"), "the nodes that run the kernel, by the label that names it"),
    Reason("DaemonSet", (*_POD, "serviceAccountName"), "the driver's own account, as none is named"),
    Reason("DaemonSet", (*_POD, "terminationGracePeriodSeconds"), "how long it tries to unload what is in use"),
    Reason("DaemonSet", (*_POD, "priorityClassName"), "the node makes room for its drivers, and evicts them last"),
    Reason("DaemonSet", ("spec", "template"), "what pods need that load, hold and unload a driver"),
    Reason("ConfigMap", ("data", SCRIPT), "what the pods of the DaemonSets run"),
    Reason("Module", ("spec", "moduleLoader", "serviceAccountName"), "the driver's own account, as none is named"),
    Reason("Module", ("spec", "devicePlugin", "serviceAccountName"), "the driver's own account, as none is named"),
    Reason("Module", ("spec", "dra", "serviceAccountName"), "the driver's own account, as none is named"),
)
"""The most specific row of a path holds."""

POLICY_PLACE = "where the webhook of the cluster looks for the policy"
SERVICE_OBJECT = "what the image service needs here"
KEPT = "never pruned, since the service or its jobs do not start without it"
CONTENT_TAG = "contentTag appends a hash of Dockerfile, arguments, keys and files, so that a change is rebuilt"


def mirrored(before: str) -> str:
    """Why an image is another one than the spec names; `before` is empty where no spec names it."""
    if not before:
        return "set by kmodgate: the Dockerfile's default is pulled from a mirror, and builders ignore those of nodes"
    return f"pulled from a mirror, in place of {before}"


_KEY_IS_REQUIRED = "KMM requires the key; empty stands for the container's own image"
_DEFAULT = "the default of KMM, written out so that Argo CD sees no difference"


def reason(kind: str, path: FieldPath) -> str:
    """Why a path has its value where no spec says so; empty if that is not known."""
    if kind == "ManagedClusterModule" and path[:2] == ("spec", "moduleSpec"):
        return reason("Module", ("spec", *path[2:]))
    found = [row for row in REASONS if row.kind in ("", kind) and path[: len(row.path)] == row.path]
    if found:
        return max(found, key=lambda row: (len(row.path), row.kind)).text
    if kind == "Module" and path[-1:] == ("containerImage",) and "kernelMappings" in path:
        return _KEY_IS_REQUIRED
    pattern = ".".join(step for step in path if isinstance(step, str))
    if kind == "Module" and pattern in {name.replace("[]", "") for name in default_paths()}:
        return _DEFAULT
    return ""


_OF_OPERATOR = {
    ("Subscription", ("spec", "installPlanApproval")): "nothing is installed or upgraded that the spec does not name",
    ("Subscription", ("spec", "channel")): "that of the flavour, as the spec names none",
    ("Subscription", ("spec", "source")): "the catalog of the flavour on this platform, as the spec names none",
    ("Subscription", ("spec", "sourceNamespace")): "where catalogs are on this platform, as the spec names none",
    ("Subscription", ("spec", "config", "tolerations")): "the operator runs on the nodes that it serves",
    ("Subscription", ("spec", "config", "env")): "the operator of a spoke leaves building to its hub",
    ("OperatorGroup", ("spec",)): "the API server's default; without namespaces the group is for all of them",
    ("Namespace", ("metadata", "labels", "openshift.io/cluster-monitoring")): "OpenShift's Prometheus takes the alerts",
}
"""Kind and path of an object of KMM's operator → why it has its value, with all below the path."""


def why_in_operator(kind: str, path: FieldPath) -> str:
    """Why a path of an object of KMM's operator has its value where no spec says so."""
    if path == (*_ANNOTATIONS, SYNC_OPTIONS):
        return "without the operator nothing is unloaded"
    if path == (*_ANNOTATIONS, SYNC_WAVE):
        return reason("", path)
    found = (text for (of, above), text in _OF_OPERATOR.items() if of == kind and path[: len(above)] == above)
    return next(found, "what installs, configures or watches KMM's operator")


def why_in_service(path: FieldPath) -> str:
    """Why a path of an object of an image service has its value where no spec says so."""
    if path == (*_ANNOTATIONS, SYNC_OPTIONS):
        return KEPT
    return reason("", path) if path == (*_ANNOTATIONS, SYNC_WAVE) else SERVICE_OBJECT
