"""`kmodgate images`: what nodes pull to load a driver at boot."""

from __future__ import annotations

import json
from pathlib import Path

from tests.renderer.deliveries.boot.pools import WORKER, WORKERS, boot_fleet, cluster
from tests.renderer.images.test_images import images

RUNNING, NEXT = "5.14.0-1.el9.x86_64", "5.14.0-2.el9.x86_64"
NODES = WORKERS.replace("kernels:", f"nextKernels: [{NEXT}], kernels:")


def test_worker_and_image_are_listed_for_every_kernel_of_the_pool(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, f"{{pool: worker, workerImage: {WORKER}, image: quay.io/acme/boot}}")
    cluster(fleet, NODES)
    boot = {f"quay.io/acme/boot:{kernel}" for kernel in (RUNNING, NEXT)}
    assert {*images(fleet)} == {WORKER, *boot, *(f"quay.io/acme/nic:1.0-{kernel}" for kernel in (RUNNING, NEXT))}
    assert "quay.io/acme/boot:5.14.0-3.el9.x86_64" in images(fleet, "--kernel", "5.14.0-3.el9.x86_64")


def test_they_have_the_names_of_their_sources_whatever_is_mirrored(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, f"{{pool: worker, workerImage: {WORKER}, image: quay.io/acme/boot}}")
    cluster(fleet, f"{NODES}\nmirrors: [{{source: quay.io, mirror: m.example, type: tag}}]")
    found = {item["image"]: item for item in json.loads(fleet.run("images", "--format", "json").stdout)["images"]}
    assert found[WORKER]["pulledAs"] == {"paris": WORKER.replace("quay.io", "m.example")}
    item = found[f"quay.io/acme/boot:{NEXT}"]
    assert item["pulledAs"] == {"paris": f"m.example/acme/boot:{NEXT}"}
    assert item["usedBy"] == ["MachineConfig 99-worker-kmodgate-nic: image at boot"]


def test_what_kmm_builds_in_the_cluster_is_not_listed(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, more="build: {dockerfile: ./Dockerfile}")
    fleet.write("drivers/Dockerfile", "FROM quay.io/acme/base:1\n")
    assert images(fleet) == ["quay.io/acme/base:1", WORKER]


def test_a_boot_module_config_is_listed_with_the_tags_of_its_kernels(tmp_path: Path) -> None:
    boot = f"{{pool: worker, bootModuleConfig: true, image: quay.io/acme/boot, workerImage: {WORKER}}}"
    fleet = boot_fleet(tmp_path, boot)
    assert images(fleet) == [f"quay.io/acme/boot:{RUNNING}", f"quay.io/acme/nic:1.0-{RUNNING}", WORKER]


def test_the_nodes_of_a_hosted_cluster_pull_what_its_host_holds_for_them(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, f"{{pool: paris-a, workerImage: {WORKER}, image: quay.io/acme/boot}}")
    label = "hypershift.openshift.io/nodePool: paris-a"
    nodes = f"nodeGroups: [{{name: nodes, labels: {{{label}}}, nextKernels: [{NEXT}], kernels: [{RUNNING}]}}]"
    cluster(fleet, f"topology: hosted\nhosted: {{management: metal, namespace: clusters}}\n{nodes}")
    cluster(fleet, name="metal")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("{matchLabels: {tier: edge}}", "{names: [paris]}"))
    assert f"quay.io/acme/boot:{NEXT}" in images(fleet, "--cluster", "paris")
    assert images(fleet, "--cluster", "metal") == []


def test_kernels_of_a_pool_that_are_not_known_are_told(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, "topology: ha")
    result = fleet.run("images")
    assert result.stdout.split() == [WORKER]
    assert "the kernels of pool worker, so that images of MachineConfig 99-worker-kmodgate-nic" in result.stderr
