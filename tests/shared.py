"""Data beside the repository: KMM's own definitions, and recorded verdicts of the real systems.

The folder is `../shared`, which a clone does not have, or the one that the variable KMODGATE_SHARED names; an empty
variable stands for no folder. Only tests with the marker `shared` may look: CI runs them once more without the folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fleets import REPOSITORY

FOLDER = os.environ.get("KMODGATE_SHARED", str(REPOSITORY.parent / "shared"))

test: pytest.Item | None = None
"""The test that is running."""


def find(name: str) -> Path | None:
    """Return the path of a file of the folder, or None where it is not there. LookupError without the marker."""
    if test is None or not test.get_closest_marker("shared"):
        raise LookupError(f"mark the test, @pytest.mark.shared: it looks for {name}")
    path = Path(FOLDER, name)
    return path if FOLDER and path.is_file() else None


def need(name: str) -> Path:
    """Return the path of a file of the folder. Skips the test where it is not there."""
    path = find(name)
    if path is None:
        pytest.skip(f"{name} is not in {FOLDER or 'KMODGATE_SHARED, which is empty'}")
    return path
