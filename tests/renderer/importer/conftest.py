"""A folder with one Module to import."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.renderer.importer.import_runs import module


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "module.yaml").write_text(module())
    return tmp_path
