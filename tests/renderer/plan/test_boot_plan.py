"""What plan says of drivers that are loaded at boot: the images that nodes pull when they boot their next kernel."""

from __future__ import annotations

from pathlib import Path

from tests.fleets import FleetFolder
from tests.renderer.deliveries.boot.pools import WORKERS, boot_fleet, cluster

NEXT = "5.14.0-2.el9.x86_64"
COMING = f"{WORKERS}\nnextKernels: [{NEXT}]"

MISSING = f"""\
1 image to push before the upgrade: pulled by nodes when they boot
  quay.io/acme/nic:1.0-{NEXT}  (nic, 3 nodes of paris)
"""


def section(fleet: FleetFolder, *arguments: str) -> str:
    """The part of the plan about images at boot; empty where there is none."""
    text = fleet.run("plan", *arguments).stdout
    found = [part for part in text.split("\n\n") if "pulled by nodes when they boot" in part]
    return f"{found[0]}\n" if found else ""


def test_the_image_of_the_next_kernel_is_to_be_there_before_the_upgrade(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, COMING)
    assert section(fleet) == MISSING


def test_a_kernel_that_is_asked_for_counts_as_the_next_one(tmp_path: Path) -> None:
    assert section(boot_fleet(tmp_path), f"--kernel={NEXT}") == MISSING


def test_a_paused_pool_gets_no_next_kernel(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, COMING.replace("count: 3", "count: 3, pause: true"))
    assert section(fleet) == ""


def test_another_pool_pulls_nothing(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    others = COMING.replace("[{name: workers", '[{name: plain, labels: {example.com/a: ""}}, {name: workers')
    cluster(fleet, others.replace("node-role.kubernetes.io/worker", "node-role.kubernetes.io/gpu"))
    fleet.driver("nic", "boot: {pool: gpu, workerImage: quay.io/acme/worker:2.6}\n")
    assert section(fleet) == MISSING
