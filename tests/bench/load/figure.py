"""One line of the tables about the webhook."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; `used` is the share of the budget, above 1 where it is not kept."""

    what: str
    found: str
    budget: str = ""
    used: float | None = None
