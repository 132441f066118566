"""`kmodgate images` of a hub and its spokes: each has what it pulls, for the kernels of the spokes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fleets import FleetFolder
from tests.renderer.deliveries.hub import hubs
from tests.renderer.diff.three_sites import edit

RUNNING, NEXT, OTHER = (f"5.14.0-{number}.el9.x86_64" for number in (427, 570, 611))
PLUGIN = f"quay.io/acme/plugin@sha256:{'0' * 64}"
WITH_PLUGIN = f"devicePlugin: {{container: {{image: '{PLUGIN}'}}}}\n"
DOCKERFILE = "ARG KERNEL_FULL_VERSION\nFROM quay.io/acme/devel:${KERNEL_FULL_VERSION}\nFROM quay.io/acme/base:1\n"
NODES_OF_ITS_OWN = """\
  nodeGroups:
  - {name: masters, count: 3, labels: {node-role.kubernetes.io/worker: ""}, kernels: [4.18.0-1.el8.x86_64]}
"""


def fleet(tmp_path: Path, more: str = "") -> FleetFolder:
    """A hub whose own nodes have another kernel, and a spoke that gets a next one, but not on its infra nodes."""
    folder = FleetFolder(tmp_path)
    hubs.hub(folder, more)
    folder.write("clusters/hub.yaml", hubs.HUB + NODES_OF_ITS_OWN)
    path = folder.root / "clusters/paris.yaml"
    edit(path, (f"kernels: [{RUNNING}]", f"kernels: [{RUNNING}], nextKernels: [{NEXT}]"))
    path.write_text(path.read_text() + f"  - {{name: infra, count: 2, labels: {{infra: ''}}, kernels: [{OTHER}]}}\n")
    return folder


def images(folder: FleetFolder, *arguments: str) -> list[str]:
    result = folder.run("images", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_prebuilt_images_are_pulled_by_the_spoke_and_for_all_of_its_kernels_by_the_hub(tmp_path: Path) -> None:
    folder = fleet(tmp_path, WITH_PLUGIN)
    assert images(folder, "--cluster", "hub") == [f"quay.io/acme/nic:1.0-{kernel}" for kernel in (RUNNING, NEXT, OTHER)]
    assert images(folder, "--cluster", "paris") == [
        *(f"quay.io/acme/nic:1.0-{kernel}" for kernel in (RUNNING, NEXT)),
        PLUGIN,
    ]
    assert images(folder, "--cluster", "lyon") == []


def test_base_images_are_pulled_by_the_hub_alone(tmp_path: Path) -> None:
    folder = fleet(tmp_path, WITH_PLUGIN + "build: {dockerfile: ./nic.Dockerfile}\n")
    folder.write("drivers/nic.Dockerfile", DOCKERFILE)
    expected = ["quay.io/acme/base:1", *(f"quay.io/acme/devel:{kernel}" for kernel in (RUNNING, NEXT, OTHER))]
    assert images(folder, "--cluster", "hub") == expected
    assert images(folder, "--cluster", "paris") == [PLUGIN]
    assert images(folder) == [*expected, PLUGIN]


def test_a_kernel_asked_about_is_one_of_the_spokes(tmp_path: Path) -> None:
    asked, folder = "5.14.0-700.el9.x86_64", fleet(tmp_path)
    for cluster in ("hub", "paris"):
        assert f"quay.io/acme/nic:1.0-{asked}" in images(folder, "--cluster", cluster, "--kernel", asked)


def test_both_pull_by_the_names_of_the_hubs_mirrors(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    path = folder.root / "clusters/hub.yaml"
    path.write_text(path.read_text() + "  mirrors: [{source: quay.io, mirror: m.example, type: tag}]\n")
    found: list[Any] = json.loads(folder.run("images", "--format", "json").stdout)["images"]
    pulled = f"m.example/acme/nic:1.0-{RUNNING}"
    assert found[0]["image"] == f"quay.io/acme/nic:1.0-{RUNNING}"
    assert found[0]["pulledAs"] == {"hub": pulled, "paris": pulled}


def test_spokes_and_kernels_that_are_not_known_are_told(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    edit(folder.root / "clusters/paris.yaml", (f", kernels: [{RUNNING}], nextKernels: [{NEXT}]", ""))
    edit(folder.root / "clusters/paris.yaml", (f", kernels: [{OTHER}]", ""))
    told = folder.run("images").stderr
    assert "not known: hub: the kernels of its spoke paris, so that images of ManagedClusterModule nic are" in told
    assert "not known: paris: the kernels of its nodes, so that images of Module kmm-tests/nic are missing" in told

    (folder.root / "clusters/paris.yaml").unlink()
    told = folder.run("images").stderr
    assert "not known: hub: the spokes that ManagedClusterModule nic selects, so that its images are missing" in told
