"""Objects of KMM's kinds as a cache or a dump has them."""

from __future__ import annotations

from typing import Any

from tests.webhook.api_stub import module


def config(node: str, *entries: tuple[str, str], loaded: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    def items(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
        return [{"namespace": namespace, "name": name, "serviceAccountName": "sa"} for namespace, name in pairs]

    return {"metadata": {"name": node}, "spec": {"modules": items(entries)}, "status": {"modules": items(loaded)}}


def loading(name: str, *modules: str, dra: list[str] | None = None, version: str = "1") -> dict[str, Any]:
    container = {"modprobe": {"moduleName": modules[0], "modulesLoadingOrder": list(modules)}} if modules else {}
    spec: dict[str, Any] = {"selector": {"a": "b"}, "moduleLoader": {"container": container}}
    if dra is not None:
        spec["dra"] = {"deviceClasses": [{"name": name, "spec": {}} for name in dra]}
    return module(name, version, **spec)
