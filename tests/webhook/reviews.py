"""Reviews as an API server writes them, and a small cluster that they are about."""

from __future__ import annotations

import itertools
import json
from typing import Any

Object = dict[str, Any]

_numbers = itertools.count(1)

RESOURCES = {
    "Module": ("kmm.sigs.x-k8s.io", "v1beta1", "modules"),
    "ManagedClusterModule": ("hub.kmm.sigs.x-k8s.io", "v1beta1", "managedclustermodules"),
    "PreflightValidation": ("kmm.sigs.x-k8s.io", "v1beta2", "preflightvalidations"),
    "Namespace": ("", "v1", "namespaces"),
    "Pod": ("", "v1", "pods"),
    "Secret": ("", "v1", "secrets"),
    "ConfigMap": ("", "v1", "configmaps"),
    "ServiceAccount": ("", "v1", "serviceaccounts"),
    "RoleBinding": ("rbac.authorization.k8s.io", "v1", "rolebindings"),
    "NodeModulesConfig": ("kmm.sigs.x-k8s.io", "v1beta1", "nodemodulesconfigs"),
    "ClusterServiceVersion": ("operators.coreos.com", "v1alpha1", "clusterserviceversions"),
    "InstallPlan": ("operators.coreos.com", "v1alpha1", "installplans"),
    "Subscription": ("operators.coreos.com", "v1alpha1", "subscriptions"),
    "CustomResourceDefinition": ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    "Deployment": ("apps", "v1", "deployments"),
    "Job": ("batch", "v1", "jobs"),
}
"""Kind → group, version, resource."""

_CLUSTER_WIDE = (
    "Namespace",
    "ManagedClusterModule",
    "PreflightValidation",
    "NodeModulesConfig",
    "CustomResourceDefinition",
)


def review(
    operation: str, kind: str, object: Object | None = None, old: Object | None = None, /, **more: Any
) -> Object:
    """A review of an object; `more` replaces fields of its request."""
    group, version, resource = RESOURCES[kind]
    metadata = (object or old or {}).get("metadata", {})
    request = {
        "uid": f"00000000-0000-4000-8000-{next(_numbers):012d}",
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": resource},
        "requestKind": {"group": group, "version": version, "kind": kind},
        "requestResource": {"group": group, "version": version, "resource": resource},
        "name": metadata.get("name", ""),
        "operation": operation,
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": object,
        "oldObject": old,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": f"{operation.capitalize()}Options"},
    }
    if kind not in _CLUSTER_WIDE:
        request["namespace"] = metadata.get("namespace", "")
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request | more}


def uid(review: Object) -> str:
    return str(review["request"]["uid"])


def module(name: str = "nic", namespace: str = "drivers", **container: Any) -> Object:
    """A Module with nothing wrong in it, but for the fields of its container that are replaced."""
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"node-role.kubernetes.io/worker": ""},
            "imageRepoSecret": {"name": "pull"},
            "moduleLoader": {
                "serviceAccountName": "loader",
                "container": {
                    "modprobe": {"moduleName": name.replace("-", "_"), "dirName": "/opt"},
                    "containerImage": f"quay.io/acme/{name}:1.0-${{KERNEL_FULL_VERSION}}",
                    "kernelMappings": [{"regexp": r"^5\.14\.0-.+\.el9\.x86_64$", "containerImage": ""}],
                }
                | container,
            },
        },
    }


def broken_module(name: str = "nic", namespace: str = "drivers") -> Object:
    """A Module with three fields that KMM refuses: image, regular expression, arguments of modprobe."""
    return module(
        name,
        namespace,
        containerImage="quay.io/acme/nic",
        kernelMappings=[{"regexp": "^5[.14$", "containerImage": ""}],
        modprobe={"moduleName": "nic", "dirName": "/opt", "rawArgs": {"load": ["nic"]}},
    )


def pod(name: str = "tool", namespace: str = "apps", **spec: Any) -> Object:
    """A pod that asks for nothing, but for what `spec` adds."""
    containers = [{"name": "main", "image": "quay.io/acme/tool:1.0"}]
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers} | spec}


def loading_container(name: str = "loader", **fields: Any) -> Object:
    """A container that can load kernel modules."""
    capabilities = {"capabilities": {"add": ["SYS_MODULE"]}}
    return {"name": name, "image": "quay.io/acme/tool:1.0", "securityContext": capabilities} | fields


def dkms_pod(**spec: Any) -> Object:
    """A pod of a job of the Image Management Service that builds kernel modules."""
    job = "cray-ims-0d1e2f3a-1111-2222-3333-444455556666-customize"
    container = {
        "name": "sshd",
        "image": "registry.local/cray-ims-sshd:1",
        "env": [{"name": "JOB_ENABLE_DKMS", "value": "True"}],
        "securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}},
    }
    metadata = {"generateName": f"{job}-", "namespace": "ims", "labels": {"app": job.removeprefix("cray-")}}
    pod_spec = {"serviceAccountName": "ims-service-job-mount", "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec | spec}


LARGE = 300 * 1024
"""Bytes with which a review goes to the process for large bodies."""


def padded(item: Object, size: int = LARGE) -> Object:
    """The object with an annotation of that size."""
    metadata = item["metadata"]
    return item | {"metadata": metadata | {"annotations": {"example.com/padding": "x" * size}}}


def namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def named(kind: str, name: str, namespace: str = "", api_version: str = "v1", **fields: Any) -> Object:
    """An object of any kind with little in it."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata} | fields


def in_list(kind: str, *items: Object) -> Object:
    """All objects of a kind, as kubectl prints them."""
    return {"apiVersion": "v1", "kind": f"{kind}List", "items": list(items)}


def dump(*lists: Object) -> str:
    """A dump of a cluster."""
    return "\n".join(map(json.dumps, lists))


_WORKER = {"node-role.kubernetes.io/worker": ""}
_KERNEL = {"nodeInfo": {"kernelVersion": "5.14.0-427.el9.x86_64"}}


def _node(name: str, labels: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": _KERNEL}


LOADED = {"namespace": "drivers", "name": "nic", "serviceAccountName": "loader", "imageRepoSecret": {"name": "pull"}}

CLUSTER = (
    in_list("Namespace", *(namespace(name) for name in ("drivers", "apps", "ims", "empty"))),
    in_list("Module", module()),
    in_list(
        "NodeModulesConfig",
        named("NodeModulesConfig", "worker-1", api_version="kmm.sigs.x-k8s.io/v1beta1", status={"modules": [LOADED]}),
    ),
    in_list("RuntimeClass", named("RuntimeClass", "kata-qemu", api_version="node.k8s.io/v1", handler="kata-qemu")),
    in_list("Node", _node("worker-1", _WORKER), _node("control", {"node-role.kubernetes.io/control-plane": ""})),
    in_list("Secret", named("Secret", "pull", "drivers", type="kubernetes.io/dockerconfigjson", data={})),
    in_list("ServiceAccount", named("ServiceAccount", "loader", "drivers")),
    in_list("ConfigMap", named("ConfigMap", "other", "drivers")),
)
"""A driver that a worker has loaded, and a RuntimeClass of Kata."""
