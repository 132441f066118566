"""A driver that comes under another name or namespace leaves the nodes without a driver, and diff says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.diff.three_sites import diff, edit, sentences

GROUPS = """\
  - {name: old, count: 4, kernels: [5.14.0-1.el9.x86_64], labels: {node-role.kubernetes.io/worker: "", pool: a}}
  - {name: new, count: 6, kernels: [5.14.0-2.el9.x86_64], labels: {node-role.kubernetes.io/worker: "", pool: b}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    """Two clusters with ten nodes each and one driver, committed."""
    folder = FleetFolder(tmp_path)
    for name in ("lyon", "paris"):
        path = folder.cluster(name, kmm="head")
        path.write_text(path.read_text().split("  - {name: workers")[0] + GROUPS)
    folder.driver("nic")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return folder


def rename(fleet: FleetFolder, *pairs: tuple[str, str]) -> None:
    """The driver under the name `ice`, with other replacements in its spec."""
    path = fleet.root / "drivers/nic.yaml"
    edit(path, ("metadata: {name: nic}", "metadata: {name: ice}"), *pairs)
    path.rename(fleet.root / "drivers/ice.yaml")


def move(fleet: FleetFolder) -> None:
    edit(fleet.root / "drivers/nic.yaml", ("kmm-tests", "elsewhere"))


def rename_one_variant(fleet: FleetFolder) -> None:
    edit(fleet.root / "drivers/nic.yaml", ("{matchLabels: {tier: edge}}", "{names: [lyon]}"))
    fleet.driver("ice", clusters="{names: [paris]}")


def rename_with_raw_arguments(fleet: FleetFolder) -> None:
    raw = ("{moduleName: acme_dummy}", "{rawArgs: {load: [-d, /opt, acme_dummy, a=1], unload: [-r, acme_dummy]}}")
    edit(fleet.root / "drivers/nic.yaml", raw)
    git(fleet.root, "commit", "-qam", "raw")
    rename(fleet)


@pytest.mark.parametrize(
    ("change", "words", "nodes"),
    [
        (rename, "replaces Module kmm-tests/nic by kmm-tests/ice on 20 nodes in 2 clusters", 20),
        (move, "replaces Module kmm-tests/nic by elsewhere/nic on 20 nodes in 2 clusters", 20),
        (rename_one_variant, "replaces Module kmm-tests/nic by kmm-tests/ice on 10 nodes in 1 cluster", 10),
        (rename_with_raw_arguments, "replaces Module kmm-tests/nic by kmm-tests/ice on 20 nodes in 2 clusters", 20),
    ],
)
def test_a_rename_is_one_consequence(
    fleet: FleetFolder, change: Callable[[FleetFolder], None], words: str, nodes: int
) -> None:
    change(fleet)
    found: list[Any] = diff(fleet.root)["consequences"]
    assert [(item["effect"], item["severity"], item["nodes"]) for item in found] == [("rename", "error", nodes)]
    assert found[0]["text"].startswith(words)
    assert "until a reboot or a change: after this the nodes have no nic; do it in two merges" in found[0]["text"]


PLUGIN = 'devicePlugin: {container: {image: "registry.example.com/plugin:1"}}'
DRA = 'dra: {driverName: gpu.example.com, container: {image: "registry.example.com/dra:1"}}'


@pytest.mark.parametrize(
    ("plugins", "words"),
    [
        (PLUGIN, "its device-plugin pods stop, and those of the new one start"),
        (DRA, "its DRA driver pods stop, and those of the new one start"),
    ],
)
def test_the_pods_of_plugins_are_part_of_a_rename(fleet: FleetFolder, plugins: str, words: str) -> None:
    fleet.driver("nic", plugins)
    git(fleet.root, "commit", "-qam", "second")
    rename(fleet)
    (item,) = diff(fleet.root)["consequences"]
    assert (item["effect"], item["nodes"]) == ("rename", 20)
    assert words in item["text"]


@pytest.mark.parametrize(
    ("plugins", "words"),
    [
        ((PLUGIN, ""), "device-plugin pods of nic stop on 20 nodes"),
        (("", PLUGIN), "device-plugin pods of ice start on 20 nodes"),
        ((DRA, ""), "DRA driver pods of nic stop on 20 nodes"),
    ],
)
def test_pods_that_only_one_side_of_a_rename_has_are_told(
    fleet: FleetFolder, plugins: tuple[str, str], words: str
) -> None:
    fleet.driver("nic", plugins[0])
    git(fleet.root, "commit", "-qam", "second", "--allow-empty")
    (fleet.root / "drivers/nic.yaml").unlink()
    fleet.driver("ice", plugins[1])
    edit(fleet.root / "drivers/ice.yaml", ("acme/ice", "acme/nic"))
    found = sentences(fleet.root)
    assert len(found) == 2
    assert " pods " not in found[0]
    assert found[1].startswith(words)


def test_plugins_of_nodes_that_are_not_renamed_are_told(fleet: FleetFolder) -> None:
    fleet.driver("nic", PLUGIN)
    git(fleet.root, "commit", "-qam", "second")
    rename(fleet, ('{node-role.kubernetes.io/worker: ""}', "{pool: b}"))
    assert [sentence.split(":")[0] for sentence in sentences(fleet.root)] == [
        "replaces Module kmm-tests/nic by kmm-tests/ice on 12 nodes in 2 clusters",
        "unloads nic from 8 nodes in 2 clusters",
        "device-plugin pods of nic stop on 8 nodes in 2 clusters; no new workload gets a device",
    ]


def test_only_the_nodes_of_both_are_renamed(fleet: FleetFolder) -> None:
    rename(fleet, ('{node-role.kubernetes.io/worker: ""}', "{pool: b}"))
    assert [sentence.split(":")[0] for sentence in sentences(fleet.root)] == [
        "replaces Module kmm-tests/nic by kmm-tests/ice on 12 nodes in 2 clusters",
        "unloads nic from 8 nodes in 2 clusters",
    ]


def test_a_rename_on_nodes_that_are_not_known_is_one_consequence(fleet: FleetFolder) -> None:
    for name in ("lyon", "paris"):
        path = fleet.root / f"clusters/{name}.yaml"
        path.write_text(path.read_text().split("  nodeGroups")[0])
    git(fleet.root, "commit", "-qam", "second")
    rename(fleet)
    (sentence,) = sentences(fleet.root)
    assert sentence.startswith("replaces Module kmm-tests/nic by kmm-tests/ice on 2 clusters, whose nodes or kernels")


def another_kernel_module(fleet: FleetFolder) -> None:
    rename(fleet, ("{moduleName: acme_dummy}", "{moduleName: ice}"))


def other_nodes(fleet: FleetFolder) -> None:
    path = fleet.root / "drivers/nic.yaml"
    edit(path, ('{node-role.kubernetes.io/worker: ""}', "{pool: a}"))
    git(fleet.root, "commit", "-qam", "second")
    rename(fleet, ("{pool: a}", "{pool: b}"))


def another_cluster(fleet: FleetFolder) -> None:
    path = fleet.root / "drivers/nic.yaml"
    edit(path, ("{matchLabels: {tier: edge}}", "{names: [lyon]}"))
    git(fleet.root, "commit", "-qam", "second")
    rename(fleet, ("{names: [lyon]}", "{names: [paris]}"))


def a_module_that_stays(fleet: FleetFolder) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text() + "  removal: retain\n")
    git(fleet.root, "commit", "-qam", "second")
    rename(fleet)


@pytest.mark.parametrize(
    ("change", "effects"),
    [
        (another_kernel_module, {"unload", "load"}),
        (other_nodes, {"unload", "load"}),
        (another_cluster, {"unload", "load"}),
        (a_module_that_stays, {"nothing", "load"}),
    ],
)
def test_what_only_looks_like_a_rename_is_none(
    fleet: FleetFolder, change: Callable[[FleetFolder], None], effects: set[str]
) -> None:
    change(fleet)
    assert {item["effect"] for item in diff(fleet.root)["consequences"]} == effects
