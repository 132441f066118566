"""Recorded verdicts of the real systems, beside the repository; tests that need them skip without."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.fleets import REPOSITORY

FOLDER = REPOSITORY.parent / "shared" / "oracle"


def lines(name: str) -> list[dict[str, Any]]:
    """The cases of one file."""
    path = FOLDER / f"{name}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"the recorded verdicts are not there: {path}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
