"""The texts of a tree, until it is known which of them are written."""

from __future__ import annotations

import hashlib
import zlib
from functools import lru_cache

_BLOCK = 1 << 18
"""Bytes of text that are compressed together: the files of a cluster resemble each other."""

_PLAIN = 1 << 22
"""Bytes of text that are kept as they are: no fleet of ordinary size pays for compressing."""


class Text:
    """The text of a file, and its digest."""

    __slots__ = ("_block", "_length", "_place", "digest")

    def __init__(self, block: _Block, place: int, length: int, digest: str) -> None:
        self._block = block
        self._place = place
        self._length = length
        self.digest = digest

    @property
    def content(self) -> bytes:
        return self._block.read(self._place, self._length)


def as_it_is(content: bytes) -> Text:
    """Return a text that is kept by itself."""
    return _Block().add(content)


class TextStore:
    """Keeps the texts of a fleet: the first few MiB as they are, the others compressed."""

    def __init__(self) -> None:
        self._open = _Block()
        self._bytes = 0

    def add(self, content: bytes) -> Text:
        """Keep a text."""
        text = self._open.add(content)
        if self._open.length >= _BLOCK:
            self._bytes += self._open.length
            if self._bytes > _PLAIN:
                self._open.compress()
            self._open = _Block()
        return text


class _Block:
    """Texts one after the other."""

    __slots__ = ("_compressed", "_plain")

    def __init__(self) -> None:
        self._plain = bytearray()
        self._compressed = b""

    @property
    def length(self) -> int:
        return len(self._plain)

    def add(self, content: bytes) -> Text:
        """Add a text at the end."""
        place = len(self._plain)
        self._plain += content
        return Text(self, place, len(content), hashlib.sha256(content).hexdigest())

    def compress(self) -> None:
        """Take less memory from now on; nothing can be added any more."""
        self._compressed = zlib.compress(self._plain, 1)
        self._plain = bytearray()

    def read(self, place: int, length: int) -> bytes:
        """Return the text at a place."""
        whole = _unpacked(self._compressed) if self._compressed else self._plain
        return bytes(whole[place : place + length])


@lru_cache(maxsize=1)
def _unpacked(compressed: bytes) -> bytes:
    """The texts of a block. Files are read in the order in which they were made: most follow one of the same block."""
    return zlib.decompress(compressed)
