"""Nodes that are drained for mirrors, and the drivers that unload meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.deliveries.hub.hubs import hub
from tests.renderer.diff.three_sites import edit, sentences
from tests.renderer.rendering import one_cluster

TAGS = "{source: ghcr.io/x, mirror: m.example/x, type: tag}"
DIGESTS = "{source: ghcr.io/x, mirror: m.example/x, type: digest}"
MORE = "{source: ghcr.io/y, mirror: m.example/y, type: digest}"
CORDON = "{key: node.kubernetes.io/unschedulable, operator: Exists, effect: NoSchedule}"
DRAINS = "the Machine Config Operator drains every node of every pool, one after the other: 3 nodes in 1 cluster"


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    """A committed fleet of one cluster and two drivers, of which one tolerates a cordon."""
    folder = one_cluster(tmp_path)
    folder.cluster("paris", platform="openshift")
    folder.driver("nic")
    folder.driver("gpu", f"tolerations: [{CORDON}]")
    git(tmp_path, "init")
    commit(folder)
    return folder


def commit(fleet: FleetFolder) -> None:
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-m", "x", "--allow-empty")


def mirrored(fleet: FleetFolder, *mirrors: str, topology: str = "ha") -> None:
    fleet.cluster("paris", platform="openshift", nodes=1 if topology == "sno" else 3)
    path = fleet.root / "clusters/paris.yaml"
    edit(path, ("  platform: openshift\n", f"  platform: openshift\n  topology: {topology}\n"))
    if mirrors:
        path.write_text(f"{path.read_text()}  mirrors: [{', '.join(mirrors)}]\n  mirrorObjects: true\n")


def test_a_new_set_of_tags_drains_every_node_and_unloads_who_does_not_tolerate_the_cordon(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS, DIGESTS)
    (found,) = [text for text in sentences(fleet.root) if "Machine Config Operator" in text and "no node" not in text]
    assert found == f"{DRAINS}; 1 driver does not tolerate the cordon and is unloaded meanwhile (nic)"


def test_drivers_that_tolerate_the_cordon_stay(fleet: FleetFolder) -> None:
    fleet.driver("nic", f"tolerations: [{CORDON}]")
    mirrored(fleet, TAGS)
    assert f"{DRAINS}; every driver of the clusters tolerates the cordon and stays loaded" in sentences(fleet.root)


def test_drivers_that_a_hub_delivers_unload_on_its_spoke(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    hub(fleet)
    git(tmp_path, "init")
    commit(fleet)
    path = tmp_path / "clusters/paris.yaml"
    path.write_text(f"{path.read_text()}  mirrors: [{TAGS}]\n  mirrorObjects: true\n")
    found = sentences(fleet.root)
    assert f"{DRAINS}; 1 driver does not tolerate the cordon and is unloaded meanwhile (nic)" in found


def test_a_cluster_without_drivers_is_not_said_to_keep_them(fleet: FleetFolder) -> None:
    for name in ("nic", "gpu"):
        fleet.driver(name, clusters="{names: [lyon]}")
    fleet.cluster("lyon")
    commit(fleet)
    mirrored(fleet, TAGS)
    assert f"{DRAINS}; the specs have no driver for them" in sentences(fleet.root)


@pytest.mark.parametrize(
    ("before", "after"),
    [((DIGESTS,), ()), ((DIGESTS,), (DIGESTS.replace("m.example/x", "m.example/z"),)), ((DIGESTS, MORE), (MORE,))],
)
def test_a_set_that_changes_or_goes_drains(fleet: FleetFolder, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    mirrored(fleet, *before)
    commit(fleet)
    mirrored(fleet, *after)
    assert any(text.startswith(DRAINS) for text in sentences(fleet.root))


@pytest.mark.parametrize("before", [(), (DIGESTS,)])
def test_a_source_of_digests_that_comes_drains_nothing(fleet: FleetFolder, before: tuple[str, ...]) -> None:
    mirrored(fleet, *before)
    commit(fleet)
    mirrored(fleet, *before, MORE)
    (text,) = sentences(fleet.root)
    assert "drains no node of 1 cluster" in text


def test_a_single_node_is_not_drained(fleet: FleetFolder) -> None:
    mirrored(fleet, topology="sno")
    commit(fleet)
    mirrored(fleet, TAGS, topology="sno")
    (text,) = sentences(fleet.root)
    assert text == "the Machine Config Operator changes the mirrors of the one node of 1 cluster without a drain"


def test_drivers_that_unload_fail_a_pipeline_that_asks(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS)
    assert fleet.run("diff", "--fail-on", "unload").returncode == 1
    assert fleet.run("diff", "--fail-on", "reload").returncode == 0
    assert fleet.run("diff", "--fail-on", "nodes=3").returncode == 1


def test_an_image_that_moves_to_a_mirror_is_caused_by_the_line_of_the_mirror(fleet: FleetFolder) -> None:
    path = fleet.root / "clusters/paris.yaml"
    edit(path, ("workers, count: 3,", "workers, count: 3, kernels: [5.14.0-427.el9.x86_64],"))
    commit(fleet)
    path.write_text(f"{path.read_text()}  mirrors:\n  - {{source: quay.io, mirror: m.example, type: tag}}\n")
    lines = fleet.run("diff").stdout.splitlines()
    (place,) = [lines[at + 1] for at, line in enumerate(lines) if "unloads and reloads gpu" in line]
    assert "clusters/paris.yaml:10" in place
