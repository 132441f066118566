"""The ManifestWork by which a spoke gets what a Module needs there before the Module comes.

KMM's own ManifestWork of the Module has the name of the ManagedClusterModule in the same namespace, and its label. All
that unloading needs stays on the spoke when this one goes: with the default of Open Cluster Management the namespace
would be deleted while the Module is still in it, which then never unloads. Sources: work/v1/types.go of
open-cluster-management.io/api; manifests/klusterlet/managed of open-cluster-management-io/ocm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kmodgate.policy.config import Platform
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.deliveries.hub.attached_sides import without_sync
from kmodgate.renderer.deliveries.kmm import objects as kmm
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.fleet.targets.targets import Variant
from kmodgate.renderer.manifests import argo, service_accounts
from kmodgate.renderer.manifests.manifest import Identity, Manifest

WORK_PREFIX = "kmodgate-"

NAME = f"{WORK_PREFIX}{{}}"
"""The name of a driver's ManifestWork, and of all else beside its ManagedClusterModule."""

MANIFEST_WORK = ("work.open-cluster-management.io", "ManifestWork")
"""Group and kind."""

WORKLOAD: FieldPath = ("spec", "workload", "manifests")
"""Where a ManifestWork has the objects that it carries."""

AGENT_ROLE = f"{WORK_PREFIX}work-agent-{{}}"
"""The name of a ClusterRole that gives the work agent its right on a resource."""

AGGREGATE = "open-cluster-management.io/aggregate-to-work"
"""The label by which the work agent of a spoke gets the rights of a ClusterRole."""

_VERBS: list[Json] = ["create", "delete", "get", "list", "patch", "update", "watch"]

_RIGHTS = {
    ("kmm.sigs.x-k8s.io", "Module"): "modules",
    ("external-secrets.io", "ExternalSecret"): "externalsecrets",
    ("bitnami.com", "SealedSecret"): "sealedsecrets",
}
"""Kinds that the work agent has no right on by itself, and the names of their resources."""

_KEPT = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Secret": "secrets",
    "ExternalSecret": "externalsecrets",
    "SealedSecret": "sealedsecrets",
}
"""Kinds that unloading may need, and the names of their resources."""

_SHARED_FIELDS = ("Namespace", "ServiceAccount")
"""Kinds that others write labels and pull secrets into, so that only our own fields are applied."""


class ManifestWorks:
    """The ManifestWorks of one driver; spokes of one platform get the same objects."""

    def __init__(self, variant: Variant, attached: Sequence[Manifest]) -> None:
        self._variant = variant
        self._attached = attached
        self._contents: dict[Platform, list[Manifest]] = {}

    def manifest(self, spoke: str, platform: Platform) -> Manifest:
        """Return the ManifestWork for a spoke, in the namespace that the hub has for it."""
        if platform not in self._contents:
            self._contents[platform] = list(self._content(platform))
        content, variant = self._contents[platform], self._variant
        driver = variant.driver
        value: JsonMap = {
            "apiVersion": "work.open-cluster-management.io/v1",
            "kind": "ManifestWork",
            "metadata": {
                "name": NAME.format(driver.name),
                "namespace": spoke,
                "labels": {"app.kubernetes.io/name": driver.name, **service_accounts.MANAGED_BY},
                "annotations": {**argo.sync_annotations("ManifestWork"), kmm.SPEC_ANNOTATION: driver.document.file},
            },
            "spec": {
                "workload": {"manifests": [item.value for item in content]},
                "deleteOption": {
                    "propagationPolicy": "SelectivelyOrphan",
                    "selectivelyOrphans": {"orphaningRules": list(_orphaning_rules(content))},
                },
                **({"manifestConfigs": configs} if (configs := list(_manifest_configs(content))) else {}),
            },
        }

        def trace(path: FieldPath) -> Origin:
            if path[:3] == WORKLOAD and len(path) > 3:
                return content[int(path[3])].trace(path[4:])
            return kmm.ObjectTrace(variant, "ManifestWork", ("hub", "selector"))(path)

        work = kmm.manifest(variant, value, trace)
        return Manifest(work.value, work.driver, work.file, trace, elsewhere={spoke: content})

    def _content(self, platform: Platform) -> Iterator[Manifest]:
        """The rights of the work agent first, since it applies in order; the namespace before what lies in it."""
        variant = self._variant
        groups = {(item.identity.group, item.identity.kind) for item in self._attached}
        for group, kind in _RIGHTS:
            if kind == "Module" or (group, kind) in groups:
                value = _cluster_role(group, _RIGHTS[group, kind])
                trace = kmm.ObjectTrace(variant, "ClusterRole", ("delivery",))
                yield kmm.manifest(variant, value, trace, shareable=True)
        yield from map(without_sync, kmm.surroundings(variant, platform))
        yield from self._attached


def carried(work: Manifest, path: FieldPath) -> tuple[str, Manifest, FieldPath] | None:
    """Return the object that a path of a ManifestWork leads into, with its spoke and the path there.

    None for what a ManifestWork does not carry, and for every other object.
    """
    depth = len(WORKLOAD)
    if work.identity.kind != MANIFEST_WORK[1] or path[:depth] != WORKLOAD or len(path) == depth:
        return None
    spoke, content = next(iter(work.elsewhere.items()), ("", ()))
    return (spoke, content[int(path[depth])], path[depth + 1 :]) if content else None


def _cluster_role(group: str, resource: str) -> JsonMap:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": AGENT_ROLE.format(resource),
            "labels": {**service_accounts.MANAGED_BY, AGGREGATE: "true"},
        },
        "rules": [{"apiGroups": [group], "resources": [resource], "verbs": _VERBS}],
    }


def _orphaning_rules(content: Iterable[Manifest]) -> Iterator[Json]:
    return (_reference(item.identity) for item in content if item.identity.kind in _KEPT)


def _manifest_configs(content: Iterable[Manifest]) -> Iterator[Json]:
    """Server-side apply with force: KMM and OpenShift label the namespace, and OpenShift adds to ServiceAccounts."""
    strategy: Any = {"type": "ServerSideApply", "serverSideApply": {"force": True}}
    for item in content:
        if item.identity.kind in _SHARED_FIELDS:
            yield {"resourceIdentifier": _reference(item.identity), "updateStrategy": strategy}


def _reference(identity: Identity) -> JsonMap:
    """An object as Open Cluster Management refers to it, without what is empty."""
    parts = {
        "group": identity.group,
        "resource": _KEPT[identity.kind],
        "namespace": identity.namespace,
        "name": identity.name,
    }
    return {key: text for key, text in parts.items() if text}
