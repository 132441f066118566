"""A service that is as it is to be: its pod and ConfigMaps, and the handover that says so."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.command import Finished, run

POD: dict[str, Any] = {
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "cray-ims-5d9c-x2k", "namespace": "services", "annotations": {"checksum/ims-config": "abc"}},
    "spec": {"containers": [
        {"name": "istio-proxy"},
        {"name": "cray-ims", "envFrom": [{"configMapRef": {"name": "ims-config"}}, {"configMapRef": {"name": "ims-config-site", "optional": True}}]},
    ]},
    "status": {"phase": "Running", "containerStatuses": [
        {"name": "cray-ims", "ready": True, "state": {"running": {"startedAt": "2026-11-29T12:00:00Z"}}},
    ]},
}  # fmt: skip
SETTINGS = {"JOB_ENABLE_DKMS": "true", "JOB_KATA_RUNTIME": "kata-qemu", "DEFAULT_IMS_IMAGE_SIZE": "60"}
OVERLAY = {"DEFAULT_IMS_IMAGE_SIZE": "90"}
LOG = "[INFO] Booting worker\nINFO in app: DKMS enabled: true\n127.0.0.1 GET /healthz/live\n"
CUSTOMIZATIONS = {"spec": {"kubernetes": {"services": {"cray-ims": {"cray-service": {
    "podAnnotations": {"checksum/ims-config": "abc"},
    "containers": {"cray-ims": {"envFrom": POD["spec"]["containers"][1]["envFrom"]}},
}}}}}}  # fmt: skip


def config(name: str, data: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "services", **metadata},
        "data": data,
    }


@pytest.fixture
def live() -> list[dict[str, Any]]:
    """The objects of a service that is as it is to be."""
    return [deepcopy(POD), config("ims-config", dict(SETTINGS)), config("ims-config-site", dict(OVERLAY))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    handover = tmp_path / "handover"
    handover.mkdir()
    files = {
        "customizations.yaml": CUSTOMIZATIONS, "recipe-flags.json": {"default": {"requireDkms": True}}, "cfs-compute.json": {"layers": []},
        "expected-ims-config.yaml": config("ims-config", SETTINGS), "ims-config-site.yaml": config("ims-config-site", OVERLAY),
    }  # fmt: skip
    for name, value in files.items():
        (handover / name).write_text(json.dumps(value))
    (tmp_path / "log").write_text(LOG)
    return tmp_path


def verify(folder: Path, objects: list[dict[str, Any]], *arguments: str) -> Finished:
    (folder / "live.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    arguments = arguments or ("--expected", "handover", "--log", "log")
    return run("ims", "verify", "live.json", *arguments, cwd=folder)
