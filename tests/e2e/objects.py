"""Objects that the tests apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


def module(name: str, namespace: str) -> Json:
    """A Module that KMM accepts."""
    container = {
        "modprobe": {"moduleName": name},
        "kernelMappings": [
            {
                "regexp": r"^5\.14\.0-.+\.el9.*\.x86_64$",
                "containerImage": f"quay.io/acme/{name}:${{KERNEL_FULL_VERSION}}",
            }
        ],
    }
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"moduleLoader": {"container": container}, "selector": {"node-role.kubernetes.io/worker": ""}},
    }


def daemon_set(name: str, namespace: str, **labels: str) -> Json:
    """A DaemonSet that loads a driver, as far as protection looks at it; with `labels` those of somebody else."""
    own = {"kmodgate.io/driver": "nic", "app.kubernetes.io/managed-by": "kmodgate"}
    pod = {
        "serviceAccountName": "loader",
        "imagePullSecrets": [{"name": "pull"}],
        "containers": [{"name": "kernel-module", "image": "quay.io/acme/nic:1.0"}],
        "volumes": [{"name": "script", "configMap": {"name": "dockerfile"}}],
        "nodeSelector": {"kmodgate.io/no-such-node": ""},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or own},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def node_modules_config(node: str, *modules: Mapping[str, Any]) -> Json:
    """What KMM writes for a node that is to have these Modules."""
    config = {
        "kernelVersion": "5.14.0-427.el9.x86_64",
        "containerImage": "quay.io/acme/nic:5.14.0-427.el9.x86_64",
        "insecurePull": False,
        "modprobe": {"moduleName": "nic"},
    }
    entries = [
        {
            "name": item["metadata"]["name"],
            "namespace": item["metadata"]["namespace"],
            "serviceAccountName": "default",
            "config": config,
        }
        for item in modules
    ]
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "NodeModulesConfig",
        "metadata": {"name": node},
        "spec": {"modules": entries},
    }


def job(name: str, namespace: str, **pod: Any) -> Json:
    """A Job of one pod that would run `true`; `pod` is added to the spec of the pod."""
    containers = [{"name": "main", "image": "registry.example.com/main:1", "command": ["true"]}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": containers, **pod}}},
    }


def runtime_class(name: str, *, memory: str, node_selector: Mapping[str, str]) -> Json:
    """A RuntimeClass for pods in virtual machines, which need that much memory on top."""
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": name},
        "handler": "kata",
        "overhead": {"podFixed": {"memory": memory}},
        "scheduling": {"nodeSelector": dict(node_selector)},
    }
