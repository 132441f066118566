"""How many nodes lose a driver: those that have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.removals.conftest import commit
from tests.renderer.tree.changes import rename, retire

GROUPS = """\
  - {name: el9, count: 5, kernels: [5.14.0-1.el9.x86_64], labels: {node-role.kubernetes.io/worker: ""}}
  - {name: el8, count: 7, kernels: [4.18.0-1.el8.x86_64], labels: {node-role.kubernetes.io/worker: ""}}
  - {name: tainted, count: 11, kernels: [5.14.0-1.el9.x86_64], labels: {node-role.kubernetes.io/worker: ""}, taints: [{key: a, effect: NoSchedule}]}
  - {name: other, count: 13, kernels: [5.14.0-1.el9.x86_64], labels: {}}
  - {name: both, count: 17, kernels: [4.18.0-1.el8.x86_64, 5.14.0-1.el9.x86_64], labels: {node-role.kubernetes.io/worker: ""}}
"""


@pytest.fixture
def mixed(fleet: FleetFolder) -> FleetFolder:
    """The fleet, with groups in lyon of which only some load a driver."""
    path = fleet.root / "clusters/lyon.yaml"
    path.write_text(path.read_text().split("  - {name: workers")[0] + GROUPS)
    commit(fleet)
    return fleet


def test_nodes_without_the_driver_are_not_counted(mixed: FleetFolder) -> None:
    mixed.driver("nic", clusters="{names: [paris]}")
    words = "(lyon), which takes it off 22 nodes"
    assert words in mixed.run("render").stderr
    assert words in mixed.run("check").stdout
    consequences = json.loads(mixed.run("diff", "--format", "json").stdout)["consequences"]
    assert [(item["effect"], item["nodes"]) for item in consequences if item["driver"] == "nic"] == [("unload", 22)]


def test_pods_of_a_plugin_run_where_the_driver_is(mixed: FleetFolder) -> None:
    plugin = "devicePlugin: {container: {image: 'quay.io/acme/plugin:%s'}}"
    mixed.driver("nic", plugin % "1")
    commit(mixed)
    mixed.driver("nic", plugin % "2")
    found: list[Any] = json.loads(mixed.run("diff", "--cluster", "lyon", "--format", "json").stdout)["consequences"]
    assert [(item["effect"], item["nodes"]) for item in found] == [("restart", 22)]


def test_nodes_of_a_retired_cluster_are_those_of_the_base_revision(fleet: FleetFolder) -> None:
    retire(fleet)
    result = fleet.run("render")
    assert "Module kmm-tests/gpu would leave the tree of 1 cluster (lyon), which takes it off 30 nodes" in result.stderr
    assert "--allow-removal 'lyon/*'" in result.stderr
    assert "Module kmm-tests/nic would leave 1 cluster (lyon), which takes it off 30 nodes" in fleet.run("check").stdout


def test_a_rendered_module_that_somebody_broke_is_not_counted(mixed: FleetFolder) -> None:
    path = mixed.root / "rendered/lyon/nic/module-nic.yaml"
    path.write_text(path.read_text().partition("kernelMappings")[0])
    mixed.driver("nic", clusters="{names: [paris]}")
    assert "which takes it off an unknown number of nodes" in mixed.run("render").stderr


def test_nodes_of_a_retired_cluster_are_unknown_without_git(fleet: FleetFolder, tmp_path: Path) -> None:
    (fleet.root / ".git").rename(tmp_path / "git")
    retire(fleet)
    assert "which takes it off an unknown number of nodes" in fleet.run("render").stderr


def test_a_module_is_counted_as_git_has_it_where_its_spec_is_gone(fleet: FleetFolder) -> None:
    rename(fleet)
    git(fleet.root, "rm", "-rq", "rendered")
    assert "would leave 2 clusters (lyon, paris), which takes it off 42 nodes" in fleet.run("check").stdout
