"""A fleet with one driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path)
    folder.driver("nic")
    return folder
