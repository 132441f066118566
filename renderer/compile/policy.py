"""The policy of a cluster as the webhook there mounts it, so that the commit and the cluster are judged alike."""

from __future__ import annotations

from policy.config import Policy
from policy.findings import FieldPath
from renderer.compile import argo
from renderer.compile.access import MANAGED_BY
from renderer.emit import emit
from renderer.manifest import Manifest, Origin
from renderer.specs import DriverPolicy, JsonMap

NAMESPACE = "kmodgate-system"
CONFIG_MAP = "kmodgate-policy"
HASH_ANNOTATION = "kmodgate.io/policy-hash"


def manifests(source: DriverPolicy, effective: Policy) -> list[Manifest]:
    """Namespace and ConfigMap; the data is the DriverPolicy without its clusters, with the profile that holds."""
    spec = source.document.value["spec"]  # type: ignore[index,call-overload]
    held = {key: value for key, value in spec.items() if key != "clusters"} | {"profile": effective.profile}  # type: ignore[union-attr]
    document: JsonMap = {
        "apiVersion": "kmodgate.io/v1alpha1",
        "kind": "DriverPolicy",
        "metadata": {"name": source.name},
        "spec": held,
    }
    namespace: JsonMap = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": dict(MANAGED_BY),
            "annotations": argo.sync_annotations("Namespace", argo.NEVER_REMOVED),
        },
    }
    config_map: JsonMap = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": CONFIG_MAP,
            "namespace": NAMESPACE,
            "labels": dict(MANAGED_BY),
            "annotations": {**argo.sync_annotations("ConfigMap"), HASH_ANNOTATION: effective.digest},
        },
        "data": {"policy.yaml": emit(document)},
    }

    def trace(path: FieldPath) -> Origin:
        place: FieldPath = ("spec",) if path[:1] == ("data",) else ("metadata", "name")
        line, column = source.document.position(place)
        return Origin(source.document.file, line, column, "driver" if len(place) == 1 else "default", place)

    return [Manifest(value, None, source.document.file, trace) for value in (namespace, config_map)]
