"""A fleet of one OpenShift cluster, paris, and a driver that is loaded at boot."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from tests.fleets import FleetFolder

WORKER = "quay.io/acme/worker:2.6"
MACHINE_CONFIG = "paris/nic/machineconfig-99-worker-kmodgate-nic.yaml"

CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {{name: {name}, labels: {{tier: edge}}}}
spec:
  platform: {platform}
  kmm: {{version: "{kmm}", flavour: redhat}}
{more}
"""

WORKERS = 'nodeGroups: [{name: workers, count: 3, labels: {node-role.kubernetes.io/worker: ""}, kernels: [5.14.0-1.el9.x86_64]}]'


def cluster(
    fleet: FleetFolder, more: str = WORKERS, *, name: str = "paris", platform: str = "openshift", kmm: str = "2.6"
) -> None:
    """A cluster with Red Hat's KMM; `more` is YAML below `spec`."""
    text = CLUSTER.format(name=name, platform=platform, kmm=kmm, more=textwrap.indent(more, "  "))
    fleet.write(f"clusters/{name}.yaml", text)


def boot_fleet(root: Path, boot: str = f"{{pool: worker, workerImage: {WORKER}}}", more: str = "") -> FleetFolder:
    """A fleet with a driver nic; `more` is YAML below its `spec`."""
    fleet = FleetFolder(root)
    cluster(fleet)
    fleet.driver("nic", f"boot: {boot}\n{more}")
    return fleet


def units(machine_config: Any) -> dict[str, str]:
    """The texts of the units by the last word of their names."""
    found = machine_config["spec"]["config"]["systemd"]["units"]
    return {unit["name"].rpartition("-")[2].removesuffix(".service"): unit.get("contents", "") for unit in found}


def variables(unit: str) -> dict[str, str]:
    """What a unit sets for its script."""
    lines = (
        line.removeprefix('Environment="').removesuffix('"')
        for line in unit.splitlines()
        if line.startswith("Environment=")
    )
    return dict(line.split("=", 1) for line in lines)


def findings(fleet: FleetFolder, id: str) -> list[str]:
    """The lines of a check that have an id, or of a render that fails."""
    result = fleet.run("check", ".")
    return [line for line in result.stdout.splitlines() if f"[{id}]" in line]
