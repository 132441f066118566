"""A rendered fleet of two clusters and two drivers, committed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path / "fleet")
    folder.cluster("paris", nodes=12)
    folder.cluster("lyon", nodes=30)
    for name in ("nic", "gpu"):
        folder.driver(name)
    folder.render()
    git(folder.root, "init", "-q")
    commit(folder)
    return folder


def commit(fleet: FleetFolder) -> None:
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "a step", "--allow-empty")


def forget_places(fleet: FleetFolder, cluster: str) -> None:
    """Commit the index of a cluster as it was before indexes had places."""
    index = fleet.root / f"rendered/{cluster}/.index"
    index.write_text(re.sub(" ?@.*", "", index.read_text()))
    commit(fleet)
