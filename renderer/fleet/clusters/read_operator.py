"""The part `spec.kmm` of a Cluster → its operator; `Any` is what JSON is, and the schema has fixed its shape."""

from __future__ import annotations

from typing import Any

from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.fleet.specs import Install, Kmm

_VERSION = lazy_regex(r"\.v([0-9]+\.[0-9]+\.[0-9]+)(?:[-+.].*)?$")


def read_kmm(spec: Any) -> Kmm:
    """Return the operator; without a version, it is that of the ClusterServiceVersion which is installed."""
    flavour, install = spec.get("flavour", "upstream"), spec.get("install")
    version = spec.get("version", "") or _pinned_version(install, flavour)
    return Kmm(
        version,
        flavour,
        spec.get("namespace", ""),
        None if install is None else _install(install),
        spec.get("config"),
    )


def version_of(csv: str) -> str:
    """Return the version at the end of the name of a ClusterServiceVersion; empty where there is none."""
    match = _VERSION.search(csv)
    return match[1] if match else ""


def _pinned_version(install: Any, flavour: str) -> str:
    """The version that is installed, if it is of a release that has a row in the tables of versions."""
    version = version_of((install or {}).get("csv", ""))
    return version if version and Release(version, flavour == "redhat").is_known else ""


def _install(spec: Any) -> Install:
    return Install(
        csv=spec.get("csv", ""),
        channel=spec.get("channel", ""),
        source=spec.get("source", ""),
        source_namespace=spec.get("sourceNamespace", ""),
        is_by_hand=spec.get("approve") == "byHand",
        kustomize=spec.get("kustomize", ""),
        tolerations=spec.get("tolerations"),
        has_alerts=spec.get("alerts"),
    )
