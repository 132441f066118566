"""One error of the catalogue."""

from __future__ import annotations

from kmodgate.policy.data_class import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """An error by its id: what it means, and what to do."""

    id: str
    meaning: str
    remedy: str
