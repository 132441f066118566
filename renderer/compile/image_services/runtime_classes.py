"""The RuntimeClasses of a service's jobs, where the spec says that kmodgate makes them.

Overhead and labels are those that CSM gives its own class kata-qemu, unless the spec says others.
Sources: Cray-HPE/cray-kubernetes-ansible (kubernetes-cloudinit.sh); Cray-HPE/ims README.Kata.md; node.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

DEFAULT_CLASS = "kata-qemu"
_OVERHEAD = {"cpu": "250m", "memory": "160Mi"}
_NODE_SELECTOR = {"katacontainers.io/kata-runtime": "true"}


def class_names(target: ServiceTarget) -> tuple[str, ...]:
    """The RuntimeClasses of the service's jobs, that of the cluster's own architecture first."""
    kata = target.spec.get("kata", {})
    names = [kata.get("runtimeClass", DEFAULT_CLASS)]
    if not target.release.only_ims_config_decides:
        names.append(kata.get("aarch64RuntimeClass", DEFAULT_CLASS))
    return tuple(dict.fromkeys(names))


def runtime_classes(target: ServiceTarget) -> Iterator[JsonMap]:
    """Yield the RuntimeClasses that kmodgate makes: those that the spec names, or else the one that counts."""
    kata: dict[str, Any] = target.spec.get("kata", {})
    if not kata.get("manageRuntimeClass"):
        return
    named = {kata.get("runtimeClass"), kata.get("aarch64RuntimeClass")} - {None} or {DEFAULT_CLASS}
    for name in class_names(target):
        if name not in named:
            continue
        yield {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": name, "labels": dict(MANAGED_BY)},
            "handler": kata.get("handler", name),
            "overhead": {"podFixed": {**_OVERHEAD, **kata.get("overhead", {})}},
            "scheduling": {"nodeSelector": kata.get("nodeSelector", _NODE_SELECTOR)},
        }
