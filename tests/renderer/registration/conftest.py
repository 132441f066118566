"""A fleet whose driver is signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder
from tests.renderer.registration.registering import (
    SIGNED,
)


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path / "fleet")
    folder.cluster("paris")
    folder.driver("nic", SIGNED)
    return folder
