"""Where the fields of a JSON text stand: an object or list is looked through once, when a field in it is asked for."""

from __future__ import annotations

import json
import re
from bisect import bisect_left

from kmodgate.policy.lazy import lazy_regex

_SPACE = lazy_regex(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()

_Path = tuple[str | int, ...]


class JsonPositions:
    """The lines and columns of a value in a text that is JSON; `start` is where the value begins."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self._children: dict[int, dict[str | int, int]] = {}
        self._breaks: list[int] | None = None

    def position(self, path: _Path) -> tuple[int, int]:
        """Return line and column, from 1, of the value at a path; of the closest one around it where none is there."""
        place = _SPACE.match(self._text, self._start).end()  # type: ignore[union-attr]  # it matches nothing, too
        for key in path:
            found = self._children_at(place).get(key)
            if found is None:
                break
            place = found
        if self._breaks is None:
            self._breaks = [match.start() for match in re.finditer("\n", self._text)]
        line = bisect_left(self._breaks, place)
        return line + 1, place - (self._breaks[line - 1] + 1 if line else 0) + 1

    def _children_at(self, place: int) -> dict[str | int, int]:
        """Return where the members of an object or the items of a list begin; nothing for any other value."""
        if place not in self._children:
            self._children[place] = self._look_through(place)
        return self._children[place]

    def _look_through(self, place: int) -> dict[str | int, int]:
        opening = self._text[place]
        found: dict[str | int, int] = {}
        if opening not in "{[":
            return found
        place = self._skip(place + 1)
        while self._text[place] not in "}]":
            key: str | int = len(found)
            if opening == "{":
                key, place = _DECODER.raw_decode(self._text, place)
                place = self._skip(self._skip(place) + 1)  # past the colon
            found[key] = place
            _, place = _DECODER.raw_decode(self._text, place)
            place = self._skip(place)
            if self._text[place] == ",":
                place = self._skip(place + 1)
        return found

    def _skip(self, place: int) -> int:
        return _SPACE.match(self._text, place).end()  # type: ignore[union-attr]
