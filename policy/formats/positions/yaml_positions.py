"""Where the nodes of a YAML document stand: two integers a node, since a fleet has hundreds of thousands of nodes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_COLUMNS = 1 << 24  # a position is one integer, line * _COLUMNS + column

_Path = tuple[str | int, ...]


def position_of(mark: Any) -> int:
    """Return the position of a mark of PyYAML as one integer."""
    position: int = (mark.line + 1) * _COLUMNS + mark.column + 1
    return position


def line_of(position: int) -> int:
    """Return the line of a position, from 1."""
    return position // _COLUMNS


class YamlPositions:
    """The positions of a document's nodes, in the order in which its value has them.

    `starts` has where each node stands, `keys` where its key does, 0 for a node that has none. The paths are counted
    when the first one is asked for: most documents have no finding.
    """

    __slots__ = ("keys", "starts", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.starts = array("Q")
        self.keys = array("Q")

    def add(self, start: int, key: int) -> None:
        """Add the next node."""
        self.starts.append(start)
        self.keys.append(key)

    def member(self, key: str, members: dict[str, Any], first: int) -> int:
        """Return the number of a member's node in a map whose members begin with number `first`."""
        for name, value in members.items():
            if name == key:
                break
            first += _size(value)
        return first

    def replace(self, key: str, members: dict[str, Any], first: int, again: int) -> None:
        """Put the nodes of a member that was read again, the last from number `again` on, in the place of the first.

        The key is still the first one.
        """
        place = self.member(key, members, first)
        end, self.keys[again] = place + _size(members[key]), self.keys[place]
        for numbers in (self.starts, self.keys):
            second = numbers[again:]
            del numbers[again:]
            numbers[place:end] = second

    def find(self, path: _Path) -> tuple[int, int] | None:
        """Return line and column of the node at a path; None where there is none."""
        number = _numbers(self).get(path)
        return None if number is None else divmod(self.starts[number], _COLUMNS)

    def find_key(self, path: _Path) -> tuple[int, int] | None:
        """Return line and column of the key that ends a path; None where there is none."""
        number = _numbers(self).get(path)
        return None if number is None or not self.keys[number] else divmod(self.keys[number], _COLUMNS)

    def paths(self) -> Iterator[_Path]:
        """Yield the paths of all nodes, in the order of the value."""
        return iter(_numbers(self))


@lru_cache(maxsize=64)
def _numbers(positions: YamlPositions) -> dict[_Path, int]:
    """The number of each node by its path; findings come cluster by cluster, of the same documents."""
    found: dict[_Path, int] = {}
    _count(positions.value, (), found)
    return found


def _count(value: object, path: _Path, found: dict[_Path, int]) -> None:
    found[path] = len(found)
    if isinstance(value, dict):
        for key, item in value.items():
            _count(item, (*path, key), found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _count(item, (*path, index), found)


def _size(value: object) -> int:
    """The number of nodes of a value, itself included."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_size, items))
