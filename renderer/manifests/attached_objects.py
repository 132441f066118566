"""Objects that a driver brings along in files of its own: RBAC or ConfigMaps that a device plugin needs."""

from __future__ import annotations

from functools import partial

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Document
from kmodgate.renderer.fleet.fields.field_table import SYNC_OPTIONS
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import CLUSTER_SCOPED, JsonMap
from kmodgate.renderer.fleet.targets.targets import Variant
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

_SHAREABLE = {"Namespace", "ServiceAccount", "RoleBinding"}


def manifest(variant: Variant, document: Document, namespace: str) -> Manifest:
    """The object as its file has it, in the driver's namespace and in a sync wave unless it says otherwise."""
    value: JsonMap = dict(document.value)  # type: ignore[arg-type]
    metadata: JsonMap = dict(value["metadata"])  # type: ignore[arg-type]
    kind = str(value["kind"])
    if kind not in CLUSTER_SCOPED:
        metadata.setdefault("namespace", namespace)
    metadata["labels"] = {**MANAGED_BY, **metadata.get("labels", {})}  # type: ignore[dict-item]
    annotations: JsonMap = {**argo.sync_annotations(kind), **metadata.get("annotations", {})}  # type: ignore[dict-item]
    if kind == "Namespace":  # it would take everything in it along
        annotations[SYNC_OPTIONS] = argo.NEVER_REMOVED
    metadata["annotations"] = annotations
    value["metadata"] = metadata
    trace = partial(_origin, document)
    return Manifest(value, variant.driver, document.file, trace, shareable=kind in _SHAREABLE)


def _origin(document: Document, path: FieldPath) -> Origin:
    line, column = document.position(path)
    return Origin(document.file, line, column, "attached" if document.has(path) else "default", path)
