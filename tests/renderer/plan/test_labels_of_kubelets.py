"""Labels that each kubelet gives its node: selectors may name them though no node group does."""

from __future__ import annotations

import re

import pytest

from tests.fleets import FleetFolder


@pytest.mark.parametrize(
    ("selector", "is_selected"),
    [
        ("kubernetes.io/os: linux", True),
        ("kubernetes.io/os: windows", False),
        ("kubernetes.io/arch: amd64", True),
        ("kubernetes.io/arch: arm64", False),
    ],
)
def test_nodes_are_selected_by_what_their_kubelets_say(fleet: FleetFolder, selector: str, is_selected: bool) -> None:
    cluster = fleet.root / "clusters/paris.yaml"
    cluster.write_text(cluster.read_text().replace("count: 3", "count: 3, kernels: [5.14.0-1.x86_64]"))
    driver = fleet.root / "drivers/nic.yaml"
    driver.write_text(re.sub("selector: .*", f"selector: {{{selector}}}", driver.read_text()))
    found = fleet.run("check")
    assert ("SEL201" not in found.stdout + found.stderr) is is_selected, found.stdout + found.stderr
