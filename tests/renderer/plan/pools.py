"""Fleets of one driver on clusters with several pools of nodes; the driver has a mapping for EL 9 and for Ubuntu."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.command import run
from tests.fleets import FleetFolder

EL9, NEXT9, EL10 = "5.14.0-427.13.1.el9_4.x86_64", "5.14.0-570.12.1.el9_6.x86_64", "6.12.0-55.9.1.el10_0.x86_64"
UBUNTU = "6.8.0-31-generic"
WORKER = {"node-role.kubernetes.io/worker": ""}


def fleet(root: Path) -> FleetFolder:
    folder = FleetFolder(root)
    path = folder.driver("nic")
    mapping = "  - {name: ubuntu, regexp: '^6\\.8\\.0-\\d+-generic$'}\n"
    path.write_text(path.read_text() + mapping)
    return folder


def group(name: str, kernel: str = EL9, **more: Any) -> dict[str, Any]:
    """A node group of three workers; `more` are further fields of it."""
    return {"name": name, "count": 3, "labels": WORKER, "kernels": [kernel], **more}


def cluster(folder: FleetFolder, name: str, *groups: dict[str, Any], **spec: Any) -> Path:
    value = {
        "apiVersion": "kmodgate.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name, "labels": {"tier": "edge"}},
        "spec": {"platform": "kubernetes", "kmm": {"version": "2.6"}, "nodeGroups": [*groups], **spec},
    }
    return folder.write(f"clusters/{name}.yaml", json.dumps(value))


def inventory(folder: FleetFolder, name: str, *nodes: dict[str, Any]) -> None:
    folder.write(f"clusters/{name}", json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))


def node(name: str, kernel: str = EL9, *, taints: tuple[str, ...] = (), **labels: str) -> dict[str, Any]:
    """A worker as kubectl shows it; taints are keys with the effect NoSchedule."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**WORKER, **labels}},
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
        "status": {"nodeInfo": {"kernelVersion": kernel, "architecture": "amd64"}},
    }


def plan(folder: FleetFolder, *arguments: str, code: int = 0) -> Any:
    result = run("plan", "--format", "json", *arguments, cwd=folder.root)
    assert result.returncode == code, result.stdout + result.stderr
    return json.loads(result.stdout)


def coming(found: Any) -> dict[str, set[str]]:
    """The next kernels of every node or group that has some."""
    kernels: dict[str, set[str]] = {}
    for cell in found["cells"]:
        for name in cell["nodes"] if cell["phase"] == "next" else ():
            kernels.setdefault(name, set()).add(cell["kernel"])
    return kernels
