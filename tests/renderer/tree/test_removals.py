"""Modules that would leave the tree."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fleets import FleetFolder
from tests.renderer.tree.changes import move, relabel, rename, retire


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (relabel, "Module kmm-tests/nic would leave the tree of 1 cluster (lyon), which takes it off 30 nodes"),
        (
            rename,
            "Module kmm-tests/nic would leave the tree of 2 clusters (lyon, paris), which takes it off 42 nodes",
        ),
        (move, "Module kmm-tests/nic would leave the tree of 2 clusters (lyon, paris), which takes it off 42 nodes"),
        (
            retire,
            "Module kmm-tests/gpu would leave the tree of 1 cluster (lyon), which takes it off an unknown number",
        ),
    ],
)
def test_a_module_does_not_leave_the_tree_unasked(
    fleet: FleetFolder, change: Callable[[FleetFolder], None], words: str
) -> None:
    change(fleet)
    before = fleet.files()
    result = fleet.run("render")
    assert result.returncode == 1
    assert words in result.stderr
    assert "error[GIT001]" in result.stderr
    assert fleet.files() == before


@pytest.mark.parametrize("allowed", ["nic", "lyon/nic"])
def test_a_named_module_may_leave(fleet: FleetFolder, allowed: str) -> None:
    relabel(fleet)
    fleet.render("--allow-removal", allowed)
    assert "paris/nic/module-nic.yaml" in fleet.files()
    assert "lyon/nic/module-nic.yaml" not in fleet.files()


def test_a_whole_cluster_may_leave_and_takes_its_folder_along(fleet: FleetFolder) -> None:
    retire(fleet)
    fleet.render("--allow-removal", "lyon/*")
    assert not (fleet.root / "rendered/lyon").exists()
    assert (fleet.root / "rendered/paris").exists()


def test_another_modules_permission_does_not_count(fleet: FleetFolder) -> None:
    relabel(fleet)
    assert fleet.run("render", "--allow-removal", "gpu").returncode == 1


def test_state_absent_lets_the_module_leave_where_it_says_so(fleet: FleetFolder) -> None:
    fleet.driver("nic", "overrides: [{clusters: {names: [lyon]}, patch: {state: absent}}]")
    fleet.render()
    assert "lyon/nic/module-nic.yaml" not in fleet.files()
    assert "paris/nic/module-nic.yaml" in fleet.files()


def test_a_permission_that_nothing_needs_is_noted(fleet: FleetFolder) -> None:
    result = fleet.render("--allow-removal", "nci")
    assert "--allow-removal nci: no Module of that name would leave the tree" in result.stderr


def test_a_single_node_cluster_without_node_groups_counts_as_one_node(fleet: FleetFolder) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().split("  nodeGroups")[0] + "  topology: sno\n")
    fleet.driver("nic", clusters="{names: [lyon]}")
    assert "takes it off 1 node\n" in fleet.run("render").stderr
