"""The alternatives of a regular expression, by its text: whether each of them says where it begins and ends."""

from __future__ import annotations

from itertools import pairwise

from kmodgate.policy.lazy import lazy_regex

_FLAGS = lazy_regex(r"\(\?[imsU]+\)")
_GROUP = lazy_regex(r"\((?:\?:|\?P?<\w+>)?")


def alternatives(text: str) -> list[str]:
    """The alternatives of an expression, also of one that is a group as a whole; flags in front are left out.

    Groups may be nested a thousand deep: the text is read once, and no part of it for each group around it.
    """
    closings, bars = _groups(text)
    start, end, opening = 0, len(text), -1
    while True:
        if flags := _FLAGS.match(text, start):
            start = flags.end()
        cuts = bars.get(opening, [])
        group = _GROUP.match(text, start)
        if cuts or group is None or closings.get(start) != end - 1:
            return [text[first + 1 : last] for first, last in pairwise([start - 1, *cuts, end])]
        start, end, opening = group.end(), end - 1, start


def _groups(text: str) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Where the group that begins at a place ends, and where the bars of a group stand; -1 is the whole text."""
    closings: dict[int, int] = {}
    bars: dict[int, list[int]] = {}
    open_ones, index = [-1], 0
    while index < len(text):
        char = text[index]
        if char == "\\":
            index += 1
        elif char == "[":
            index = max(index, text.find("]", index + 2))
        elif char == "(":
            open_ones.append(index)
        elif char == ")" and len(open_ones) > 1:
            closings[open_ones.pop()] = index
        elif char == "|":
            bars.setdefault(open_ones[-1], []).append(index)
        index += 1
    return closings, bars
