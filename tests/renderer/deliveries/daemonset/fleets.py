"""A fleet of one cluster without KMM, and what its driver renders to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.fleets import FleetFolder

KERNEL = "5.14.0-427.13.1.el9_4.x86_64"
OTHER = "5.14.0-503.11.1.el9_5.x86_64"
NEXT = "5.14.0-570.12.1.el9_6.x86_64"

_CLUSTER = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {{name: paris, labels: {{tier: edge}}}}
spec:
  platform: {platform}
  nodeGroups: {groups}
  nextKernels: {coming}
"""


class PlainFleet(FleetFolder):
    """A fleet of one cluster without KMM; its driver `nic` is delivered by DaemonSets."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.nodes([KERNEL])

    def nodes(
        self, kernels: list[str], coming: tuple[str, ...] = (), platform: str = "kubernetes", **group: Any
    ) -> None:
        """Describe the nodes of paris, three workers."""
        own = {"name": "workers", "count": 3, "labels": {"node-role.kubernetes.io/worker": ""}, "kernels": kernels}
        self.groups({**own, **group}, coming=coming, platform=platform)

    def groups(self, *groups: Any, coming: tuple[str, ...] = (), platform: str = "kubernetes") -> None:
        text = _CLUSTER.format(platform=platform, groups=list(groups), coming=list(coming))
        self.write("clusters/paris.yaml", text)

    def nic(self, more: str = "", delivery: str = "daemonset") -> None:
        self.driver("nic", f"delivery: {delivery}\n{more}")

    def daemon_sets(self, more: str = "") -> list[Any]:
        """Render, and return the DaemonSets by their names."""
        self.nic(more)
        self.render()
        found = [yaml.safe_load(text) for path, text in self.files().items() if "/daemonset-" in path]
        return sorted(found, key=lambda item: item["metadata"]["name"])

    def daemon_set(self, more: str = "") -> Any:
        [found] = self.daemon_sets(more)
        return found

    def pod(self, more: str = "") -> Any:
        """The spec of the only DaemonSet's pods."""
        return self.daemon_set(more)["spec"]["template"]["spec"]

    def errors(self) -> list[str]:
        """The lines with findings of a render that must fail."""
        result = self.run("render")
        assert result.returncode == 2, result.stdout
        return [line for line in result.stderr.splitlines() if ": error[" in line]


def env_of(container: Any) -> dict[str, str]:
    return {item["name"].removeprefix("KMODGATE_"): item["value"] for item in container["env"]}
