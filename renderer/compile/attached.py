"""Objects that a driver brings along in files of its own: RBAC or ConfigMaps that a device plugin needs."""

from __future__ import annotations

from policy.documents import Document
from policy.findings import FieldPath
from renderer.compile import argo
from renderer.compile.access import MANAGED_BY
from renderer.fleet import Variant
from renderer.manifest import Manifest, Origin
from renderer.specs import JsonMap

_NAMESPACED = {
    "ConfigMap", "Secret", "Service", "ServiceAccount", "Pod", "PersistentVolumeClaim", "LimitRange", "ResourceQuota",
    "Role", "RoleBinding", "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "Job", "CronJob",
    "NetworkPolicy", "Ingress", "PodDisruptionBudget", "ServiceMonitor", "PodMonitor", "PrometheusRule",
    "ExternalSecret", "SealedSecret",
}  # fmt: skip


def manifest(variant: Variant, document: Document, namespace: str) -> Manifest:
    """The object as its file has it, in the driver's namespace and in a sync wave unless it says otherwise."""
    value: JsonMap = dict(document.value)  # type: ignore[arg-type]
    metadata: JsonMap = dict(value["metadata"])  # type: ignore[arg-type]
    kind = str(value["kind"])
    if kind in _NAMESPACED:
        metadata.setdefault("namespace", namespace)
    metadata["labels"] = {**MANAGED_BY, **metadata.get("labels", {})}  # type: ignore[dict-item]
    metadata["annotations"] = {**argo.sync_annotations(kind), **metadata.get("annotations", {})}  # type: ignore[dict-item]
    value["metadata"] = metadata
    return Manifest(value, variant.driver.name, document.file, lambda path: _origin(document, path))


def _origin(document: Document, path: FieldPath) -> Origin:
    line, column = document.position(path)
    return Origin(document.file, line, column, "attached" if document.has(path) else "default", path)
