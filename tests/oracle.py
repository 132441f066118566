"""Recorded verdicts of the real systems."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests import shared


def lines(name: str) -> list[dict[str, Any]]:
    """The cases of one file. Skips the test where it is not there."""
    with gzip.open(shared.need(f"oracle/{name}.jsonl.gz"), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
