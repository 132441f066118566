"""The objects of a service whose ims-config Argo CD owns: all of it is rendered, and nothing is left to the chart.

The checksum of the values has to stand on the pod template of a Deployment that belongs to the chart. A partial object,
applied on the server's side, owns that one annotation and nothing else of the Deployment.

Sources: Argo CD, docs/user-guide/sync-options.md (server-side apply of partial resources) and sync-waves.md;
Cray-HPE/ims, kubernetes/cray-ims/values.yaml; Cray-HPE/docs-csm, operations/security_and_authentication (the token).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from kmodgate.policy.cluster.ims_site import DEPLOYMENT
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.ims.given_records import SERVICES
from kmodgate.policy.ims.settings import CONFIG_MAP
from kmodgate.renderer.compile.image_services.fragment import CHECKSUM
from kmodgate.renderer.compile.image_services.hooks import open_jobs, settled
from kmodgate.renderer.compile.image_services.ims_config import ImsConfig
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.emit_yaml import Quoted
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

_PARTIAL = f"ServerSideApply=true,Validate=false,{argo.NEVER_REMOVED}"
_GATE = "kmodgate-ims-open-jobs"
_CHECK = "kmodgate-ims-settled"
_IMS_URL = "https://api-gw-service-nmn.local/apis/ims/v3"
_AUTH_DIR = "/etc/admin-client-auth"
_CA_DIR = "/etc/cray/ca"
_LABELS: JsonMap = {**MANAGED_BY, "app.kubernetes.io/name": "cray-ims"}


def service_namespace(target: ServiceTarget) -> str:
    """The namespace of the service and of its ConfigMaps."""
    return str(target.spec.get("namespaces", {}).get("service", SERVICES))


def argocd_objects(target: ServiceTarget, config: ImsConfig) -> Iterator[JsonMap]:
    """Yield what is rendered into the tree, beside RuntimeClasses and templates."""
    namespace = service_namespace(target)
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(CONFIG_MAP, namespace, argo.sync_annotations("ConfigMap", argo.NEVER_REMOVED)),
        "data": {key: Quoted(value) for key, value in config.whole.items()},
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": DEPLOYMENT,
            "namespace": namespace,
            "annotations": argo.sync_annotations("Deployment", _PARTIAL),
        },
        "spec": {"template": {"metadata": {"annotations": {CHECKSUM: config.checksum}}}},
    }
    if image := target.spec.get("tools", {}).get("image"):
        yield _gate(namespace, image)
        yield from _check(namespace, image, config)


def _gate(namespace: str, image: str) -> JsonMap:
    """The Job before a sync: it fails while jobs are open, and Argo CD tries again."""
    env = {"IMS_URL": _IMS_URL, "AUTH_DIR": _AUTH_DIR, "CA_CERT": f"{_CA_DIR}/certificate_authority.crt"}
    volumes: list[Json] = [
        {"name": "auth", "secret": {"secretName": "admin-client-auth"}},
        {"name": "ca", "configMap": {"name": "cray-configmap-ca-public-key"}},
    ]
    mounts: list[Json] = [
        {"name": "auth", "mountPath": _AUTH_DIR, "readOnly": True},
        {"name": "ca", "mountPath": _CA_DIR, "readOnly": True},
    ]
    pod: JsonMap = {"automountServiceAccountToken": False, "volumes": volumes}
    return _job(_GATE, namespace, "PreSync", pod, _container(image, open_jobs, env, mounts))


def _check(namespace: str, image: str, config: ImsConfig) -> Iterator[JsonMap]:
    """Yield the Job after a sync, which waits for the new pod, and its rights: to read, in one namespace."""
    subject: JsonMap = {"kind": "ServiceAccount", "name": _CHECK, "namespace": namespace}
    yield {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(_CHECK, namespace, argo.sync_annotations("ServiceAccount")),
    }
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _metadata(_CHECK, namespace, argo.sync_annotations("Role")),
        "rules": [
            {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": [DEPLOYMENT], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        ],
    }
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(_CHECK, namespace, argo.sync_annotations("RoleBinding")),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": _CHECK},
        "subjects": [subject],
    }
    env = {
        "NAMESPACE": namespace,
        "DEPLOYMENT": DEPLOYMENT,
        "CHECKSUM": config.checksum,
        "DKMS": config.whole["JOB_ENABLE_DKMS"],
    }
    yield _job(_CHECK, namespace, "PostSync", {"serviceAccountName": _CHECK}, _container(image, settled, env, []))


def _job(name: str, namespace: str, hook: str, pod: JsonMap, container: JsonMap) -> JsonMap:
    annotations: JsonMap = {
        "argocd.argoproj.io/hook": hook,
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
    }
    template: JsonMap = {
        "metadata": {"labels": {**_LABELS, "app.kubernetes.io/name": name}, "annotations": dict(_NO_SIDECAR)},
        "spec": {
            "restartPolicy": "Never",
            **pod,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "runAsGroup": 65534, "fsGroup": 65534},
            "containers": [container],
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(name, namespace, annotations),
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 1800, "template": template},
    }


_NO_SIDECAR = {"sidecar.istio.io/inject": "false"}
"""With a sidecar of Istio the pod would never end."""


def _container(image: str, program: ModuleType, env: dict[str, str], mounts: list[Json]) -> JsonMap:
    found: dict[str, Any] = {
        "name": "main",
        "image": image,
        "command": ["python3", "-c", inspect.getsource(program)],
        "env": [{"name": name, "value": Quoted(value)} for name, value in env.items()],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {**found, "volumeMounts": mounts} if mounts else found


def _metadata(name: str, namespace: str, annotations: JsonMap) -> JsonMap:
    return {"name": name, "namespace": namespace, "labels": {**_LABELS}, "annotations": annotations}
