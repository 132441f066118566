"""The namespace of objects that name none: `kubectl -n`, kustomize or Argo CD gives it to them."""

from __future__ import annotations

from typing import Any

from kmodgate.policy.formats.kubernetes_names import is_dns1123_label
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.specs import CLUSTER_SCOPED


def read_namespace(name: str | None) -> str:
    """Return the argument of --namespace. Raises Unusable for one that no namespace can have."""
    if name is not None and not is_dns1123_label(name):
        raise Unusable(f"--namespace {name}: no namespace has this name", "use lower-case letters, digits and '-'")
    return name or ""


def in_namespace(value: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return the object in a namespace, where its kind has one and it names none; empty changes nothing."""
    metadata = value.get("metadata")
    if not namespace or value.get("kind") in CLUSTER_SCOPED or not isinstance(metadata, dict):
        return value
    return value if metadata.get("namespace") else {**value, "metadata": {**metadata, "namespace": namespace}}
