from __future__ import annotations

from pathlib import Path

import pytest

from tests.renderer.deliveries.daemonset.fleets import PlainFleet
from tests.renderer.deliveries.daemonset.sandbox import SHELLS, Node


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Node:
    """A node in a folder, for each of the shells that are here."""
    return Node(tmp_path, request.param)


@pytest.fixture
def fleet(tmp_path: Path) -> PlainFleet:
    """A fleet of one cluster without KMM and without a driver."""
    return PlainFleet(tmp_path)
