"""Answers about texts that many objects share, kept for the next time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")

_ENTRIES = 4096
LONGEST = 512
"""Characters; whoever sends longer texts does not decide how much memory a webhook takes."""


def kept(answer: Callable[[str], T], entries: int = _ENTRIES) -> Callable[[str], T]:
    """Keeps what a function of one text returns, but for long texts. What it raises is not kept.

    `entries` is how many answers: fewer where each takes much memory.
    """
    cached = lru_cache(entries)(answer)

    @wraps(answer)
    def answered(text: str) -> T:
        return cached(text) if len(text) <= LONGEST else answer(text)

    return answered
