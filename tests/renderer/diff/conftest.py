"""The three sites in a git repository."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fleets import git
from tests.renderer.plan.test_plan import SCENARIO


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    """The scenario, committed; to be changed."""
    shutil.copytree(SCENARIO, tmp_path / "sites", ignore=shutil.ignore_patterns("golden"))
    git(tmp_path / "sites", "init")
    git(tmp_path / "sites", "add", "-A")
    git(tmp_path / "sites", "commit", "-m", "first")
    return tmp_path / "sites"
