"""A fleet whose one cluster, paris, gets its operator from the specs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.fleets import FleetFolder

CSV = "kernel-module-management.v2.6.0"
KUBECTL = "registry.example.com/tools/kubectl:1.34"
REFERENCE = f"https://github.com/kubernetes-sigs/kernel-module-management/config/default?ref={'0123456789' * 4}"

CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {{name: paris, labels: {{tier: edge}}}}
spec:
  platform: {platform}
  topology: {topology}
  kmm: {kmm}
  {more}
  nodeGroups:
  - {{name: workers, labels: {{node-role.kubernetes.io/worker: ""}}}}
"""


def cluster(
    fleet: FleetFolder,
    kmm: dict[str, Any],
    *,
    platform: str = "openshift",
    topology: str = "ha",
    kubectl: str = KUBECTL,
    **more: Any,
) -> None:
    """Write the Cluster, with `kmm` as its spec.kmm."""
    parts = {**({"tools": {"kubectl": kubectl}} if kubectl else {}), **more}
    lines = "\n  ".join(f"{key}: {flow(value)}" for key, value in parts.items())
    text = CLUSTER.format(platform=platform, topology=topology, kmm=flow(kmm), more=lines)
    fleet.write("clusters/paris.yaml", text)


def flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def redhat(**install: Any) -> dict[str, Any]:
    """Red Hat's build, pinned; None takes a field of the installation away."""
    fields = {"channel": "stable", "csv": CSV, "source": "redhat-operators", "approve": "job", **install}
    return {"flavour": "redhat", "install": {key: value for key, value in fields.items() if value is not None}}


def upstream(**install: Any) -> dict[str, Any]:
    return {"flavour": "upstream", "install": install}


def objects(fleet: FleetFolder, *arguments: str) -> dict[str, Any]:
    """Render, and return the objects of the operator by kind and name."""
    fleet.render(*arguments)
    return rendered(fleet.root / "rendered/paris")


def rendered(folder: Path) -> dict[str, Any]:
    values = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.rglob("*.yaml")]
    return {f"{value['kind']}/{value['metadata']['name']}": value for value in values}
