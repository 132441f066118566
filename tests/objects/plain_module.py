"""A Module with as little as a test needs."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


def module(**spec: object) -> Json:
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": "simple-kmod", "namespace": "drivers"},
        "spec": {"selector": {}, **spec},
    }


def with_metadata(**metadata: object) -> Json:
    return {**module(), "metadata": {"name": "simple-kmod", "namespace": "drivers", **metadata}}
