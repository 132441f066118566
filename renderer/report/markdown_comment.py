"""Markdown for a comment of a pull request: text as it stands, in at most 65,536 characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape

from kmodgate.renderer.wording import printable

LIMIT = 65_536
"""What GitHub takes of a comment, in characters."""

_ROOM = 200  # for what closes a page that is full
_MARKS = str.maketrans({char: f"\\{char}" for char in "\\`*_{}[]<>()#+!|~$"})


def cell(text: str) -> str:
    """Text as it stands: nothing of it is read as Markdown, a mention or HTML."""
    return printable(text).translate(_MARKS).replace("@", "@\u200b").replace("\n", " ")


def code(text: str) -> str:
    """Text in the letters of code, which a table does not break."""
    plain = printable(text).replace("`", "'").replace("|", "\\|").replace("\n", " ")
    return f"`{plain}`" if plain else ""


def fenced(lines: Sequence[str], language: str) -> str:
    """Lines as a block of code, in a fence that none of them can close."""
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    body = "".join(f"{printable(line)}\n" for line in lines)
    return f"{fence}{language}\n{body}{fence}\n"


class Page:
    """Text that grows up to the limit; what does not fit any more is counted."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._left_out = 0
        self._open = ""

    def add(self, text: str) -> bool:
        """Adds text as a whole, or counts it; whether it did fit."""
        if self._left_out or self._size + len(text) + _ROOM > LIMIT:
            self._left_out += 1
            return False
        self._parts.append(text)
        self._size += len(text)
        return True

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table of cells, without its head if no row fits."""
        start = f"| {' | '.join(head)} |\n|{' --- |' * len(head)}\n"
        for row in rows:
            if self.add(f"{start}| {' | '.join(row)} |\n"):
                start = ""

    @contextmanager
    def folded(self, title: str) -> Iterator[None]:
        """A part that a reader unfolds; its title is text as it stands."""
        if self.add(f"\n<details><summary>{escape(printable(title))}</summary>\n\n"):
            self._open = "\n</details>\n"
        yield
        if self._open:
            self._parts.append(self._open)
            self._size += len(self._open)
            self._open = ""

    def text(self) -> str:
        rest = f"\nand {self._left_out} more parts, which do not fit\n" if self._left_out else ""
        return "".join(self._parts) + rest
