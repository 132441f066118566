"""How many examples a property test draws: `DRAWS=10 make test` draws ten times as many of each."""

from __future__ import annotations

import os


def drawn(usual: int) -> int:
    """The number for `max_examples`, of one that is enough for each run beside the runs that were before it."""
    return max(1, round(usual * float(os.environ.get("DRAWS", "1"))))
