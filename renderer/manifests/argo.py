"""Argo CD annotations: the order in which objects are applied and pruned, and what may be pruned at all.

A wave is applied after the lower ones and pruned before them, so a Module leaves while all that its unloading needs
is still there. Source: Argo CD, docs/user-guide/sync-waves.md and sync-options.md.
"""

from __future__ import annotations

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.fields.field_table import SYNC_OPTIONS
from kmodgate.renderer.fleet.specs import JsonMap

SYNC_WAVE = "argocd.argoproj.io/sync-wave"

_WAVES = {
    "Namespace": -20,
    "CustomResourceDefinition": -15,
    "RuntimeClass": -15,
    "PriorityClass": -15,
    "ServiceAccount": -15,
    "Role": -15,
    "RoleBinding": -15,
    "ClusterRole": -15,
    "ClusterRoleBinding": -15,
    "ImageDigestMirrorSet": -15,
    "ImageTagMirrorSet": -15,
    "OperatorGroup": -10,
    "Subscription": -10,
    "ConfigMap": -5,
    "Secret": -5,
    "ExternalSecret": -5,
    "SealedSecret": -5,
    "ManifestWork": 0,
    "BootModuleConfig": 5,
    "MachineConfig": 5,
    "Module": 5,
    "ManagedClusterModule": 5,
    "DaemonSet": 10,
    "Deployment": 10,
    "MutatingWebhookConfiguration": 15,
    "ValidatingWebhookConfiguration": 15,
}

NEVER_REMOVED = "Prune=false,Delete=false"
ASK_BEFORE_REMOVAL = "Prune=confirm,Delete=confirm"
PRUNED_LAST = "PruneLast=true"
KIND_MAY_BE_MISSING = "SkipDryRunOnMissingResource=true"
"""For an object whose kind an earlier wave of the same sync brings: without it no wave begins."""


def sync_annotations(kind: str, options: str = "") -> dict[str, Json]:
    """The annotations of an object of this kind; kinds that the table does not know go into wave 0."""
    result: dict[str, Json] = {SYNC_OPTIONS: options} if options else {}
    result[SYNC_WAVE] = str(_WAVES.get(kind, 0))
    return result


def with_sync_option(value: JsonMap, option: str) -> JsonMap:
    """Return an object with one more option of Argo CD beside those that it has."""
    metadata = metadata_of(value)
    annotations = as_map(metadata.get("annotations"))
    options = [item for item in str(annotations.get(SYNC_OPTIONS, "")).split(",") if item]
    if option not in options:
        annotations = {**annotations, SYNC_OPTIONS: ",".join((*options, option))}
    return {**value, "metadata": {**metadata, "annotations": annotations}}


def is_never_pruned(value: JsonMap) -> bool:
    """Whether Argo CD leaves an object in the cluster that is not in the tree any more."""
    return "Prune=false" in str(as_map(metadata_of(value).get("annotations")).get(SYNC_OPTIONS, ""))
