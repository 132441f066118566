"""The folder of a cluster without drivers: Argo CD prunes nothing where the path of an Application does not exist."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.tree.changes import retire

EMPTY = b"# kmodgate index v1: the files of this folder that kmodgate owns; do not edit\n"


def take_away(fleet: FleetFolder) -> None:
    for name in ("nic", "gpu"):
        fleet.driver(name, clusters="{names: [paris]}")


def delete(fleet: FleetFolder) -> None:
    for name in ("nic", "gpu"):
        (fleet.root / f"drivers/{name}.yaml").unlink()


@pytest.mark.parametrize("change", [take_away, delete])
def test_the_folder_stays_when_the_last_driver_goes(fleet: FleetFolder, change: Callable[[FleetFolder], None]) -> None:
    change(fleet)
    fleet.render("--allow-removal", "nic", "--allow-removal", "gpu")
    assert {path: content for path, content in fleet.files().items() if path.startswith("lyon/")} == {
        "lyon/.index": EMPTY
    }
    assert fleet.run("render", "--check").returncode == 0


def test_a_cluster_whose_drivers_are_absent_keeps_its_policy(fleet: FleetFolder) -> None:
    for name in ("nic", "gpu"):
        fleet.driver(name, "overrides: [{clusters: {names: [lyon]}, patch: {state: absent}}]")
    fleet.render()
    assert not [path for path in fleet.files() if path.startswith("lyon/") and "/module-" in path]
    assert "lyon/cluster/configmap-kmodgate-policy.yaml" in fleet.files()


def test_the_folder_is_there_before_the_first_driver_and_in_a_clone(fleet: FleetFolder, tmp_path: Path) -> None:
    fleet.cluster("new", labels={"tier": "none"})
    fleet.render()
    assert fleet.files()["new/.index"] == EMPTY
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    git(tmp_path, "clone", "-q", str(fleet.root), "clone")
    clone = FleetFolder(tmp_path / "clone")
    assert clone.files() == fleet.files()
    assert clone.run("render", "--check").returncode == 0


def test_a_folder_that_somebody_removed_comes_back(fleet: FleetFolder) -> None:
    delete(fleet)
    fleet.render("--allow-removal", "nic", "--allow-removal", "gpu")
    shutil.rmtree(fleet.root / "rendered/lyon")
    check = fleet.run("render", "--check")
    assert (check.returncode, "missing: rendered/lyon/.index" in check.stdout) == (1, True)
    fleet.render()
    assert fleet.files()["lyon/.index"] == EMPTY


@pytest.mark.parametrize("left", ["nic", "gpu", "both"])
def test_a_cluster_without_a_spec_has_no_folder(fleet: FleetFolder, left: str) -> None:
    if left != "both":
        (fleet.root / f"drivers/{'gpu' if left == 'nic' else 'nic'}.yaml").unlink()
        fleet.render("--allow-removal", "gpu", "--allow-removal", "nic")
    retire(fleet)
    fleet.render("--allow-removal", "lyon/*")
    assert {path.split("/")[0] for path in fleet.files()} == {"paris"}
    assert not (fleet.root / "rendered/lyon").exists()


def test_the_first_driver_of_an_empty_cluster_fills_its_folder(fleet: FleetFolder) -> None:
    fleet.cluster("new", labels={"tier": "none"})
    fleet.render()
    fleet.driver("nic")
    fleet.cluster("new")
    fleet.render()
    assert "new/nic/module-nic.yaml" in fleet.files()
    assert fleet.run("render", "--check").returncode == 0
