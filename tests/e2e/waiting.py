"""Waiting for what other processes do, by asking again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], what: str, *, seconds: float = 60.0) -> T:
    """The first true answer of `check`. AssertionError with the last answer when there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > end:
            raise AssertionError(f"not after {seconds:g} seconds: {what}; last answer: {answer!r}")
        time.sleep(0.05)
    return answer
