"""Reviews as the API server sends them, and the clusters that they are about."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

Manifest = Mapping[str, Any]

_RESOURCES = {
    "Module": "modules",
    "ManagedClusterModule": "managedclustermodules",
    "Pod": "pods",
    "Namespace": "namespaces",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
}


def review(
    manifest: Manifest, operation: str = "CREATE", *, old: Manifest | None = None, uid: str = "", user: str = "alice"
) -> dict[str, Any]:
    """The AdmissionReview of a request on an object; on DELETE it is the old one that the API server sends."""
    group, _, version = str(manifest["apiVersion"]).rpartition("/")
    kind, metadata = str(manifest["kind"]), manifest["metadata"]
    gvk = {"group": group, "version": version, "kind": kind}
    gvr = {"group": group, "version": version, "resource": _RESOURCES[kind]}
    request = {
        "uid": uid or str(uuid.uuid4()),
        "kind": gvk,
        "resource": gvr,
        "requestKind": gvk,
        "requestResource": gvr,
        "name": metadata["name"],
        **({"namespace": metadata["namespace"]} if "namespace" in metadata else {}),
        "operation": operation,
        "userInfo": {"username": user, "groups": ["system:authenticated"]},
        "object": None if operation == "DELETE" else manifest,
        "oldObject": manifest if operation == "DELETE" else old,
        "dryRun": False,
        "options": {"kind": f"{operation.title()}Options", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def encoded(review: Mapping[str, Any]) -> bytes:
    return json.dumps(review, separators=(",", ":")).encode()


def module(number: int) -> dict[str, Any]:
    """A sound Module of about 4 KB with four mappings, a build, signing and a device plugin."""
    arguments = [{"name": f"ARGUMENT_{index}", "value": "v" * 30} for index in range(4)]
    build = {"dockerfileConfigMap": {"name": "df"}, "selector": {"a": "b"}, "buildArgs": arguments}
    files = [f"/opt/lib/modules/${{KERNEL_FULL_VERSION}}/driver_{number}.ko"]
    container: dict[str, Any] = {
        "modprobe": {"moduleName": f"driver_{number}", "dirName": "/opt"},
        "containerImage": f"registry.example.com/drivers/{number}:1.0-${{KERNEL_FULL_VERSION}}",
        "sign": {"keySecret": {"name": "key"}, "certSecret": {"name": "cert"}, "filesToSign": files},
        "kernelMappings": [
            {"regexp": f"^5\\.{minor}\\..+$", "containerImage": "", "build": build} for minor in range(14, 18)
        ],
    }
    environment = [{"name": f"VARIABLE_{index}", "value": "v" * 60} for index in range(10)]
    plugin = {
        "container": {
            "image": "registry.example.com/plugins/a:1.0",
            "env": environment,
            "volumeMounts": [{"name": "v", "mountPath": "/x"}],
        },
        "volumes": [{"name": "v", "hostPath": {"path": "/dev/x"}}],
    }
    value = {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": f"driver-{number}", "namespace": "drivers", "annotations": {"note": "n" * 900}},
        "spec": {
            "selector": {"node-role.kubernetes.io/worker": ""},
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "moduleLoader": {"container": container, "serviceAccountName": "driver"},
            "devicePlugin": plugin,
        },
    }
    result: dict[str, Any] = json.loads(json.dumps(value))  # nothing shared between two objects
    return result


def large_module(size: int, number: int = 0) -> dict[str, Any]:
    """A sound Module that takes about `size` bytes: its device plugin has that many variables."""
    manifest = module(number)
    variables = [{"name": f"V{index:06}", "value": "v" * 60} for index in range(size // 94)]
    manifest["spec"]["devicePlugin"]["container"]["env"] = variables
    return manifest


def mapped_module(count: int) -> dict[str, Any]:
    """A Module with so many kernel mappings, each with an expression of its own."""
    manifest = module(0)
    manifest["spec"]["moduleLoader"]["container"]["kernelMappings"] = [
        {"regexp": f"^5\\.14\\.0-{index}\\.el9\\.x86_64$"} for index in range(count)
    ]
    return manifest


def node(number: int) -> dict[str, Any]:
    labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/hostname": f"node-{number}"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"node-{number}", "labels": labels},
        "spec": {},
        "status": {"nodeInfo": {"kernelVersion": f"5.{14 + number % 4}.0-1.el9.x86_64", "architecture": "amd64"}},
    }


def pod(name: str) -> dict[str, Any]:
    """A pod of no DKMS work that can load nothing."""
    containers = [{"name": "main", "image": "registry.example.com/app:1.0"}]
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {}}}


def config_map(name: str, size: int, *, in_namespace: str = "drivers") -> dict[str, Any]:
    metadata = {"name": name, "namespace": in_namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Dockerfile": "x" * size}}


def dump(items: Sequence[Manifest]) -> str:
    """A dump of a cluster as `kubectl get -o json` writes it: of the kinds in it, nothing else is there."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def small_cluster(modules: int = 50, nodes: int = 20) -> str:
    """The dump of a cluster with all that `module()` refers to, and Modules that load something else."""
    drivers = [module(100_000 + number) for number in range(modules)]
    return dump([*drivers, *map(node, range(nodes)), *map(namespace, ("drivers", "default")), *_referred_to()])


def _referred_to() -> list[dict[str, Any]]:
    def item(kind: str, name: str, **fields: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "drivers"}, **fields}

    return [
        item("Secret", "key", data={"key": ""}),
        item("Secret", "cert", data={"cert": ""}),
        item("ConfigMap", "df", data={"dockerfile": "FROM scratch"}),
        item("ServiceAccount", "driver"),
        {
            "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
            "kind": "NodeModulesConfig",
            "metadata": {"name": "node-0"},
            "spec": {"modules": [{"namespace": "drivers", "name": "driver-100000"}]},
        },
    ]
