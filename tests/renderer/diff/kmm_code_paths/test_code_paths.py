"""`kmodgate diff` says what KMM does: a row for each code path of KMM, with the place in its source that it was read from.

The cluster has 3 nodes on a kernel that the driver has a mapping for, and 2 with the same labels on another kernel.
Lines are those of the main branch of Kernel Module Management at de3f8c9, or of the tag that is named.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import run
from tests.fleets import FleetFolder, git
from tests.renderer.diff.kmm_code_paths.code_paths import CLUSTER, HEAD, Path_
from tests.renderer.diff.kmm_code_paths.driver_paths import DRIVER_PATHS
from tests.renderer.diff.kmm_code_paths.plugin_paths import PLUGIN_PATHS
from tests.renderer.diff.kmm_code_paths.setting_paths import SETTING_PATHS

PATHS = [*DRIVER_PATHS, *PLUGIN_PATHS, *SETTING_PATHS]


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    return FleetFolder(tmp_path)


def change(fleet: FleetFolder, path: Path_) -> None:
    """The fleet before, committed, and the fleet after."""
    secure = "\n    secureBoot: true" if path.secure else ""
    fleet.write("clusters/lab.yaml", CLUSTER.format(kmm=path.kmm, flavour=path.flavour, secure=secure))
    fleet.write("drivers/Dockerfile", "FROM quay.io/acme/builder:9\nARG A\n")
    fleet.write("drivers/nic.yaml", HEAD + path.before)
    for command in (["init"], ["add", "-A"], ["commit", "-m", "first"]):
        git(fleet.root, *command)
    fleet.write("drivers/nic.yaml", HEAD + path.after)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_diff_says_what_kmm_does(fleet: FleetFolder, path: Path_) -> None:
    change(fleet, path)
    result = fleet.run("diff", "--format", "json")
    assert result.returncode == 0, result.stderr
    assert {item["text"] for item in json.loads(result.stdout)["consequences"]} == set(path.sentences), path.source


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
@pytest.mark.parametrize("path", [PATHS[0], PATHS[2]], ids=lambda path: path.name)
def test_every_form_says_the_same(fleet: FleetFolder, path: Path_, format: str) -> None:
    change(fleet, path)
    report = fleet.run("diff", "--format", format).stdout
    assert [text for text in path.sentences if text not in report] == []


@pytest.mark.parametrize("format", ["text", "markdown", "html", "json"])
def test_a_namespace_that_leaves_the_tree_stays_privileged(fleet: FleetFolder, format: str) -> None:
    change(fleet, PATHS[2])
    (fleet.root / "drivers/nic.yaml").unlink()
    report = run("diff", "--format", format, cwd=fleet.root).stdout
    assert "stays in the cluster, for Argo CD does not prune it, and pods in it may still be privileged" in report
