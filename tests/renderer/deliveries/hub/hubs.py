"""A hub with spokes, for tests."""

from __future__ import annotations

from typing import Any

from tests.fleets import FleetFolder

HUB = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {name: hub}
spec:
  platform: openshift
  kmm: {version: "2.6", flavour: redhat}
  acm: {role: hub}
"""

SPOKE = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {{name: {name}, labels: {labels}}}
spec:
  platform: {platform}
  kmm: {{version: "2.6", flavour: redhat}}
  acm: {{role: spoke, hub: hub}}
  nodeGroups:
  - {{name: workers, count: 3, labels: {{node-role.kubernetes.io/worker: ""}}, kernels: [{kernel}]}}
"""

DELIVERY = "delivery: hub\nhub: {selector: {tier: edge}}\n"

MODULE = "hub/nic/managedclustermodule-nic.yaml"


def spoke(
    fleet: FleetFolder,
    name: str,
    labels: str = "{tier: edge}",
    platform: str = "openshift",
    kernel: str = "5.14.0-427.el9.x86_64",
) -> None:
    """Write a spoke of three nodes."""
    fleet.write(f"clusters/{name}.yaml", SPOKE.format(name=name, labels=labels, platform=platform, kernel=kernel))


def hub(fleet: FleetFolder, more: str = "", delivery: str = DELIVERY) -> None:
    """Write a hub with the spokes paris, which the driver selects, and lyon, and the driver nic."""
    fleet.write("clusters/hub.yaml", HUB)
    spoke(fleet, "paris")
    spoke(fleet, "lyon", "{tier: core}")
    fleet.driver("nic", delivery + more, clusters="{names: [hub]}")


def objects(fleet: FleetFolder) -> dict[str, Any]:
    """Render, and return the objects of the hub by kind, namespace and name."""
    result = fleet.run("render")
    assert result.returncode == 0, result.stderr
    found = (fleet.object(path) for path in fleet.files() if path.startswith("hub/") and path.endswith(".yaml"))
    return {
        "/".join((item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])): item
        for item in found
    }


def on_spoke(work: Any) -> list[str]:
    """Return kind and name of the objects of a ManifestWork, in their order."""
    return [f"{item['kind']} {item['metadata']['name']}" for item in work["spec"]["workload"]["manifests"]]
