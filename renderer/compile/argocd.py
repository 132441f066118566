"""The Argo CD of a fleet: an AppProject, and an Application for each cluster or an ApplicationSet that makes them.

They lie in the handover and not in the tree: what the Applications apply must not decide what they may apply. One
Application has the whole folder of a cluster, since waves order objects inside one Application only. None has a
finalizer: without its Application a cluster keeps its drivers.

`create-update` keeps the ApplicationSet from deleting Applications, and `preserveResourcesOnDeletion` keeps what they
applied if one is deleted all the same (argo-cd#18201). No RollingSync, which leaves clusters behind (argo-cd#25444).

Sources: docs/user-guide/{sync-options,diff-strategies,directory}.md, docs/operator-manual/{applicationset/Controlling-
Resource-Modification,project-specification,high_availability}.md of argoproj/argo-cd.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import cast

from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.deliveries.kmm.objects import SPEC_ANNOTATION
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import ArgoCd, Cluster, JsonMap
from kmodgate.renderer.manifests.emit_yaml import emit
from kmodgate.renderer.manifests.handover import HandoverFile, head
from kmodgate.renderer.manifests.manifest import Identity, Manifest
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

FOLDER = "argocd"
_API = "argoproj.io/v1alpha1"
_HERE = "https://kubernetes.default.svc"
_BUILT_IN = "default"
_PASSWORD = lazy_regex(r"[a-z]+://([^/@]*:[^/@]+|(ghp|gho|ghs|github_pat|glpat)[_-][^/@]*)@")
_CONTAINS_MODULES = "/metadata/labels/kmm.node.k8s.io~1contains-modules"

_COMPARED: JsonMap = {
    "argocd.argoproj.io/compare-options": "ServerSideDiff=true",
    "argocd.argoproj.io/manifest-generate-paths": ".",
}
"""How Argo CD compares an Application, and which changes of the repository make it look again."""

Placed = Mapping[str, Collection[Identity]]
"""The objects of each cluster, by its name."""


def argocd_findings(fleet: Fleet) -> Iterator[Finding]:
    """Report a second Argo CD, two clusters at one address, and what would open the repository or take others' rights.

    Two Argo CDs that apply one folder, and two folders on one cluster, undo each other's work.
    """
    hosts = [cluster for cluster in fleet.clusters if cluster.argocd is not None]
    for other in hosts[1:]:
        message = f"cluster {hosts[0].name} has the Argo CD of the fleet already ({hosts[0].document.file})"
        yield finding_at(other.document, ("spec", "argocd"), "SCH104", message, "keep one of the two")
    for cluster in hosts:
        yield from _of_host(cluster)
    yield from _shared_addresses(fleet, hosts)


def _of_host(cluster: Cluster) -> Iterator[Finding]:
    assert cluster.argocd is not None
    if _PASSWORD.match(cluster.argocd.repo_url):
        message = "the address holds a password or token, which whoever reads the repository then has"
        fix = "remove it here and revoke it: Argo CD has it in a Secret, argocd.argoproj.io/secret-type: repository"
        yield finding_at(cluster.document, ("spec", "argocd", "repoURL"), "SCH104", message, fix)
    if cluster.argocd.project == _BUILT_IN:
        message = "is Argo CD's own project: the Applications of all others in it would lose their rights"
        fix = "leave project out, which is kmodgate, or name one that is for the drivers alone"
        yield finding_at(cluster.document, ("spec", "argocd", "project"), "SCH104", message, fix)


def _shared_addresses(fleet: Fleet, hosts: list[Cluster]) -> Iterator[Finding]:
    known: dict[str, Cluster] = {}
    for cluster in fleet.clusters if hosts else ():
        address = cluster.server or (_HERE if cluster is hosts[0] else "")
        other = known.setdefault(address, cluster) if address else cluster
        if other is not cluster:
            place = cluster if cluster.server else other  # the cluster of Argo CD need not say its address
            message = f"{address} is the address of cluster {(other if place is cluster else cluster).name}, too"
            fix = "write the address of this cluster, or make one Cluster of the two"
            yield finding_at(place.document, ("spec", "server"), "SCH105", message, fix)


def argocd_files(fleet: Fleet, cluster: Cluster, placed: Placed) -> Iterator[HandoverFile]:
    """Yield the objects for the Argo CD that runs on a cluster; nothing where none does."""
    if (argocd := cluster.argocd) is None:
        return
    destinations = {item.name: _destination(item, cluster, placed) for item in fleet.clusters}
    yield _file(cluster, _project(fleet, argocd, destinations, placed), ())
    if argocd.is_set:
        yield _file(cluster, _application_set(argocd, destinations, placed), ("kind",))
        return
    for name, destination in destinations.items():
        yield _file(cluster, _application(argocd, name, destination, placed), ())


def application_name(cluster: str) -> str:
    """Return the name of the Application of a cluster."""
    return f"kmodgate-{cluster}"


def _destination(item: Cluster, host: Cluster, placed: Placed) -> dict[str, str]:
    """Where an Application deploys. Its namespace is any that the project allows: all objects name their own."""
    address = {"server": item.server or _HERE} if item.server or item is host else {"name": item.name}
    return {**address, "namespace": next(iter(_namespaces(placed[item.name])), "default")}


def _namespaces(objects: Collection[Identity]) -> list[str]:
    return sorted({identity.namespace for identity in objects} - {""})


def _project(fleet: Fleet, argocd: ArgoCd, destinations: Mapping[str, dict[str, str]], placed: Placed) -> JsonMap:
    """What the Applications may do: exactly what the tree holds, where it holds it."""
    allowed: list[Json] = []
    for cluster in fleet.clusters:
        address = destinations[cluster.name]
        names = _namespaces(placed[cluster.name]) or [address["namespace"]]
        allowed += [cast(Json, {**address, "namespace": name}) for name in names]
    identities = [identity for objects in placed.values() for identity in objects]
    return {
        "apiVersion": _API,
        "kind": "AppProject",
        "metadata": _metadata(argocd, argocd.project),
        "spec": {
            "description": "Kernel drivers, as kmodgate renders them",
            "sourceRepos": [argocd.repo_url],
            "destinations": allowed,
            "clusterResourceWhitelist": _kinds((item.group, item.kind) for item in identities if not item.namespace),
            "namespaceResourceWhitelist": _kinds((item.group, item.kind) for item in identities if item.namespace),
        },
    }


def _kinds(found: Iterator[tuple[str, str]]) -> list[Json]:
    return [{"group": group, "kind": kind} for group, kind in sorted(set(found))]


def _application(argocd: ArgoCd, cluster: str, destination: dict[str, str], placed: Placed) -> JsonMap:
    ignored = _has_modules(placed[cluster])
    return {
        "apiVersion": _API,
        "kind": "Application",
        "metadata": {**_metadata(argocd, application_name(cluster)), "annotations": dict(_COMPARED)},
        "spec": _spec(argocd, cluster, dict(destination), is_ignoring=ignored),
    }


def _application_set(argocd: ArgoCd, destinations: Mapping[str, dict[str, str]], placed: Placed) -> JsonMap:
    elements: list[Json] = [
        {"cluster": name, "name": "", "server": "", **destination} for name, destination in destinations.items()
    ]
    template = {key: f"{{{{ .{key} }}}}" for key in ("name", "server", "namespace")}
    ignored = any(map(_has_modules, placed.values()))
    return {
        "apiVersion": _API,
        "kind": "ApplicationSet",
        "metadata": _metadata(argocd, argocd.project),
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [{"list": {"elements": elements}}],
            "syncPolicy": {"applicationsSync": "create-update", "preserveResourcesOnDeletion": True},
            "template": {
                "metadata": {
                    "name": application_name("{{ .cluster }}"),
                    "labels": dict(MANAGED_BY),
                    "annotations": dict(_COMPARED),
                },
                "spec": _spec(argocd, "{{ .cluster }}", template, is_ignoring=ignored),
            },
        },
    }


def _has_modules(objects: Collection[Identity]) -> bool:
    return any(identity.kind in MODULE_KINDS for identity in objects)


def _spec(argocd: ArgoCd, cluster: str, destination: dict[str, str], *, is_ignoring: bool) -> JsonMap:
    options: list[Json] = ["ServerSideApply=true", "FailOnSharedResource=true", "ApplyOutOfSyncOnly=true"]
    spec: JsonMap = {
        "project": argocd.project,
        "source": {
            "repoURL": argocd.repo_url,
            "targetRevision": argocd.revision,
            "path": f"{argocd.path}/{cluster}",
            "directory": {"recurse": True},
        },
        "destination": cast(JsonMap, destination),
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True, "allowEmpty": False},
            "syncOptions": options,
            "retry": {
                "limit": 5,
                "refresh": True,
                "backoff": {"duration": "10s", "factor": 2, "maxDuration": "5m"},
            },
        },
    }
    if is_ignoring:  # KMM labels the namespaces of Modules, and its webhook lets none of them go by that
        spec["ignoreDifferences"] = [{"kind": "Namespace", "jsonPointers": [_CONTAINS_MODULES]}]
        options.append("RespectIgnoreDifferences=true")
    return spec


def _metadata(argocd: ArgoCd, name: str) -> JsonMap:
    return {"name": name, "namespace": argocd.namespace, "labels": dict(MANAGED_BY)}


def _file(host: Cluster, value: JsonMap, written: FieldPath) -> HandoverFile:
    document = host.document
    metadata = cast(JsonMap, value["metadata"])
    metadata["annotations"] = {**cast(JsonMap, metadata.get("annotations", {})), SPEC_ANNOTATION: document.file}

    def trace(path: FieldPath) -> Origin:
        place: FieldPath = ("spec", "argocd", *written)
        line, column = document.position(place)
        return Origin(document.file, line, column, "default", place)

    kind = str(value["kind"]).lower()
    use = "Apply it to the cluster of Argo CD, or let an Application of your own do so: kubectl apply -f"
    content = Manifest(value, None, document.file, trace, folder=FOLDER)
    return HandoverFile(FOLDER, f"{kind}-{metadata['name']}.yaml", head(document.file, use) + emit(value), content)
