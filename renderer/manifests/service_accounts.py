"""What a Module needs around it: its namespace, ServiceAccounts and, on OpenShift, the right to a privileged SCC.

Sources: Kernel Module Management, docs/mkdocs/documentation/deploy_kmod.md (ServiceAccounts and SCC); Kubernetes,
Pod Security Admission; OpenShift, pod security label synchronisation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from kmodgate.policy.config import WITH_SCC, Platform
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests import argo

DEFAULT = "default"
"""The account that every namespace has. It is nobody's to render, and all pods without an account share its rights."""

MANAGED_BY: dict[str, Json] = {"app.kubernetes.io/managed-by": "kmodgate"}


_OF_OPENSHIFT = ("openshift", "openshift-infra", "openshift-node", "openshift-operators", "operators")


def is_clusters_own(namespace: str) -> bool:
    """Whether a namespace comes with the cluster or with OLM: its labels are those of others, too.

    Source: Kubernetes, Namespaces (initial namespaces, the prefix `kube-`).
    """
    return namespace == "default" or namespace.startswith("kube-") or namespace in _OF_OPENSHIFT


def namespace(name: str, platform: Platform) -> JsonMap:
    """The namespace, privileged for Pod Security; never pruned, since a namespace takes everything in it along."""
    labels: dict[str, Json] = dict(MANAGED_BY)
    for mode in ("audit", "enforce", "warn"):
        labels[f"pod-security.kubernetes.io/{mode}"] = "privileged"
    if platform in WITH_SCC:
        labels["security.openshift.io/scc.podSecurityLabelSync"] = "false"
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": argo.sync_annotations("Namespace", argo.NEVER_REMOVED),
        },
    }


@lru_cache(maxsize=1024)
def service_account(name: str, namespace: str) -> JsonMap:
    """The ServiceAccount, one object for all clusters that have it."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata_in("ServiceAccount", name, namespace)}


def scc_binding(account: str, namespace: str, scc: str) -> JsonMap:
    """The RoleBinding that lets the pods of an account use an SCC, in the namespace where the pods run."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata_in("RoleBinding", f"{account}-scc-{scc}", namespace),
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": f"system:openshift:scc:{scc}",
        },
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


@dataclass(frozen=True, slots=True)
class Account:
    """The ServiceAccount of some of a driver's pods; an empty name is none.

    `pods` is the key of the spec that they are described under: empty for those that load, `devicePlugin`, `dra`.
    `is_named` is whether the author named it, rather than leaving that to us.
    """

    pods: str
    name: str
    is_named: bool


def accounts(driver: str, spec: JsonMap) -> Iterator[Account]:
    """The accounts of all pods of a driver.

    Where DaemonSets load it, the device plugin has pods of its own only if the spec says so.
    """
    if "modprobe" in spec:
        yield _account("", spec, driver)
    options = spec.get("daemonset")
    if spec.get("delivery") == "daemonset" and not (isinstance(options, dict) and options.get("separate")):
        return
    for key, suffix in (("devicePlugin", "device-plugin"), ("dra", "dra")):
        pods = spec.get(key)
        if isinstance(pods, dict):
            yield _account(key, pods, f"{driver}-{suffix}")


def _account(pods: str, level: JsonMap, default: str) -> Account:
    return Account(pods, str(level.get("serviceAccountName", default)), "serviceAccountName" in level)


def metadata_in(kind: str, name: str, namespace: str) -> JsonMap:
    """The metadata of an object that no spec describes: ours, and in the wave of its kind."""
    return {
        "name": name,
        "namespace": namespace,
        "labels": dict(MANAGED_BY),
        "annotations": argo.sync_annotations(kind),
    }
