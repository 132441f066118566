"""A pool that a driver leaves loses it at boot, unless its nodes are in the other pool, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.deliveries.boot.pools import WORKER, boot_fleet, cluster
from tests.renderer.deliveries.boot.test_clusters import hosted
from tests.renderer.removals.conftest import commit, forget_places

GROUPS = """\
nodeGroups:
- {name: workers, count: 3, labels: {node-role.kubernetes.io/worker: ""}, kernels: [5.14.0-1.el9.x86_64]}
- name: storage
  count: 2
  labels: {node-role.kubernetes.io/worker: "", node-role.kubernetes.io/storage: ""}
  kernels: [5.14.0-1.el9.x86_64]
"""


def committed(root: Path, pool: str, more: str, groups: str) -> FleetFolder:
    fleet = boot_fleet(root, f"{{pool: {pool}, workerImage: {WORKER}, image: quay.io/acme/nic{more}}}")
    cluster(fleet, groups)
    fleet.render()
    git(fleet.root, "init", "-q")
    commit(fleet)
    return fleet


def move(fleet: FleetFolder, old: str, new: str) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(f"pool: {old}", f"pool: {new}"))


@pytest.mark.parametrize(
    ("old", "new", "more", "groups", "loss"),
    [
        ("worker", "storage", "", GROUPS, "reboots 5 nodes without it"),
        ("worker", "storage", "", "", "reboots an unknown number of nodes without it"),
        ("worker", "master", "", "", "reboots an unknown number of nodes without it"),
        ("master", "worker", "", "", "reboots an unknown number of nodes without it"),
        ("storage", "worker", "", GROUPS, ""),
        ("storage", "worker", "", "", ""),
        ("worker", "storage", ", bootModuleConfig: true", GROUPS, "leaves its MachineConfig on 5 nodes"),
        ("storage", "worker", ", bootModuleConfig: true", GROUPS, "leaves its MachineConfig on 2 nodes"),
    ],
)
def test_a_pool_that_loses_the_driver_needs_a_permission(
    tmp_path: Path, old: str, new: str, more: str, groups: str, loss: str
) -> None:
    fleet = committed(tmp_path, old, more, groups)
    move(fleet, old, new)

    checked, rendered = fleet.run("check"), fleet.run("render")

    assert checked.returncode == rendered.returncode == (1 if loss else 0), checked.stdout + rendered.stderr
    if loss:
        assert loss in checked.stdout
        assert loss in rendered.stderr
        fleet.render("--allow-removal", "nic")
        assert f"place: {old}" in (fleet.root / "removals.yaml").read_text()
        assert fleet.run("check").returncode == 0


def test_an_entry_goes_when_the_driver_is_back_in_its_pool(tmp_path: Path) -> None:
    fleet = committed(tmp_path, "worker", "", GROUPS)
    move(fleet, "worker", "storage")
    fleet.render("--allow-removal", "nic")
    move(fleet, "storage", "worker")

    fleet.render()

    assert "removals: []" in (fleet.root / "removals.yaml").read_text()
    assert fleet.run("check").returncode == 0


def test_diff_tells_what_a_boot_module_config_leaves_in_its_former_pool(tmp_path: Path) -> None:
    fleet = committed(tmp_path, "worker", ", bootModuleConfig: true", GROUPS)
    move(fleet, "worker", "storage")
    assert "nic stays on 5 nodes in 1 cluster at boot" in fleet.run("diff").stdout


@pytest.mark.parametrize("storage", ["", "gpu", "worker"])
def test_the_nodes_that_a_pool_had_count_where_their_labels_change_as_well(tmp_path: Path, storage: str) -> None:
    fleet = committed(tmp_path, "storage", "", GROUPS)
    move(fleet, "storage", "worker")
    workers, _, rest = GROUPS.partition("- name: storage")
    labels = f'  labels: {{node-role.kubernetes.io/{storage}: ""}}'
    lines = [labels if "labels" in line else line for line in rest.splitlines()]
    cluster(fleet, workers + "- name: storage" + "\n".join(lines) if storage else workers)

    checked, rendered = fleet.run("check"), fleet.run("render")

    expected = 0 if storage == "worker" else 1
    assert checked.returncode == rendered.returncode == expected, checked.stdout + rendered.stderr
    assert ("GIT001" in checked.stdout) is ("GIT001" in rendered.stderr) is bool(expected)
    fleet.render("--allow-removal", "nic")
    assert fleet.run("check").returncode == 0


@pytest.mark.parametrize("more", ["", ", bootModuleConfig: true"])
def test_an_index_without_places_knows_the_pool_by_its_file(tmp_path: Path, more: str) -> None:
    fleet = committed(tmp_path, "worker", more, GROUPS)
    forget_places(fleet, "paris")
    move(fleet, "worker", "storage")

    assert "GIT001" in fleet.run("render").stderr
    fleet.render("--allow-removal", "nic")

    assert "place: worker" in (fleet.root / "removals.yaml").read_text()
    assert fleet.run("check").returncode == 0


def test_an_index_without_places_lets_the_driver_leave_its_pool(tmp_path: Path) -> None:
    fleet = committed(tmp_path, "worker", "", GROUPS)
    forget_places(fleet, "paris")
    (fleet.root / "drivers/nic.yaml").unlink()

    fleet.render("--allow-removal", "nic")

    assert "place: worker" in (fleet.root / "removals.yaml").read_text()
    assert fleet.run("check").returncode == 0


def test_an_entry_without_its_pool_allows_nothing_and_one_with_it_lasts(tmp_path: Path) -> None:
    fleet = committed(tmp_path, "worker", "", GROUPS)
    move(fleet, "worker", "storage")
    fleet.render("--allow-removal", "nic")
    removals = fleet.root / "removals.yaml"
    written = removals.read_text()
    git(fleet.root, "checkout", "-q", "--", "rendered")
    removals.write_text(written.replace("    place: worker\n", ""))

    for text in (fleet.run("check").stdout, fleet.run("render").stderr):
        assert "error[GIT001]" in text
        assert "is in the tree" not in text
    fleet.render("--allow-removal", "nic")
    fleet.render()

    assert "place: worker" in removals.read_text()
    assert fleet.run("check").returncode == 0


def test_another_node_pool_of_a_hosted_cluster_needs_a_permission(tmp_path: Path) -> None:
    fleet = hosted(tmp_path)
    path = fleet.root / "clusters/paris.yaml"
    line = next(line for line in path.read_text().splitlines() if "nodeGroups" in line)
    more = line[line.index("{") : -1].replace("name: nodes", "name: more").replace("paris-a", "paris-b")
    path.write_text(path.read_text().replace(line, f"{line[:-1]}, {more}]"))
    fleet.render()
    git(fleet.root, "init", "-q")
    commit(fleet)
    move(fleet, "paris-a", "paris-b")

    for text in (fleet.run("check").stdout, fleet.run("render").stderr):
        assert "error[GIT001] spec.boot.pool" in text
        assert "takes it off 4 nodes at boot" in text
    fleet.render("--allow-removal", "nic")

    assert "place: paris-a" in (fleet.root / "removals.yaml").read_text()
    assert fleet.run("check").returncode == 0
