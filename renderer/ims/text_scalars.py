"""Texts in a file of objects: where each of their lines stands, so that lines can be changed and no other byte is.

A text is a literal block (`|`), one line of the file for each of its own; or it is in double quotes, in YAML or JSON,
where a line ends with `\\n` and may go on in the next line of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.ims.template_edits import Edit

_ESCAPE = lazy_regex(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})")
_SINGLE = dict(
    zip('0abt\tnvfre "/\\N_LP', '\0\a\b\t\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029', strict=True),
)
_FOLD = lazy_regex(r"[ \t]*((?:\r?\n[ \t]*)+)")
_CONTINUED = lazy_regex(r"\r?\n[ \t]*")

Change = tuple[int, int, str]
"""A piece of a file, from and to which character, and what comes in its place."""


class UnknownStyleError(ValueError):
    """A text in a style of YAML whose lines cannot be changed one by one."""


def changes(source: str, place: tuple[int, int], text: str, edits: Iterable[Edit]) -> list[Change]:
    """Return what edits of a text change in the file; `place` is line and column of its scalar, from 1.

    Raises UnknownStyleError for a text that is neither a literal block nor in double quotes.
    """
    starts = [0, *(match.end() for match in re.finditer("\n", source))]
    line, column = place
    start = starts[line - 1] + column - 1 if line <= len(starts) else len(source)
    sign = source[start : start + 1]
    if sign == "|":
        return [_in_block(source, starts, line, text, edit) for edit in edits]
    if sign == '"':
        spans = _spans(source, start, text)
        return [_in_quotes(start, spans, text, edit) for edit in edits]
    raise UnknownStyleError("the text is neither a block (|) nor in double quotes")


def changed(source: str, found: Iterable[Change]) -> str:
    """Return a file with its changes made."""
    for start, end, new in sorted(found, reverse=True):
        source = source[:start] + new + source[end:]
    return source


def _in_block(source: str, starts: list[int], header: int, text: str, edit: Edit) -> Change:
    index = header + edit.line
    start = starts[index] if index < len(starts) else len(source)
    end = source.find("\n", start)
    end = len(source) if end < 0 else end
    line = source[start:end]
    ending = "\r" if line.endswith("\r") else ""
    indent = _indent_of_block(source, starts, header, text)
    if not edit.replaces:
        return start, start, "".join(f"{indent}{new}{ending}\n" for new in edit.new)
    if line.removesuffix("\r") != indent + text.split("\n")[edit.line]:
        raise UnknownStyleError("the line holds an action of Helm")
    return start, end, f"{ending}\n".join(indent + new for new in edit.new) + ending


def _indent_of_block(source: str, starts: list[int], header: int, text: str) -> str:
    for number, line in enumerate(text.split("\n")):
        if line.strip():
            start = starts[header + number]
            return " " * (_leading(source[start:].partition("\n")[0]) - _leading(line))
    return ""


def _leading(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _in_quotes(start: int, spans: list[tuple[int, int]], text: str, edit: Edit) -> Change:
    breaks = [match.end() for match in re.finditer("\n", text)]
    first = [0, *breaks][edit.line]
    new = "".join(f"{line}\n" for line in edit.new)
    last = first
    if edit.replaces:
        last = breaks[edit.line] if edit.line < len(breaks) else len(text)
        first, last, new = _middle(text, first, last, new if text[first:last].endswith("\n") else new[:-1])
    begin = spans[first - 1][1] if first else start + 1
    end = spans[last - 1][1] if last > first else begin
    return begin, end, json.dumps(new, ensure_ascii=False)[1:-1]


def _middle(text: str, first: int, last: int, new: str) -> Change:
    """Return the part of a replacement that differs from what is there."""
    old = text[first:last]
    common = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest_old, rest_new = old[common:][::-1], new[common:][::-1]
    shortest = min(len(rest_old), len(rest_new))
    tail = next((i for i, (a, b) in enumerate(zip(rest_old, rest_new, strict=False)) if a != b), shortest)
    return first + common, last - tail, new[common : len(new) - tail]


def _spans(source: str, start: int, text: str) -> list[tuple[int, int]]:
    """Return where each character of a text in double quotes stands in the file."""
    found: list[tuple[str, int, int]] = []
    place = start + 1
    while place < len(source) and source[place] != '"':
        place = _character(source, place, found)
    characters = [item for item in found if item[0]]
    if "".join(item[0] for item in characters) != text:
        raise UnknownStyleError("the text in double quotes cannot be followed letter by letter")
    return [(begin, end) for character, begin, end in characters for _ in character]


def _character(source: str, place: int, found: list[tuple[str, int, int]]) -> int:
    """Add what stands at a place, and return where the next begins."""
    if source[place] == "\\":
        end, character = _escaped(source, place)
    elif (match := _FOLD.match(source, place)) is not None:
        breaks = match[1].count("\n")
        end, character = match.end(), "\n" * (breaks - 1) or " "
    else:
        end, character = place + 1, source[place]
    found.append((character, place, end))
    return end


def _escaped(source: str, place: int) -> tuple[int, str]:
    if match := _CONTINUED.match(source, place + 1):
        return match.end(), ""
    if match := _ESCAPE.match(source, place + 1):
        code = int(match[1] or match[2] or match[3], 16)
        end = match.end()
        if 0xD800 <= code < 0xDC00 and (low := re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})").match(source, end)):
            return low.end(), chr(0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00)
        return end, chr(code) if code < 0x110000 else "\ufffd"
    return place + 2, _SINGLE.get(source[place + 1 : place + 2], "\ufffd")
