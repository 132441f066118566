"""A resolution as KMM's own program writes it as JSON: its field names, its nulls and what it leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmodgate.policy.kmm.resolution.resolve import Resolution


def as_json(resolution: Resolution) -> dict[str, Any]:
    """The resolution with the names of KMM's module loader data."""
    return {
        "build": None if resolution.build is None else _build(resolution.build),
        "containerImage": resolution.image,
        "inTreeModulesToRemove": resolution.in_tree_modules_to_remove,
        "kernelNormalizedVersion": resolution.normalised_kernel,
        "kernelVersion": resolution.kernel,
        "modprobe": _filled(resolution.modprobe),
        "registryTLS": _filled(resolution.registry_tls),
        "sign": None if resolution.sign is None else _sign(resolution.sign),
        "tolerations": [_filled(toleration) for toleration in resolution.tolerations],
        "version": resolution.version,
    }


def _build(build: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: build[key] for key in ("kanikoParams", "selector") if build.get(key)}
    return {
        "buildArgs": build.get("buildArgs"),
        "dockerfileConfigMap": build.get("dockerfileConfigMap"),
        "baseImageRegistryTLS": _filled(build.get("baseImageRegistryTLS") or {}),
        "secrets": build.get("secrets"),
        **rest,
    }


def _sign(sign: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **({"unsignedImage": sign["unsignedImage"]} if sign.get("unsignedImage") else {}),
        "unsignedImageRegistryTLS": _filled(sign.get("unsignedImageRegistryTLS") or {}),
        "keySecret": sign.get("keySecret"),
        "certSecret": sign.get("certSecret"),
        "filesToSign": sign.get("filesToSign"),
    }


def _filled(value: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty: Go leaves out a field with its type's zero value."""
    return {
        key: _filled(item) if isinstance(item, Mapping) else item
        for key, item in value.items()
        if item not in ("", None, False, 0) and item != []
    }
