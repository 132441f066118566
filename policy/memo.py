"""Answers about texts that many objects share, kept for the next time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

_ENTRIES = 4096
LONGEST = 512
"""Characters; whoever sends longer texts does not decide how much memory a webhook takes."""


def kept(answer: Callable[[str], T], entries: int = _ENTRIES) -> Callable[[str], T]:
    """Keeps what a function of one text returns, but for long texts. What it raises is not kept.

    `entries` is how many answers: fewer where each takes much memory.
    """
    return _Answers(answer, entries).__getitem__  # which runs no line of Python for what is known


class _Answers(dict[str, T]):
    """Answers by their texts. Where there is no more room, the older half goes."""

    def __init__(self, answer: Callable[[str], T], entries: int) -> None:
        super().__init__()
        self._answer = answer
        self._most = entries

    def __missing__(self, text: str) -> T:
        found = self._answer(text)
        if len(text) <= LONGEST:
            if len(self) >= self._most:
                for old in list(islice(self, self._most // 2 + 1)):
                    self.pop(old, None)  # which another thread may have done
            self[text] = found
        return found
