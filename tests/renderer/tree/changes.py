"""Changes of a fleet, each of which takes a Module out of a tree."""

from __future__ import annotations

from tests.fleets import FleetFolder


def relabel(fleet: FleetFolder) -> None:
    fleet.driver("nic", clusters="{names: [paris]}")


def rename(fleet: FleetFolder) -> None:
    (fleet.root / "drivers/nic.yaml").unlink()


def move(fleet: FleetFolder) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("kmm-tests", "elsewhere"))


def retire(fleet: FleetFolder) -> None:
    (fleet.root / "clusters/lyon.yaml").unlink()
