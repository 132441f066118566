"""A rendered fleet of two clusters and two drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path / "fleet")
    folder.cluster("paris", nodes=12)
    folder.cluster("lyon", nodes=30)
    for name in ("nic", "gpu"):
        folder.driver(name)
    folder.render()
    return folder
