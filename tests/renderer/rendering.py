"""Render one driver on one cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fleets import FleetFolder

MODULE = "paris/nic/module-nic.yaml"
IMAGE = "quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}"


def one_cluster(root: Path) -> FleetFolder:
    """A fleet of one cluster, paris, with a Dockerfile and no driver."""
    folder = FleetFolder(root)
    folder.cluster("paris")
    folder.write("drivers/Dockerfile", "FROM a:1\nRUN make\n")
    return folder


def module(fleet: FleetFolder, more: str = "") -> Any:
    fleet.driver("nic", more)
    fleet.render()
    return fleet.object(MODULE)


def container(fleet: FleetFolder, more: str = "") -> Any:
    return module(fleet, more)["spec"]["moduleLoader"]["container"]


def errors(fleet: FleetFolder) -> list[str]:
    """The lines with findings of a render that must fail, without their fixes."""
    result = fleet.run("render")
    assert result.returncode == 2, result.stderr
    assert not (fleet.root / "rendered").exists()
    assert "\n    fix: " in result.stderr
    return [line for line in result.stderr.splitlines() if ": error[" in line]
