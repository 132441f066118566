"""A fleet to which a test adds its driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder
from tests.renderer.rendering import one_cluster


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    """A fleet of one cluster, paris, with a Dockerfile and no driver."""
    return one_cluster(tmp_path)
