"""Problems of YAML texts: findings at places in a file, and for errors of the parser where the slip was made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import yaml

from kmodgate.policy.findings import FieldPath, Finding, Mode, Severity, format_path
from kmodgate.policy.lazy import lazy_regex

_OPENING = lazy_regex(r"""(?:^|[\s\[{,])(['"])""")
_COMMENT = lazy_regex(r"\s*(?:#.*)?")
_AFTER = lazy_regex(r"\s*(?:[,\]}:]|\s#|$)")
_BLOCK = lazy_regex(r"(?:^|[\s:-])[|>][-+0-9]*\s*(?:#.*)?$")
_ENTRY = lazy_regex(
    r"([ ]*(?:- +)*)([A-Za-z_][\w./-]*)(?:(:)(?=\S)|\s+(?=[^\s:#])|\s*$)((?:(?!: |:\s*$| #).)*)(?: #.*)?"
)
"""A line with a word that has no colon, or no space after it: its dashes, the word, the colon, the rest."""

_ODD_SPACE = lazy_regex(r"[ ]*+(?:- ++)*+(?:[\w./-]++:[ ]*+)?[\u00a0\u2000-\u200b\u202f\u3000]")
_WITHOUT_VALUE = lazy_regex(r":\s*(?:#.*)?$")


class Problems:
    """The findings of one file; in an object that is no spec, what readers disagree on is advice."""

    def __init__(self, file: str, *, is_spec: bool) -> None:
        self.findings: list[Finding] = []
        self._file = file
        self._is_spec = is_spec

    def add(self, rule: str, message: str, fix: str, line: int, column: int, field: str = "") -> None:
        """Add a finding; line and column from 1."""
        finding = Finding(rule, message, fix, field=field, file=self._file, line=line, column=column)
        if rule == "SCH005" and not self._is_spec:  # kubectl has an answer; another reader may have another
            finding = replace(finding, severity=Severity.WARNING, mode=Mode.WARN)
        self.findings.append(finding)

    def at(self, event: Any, path: FieldPath, rule: str, message: str, fix: str) -> None:
        """Add a finding where an event of the parser begins."""
        mark = event.start_mark
        self.add(rule, message, fix, mark.line + 1, mark.column + 1, format_path(path))

    def refuse_properties(self, event: Any, path: FieldPath) -> None:
        """Report the anchor and the tag of a node."""
        if event.anchor is not None and self._is_spec:
            self.at(event, path, "SCH004", f"the anchor &{event.anchor}: specs are read without anchors", "remove it")
        if event.tag is not None and event.tag != "!":
            fix = "remove it; quote the value if it is to be a string"
            self.at(event, path, "SCH004", f"the tag {event.tag}: specs are read without tags", fix)


class SyntaxProblem(NamedTuple):
    """What is wrong with a text, and where; line and column from 1."""

    message: str
    fix: str
    line: int
    column: int


def syntax_problem(error: yaml.YAMLError, text: str) -> SyntaxProblem:
    """Return the slip that made the parser stop: it often lies lines above the place where the parser notices."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return _forbidden_character(error, text)
    lines = text.split("\n")
    if found := _unresolved_merge(lines) or _tab(lines, mark.line):
        return found
    if place := _odd_space(lines, mark.line):
        name = f"U+{ord(lines[place[0]][place[1]]):04X}"
        return SyntaxProblem(f"the space {name} is none to YAML", "write an ordinary space", place[0] + 1, place[1] + 1)
    if place := open_quote(lines, mark.line):
        fix = "close it at the end of the text"
        return SyntaxProblem("a quote is opened here and not closed on its line", fix, place[0] + 1, place[1] + 1)
    words = (getattr(error, "problem", None), getattr(error, "context", None))
    start, said = getattr(error, "context_mark", None), " ".join(word for word in words if word)
    if start is not None and "flow" in said and start.line < mark.line:
        bracket = lines[start.line][start.column : start.column + 1]
        fix = f"close it with {'}' if bracket == '{' else ']'}"
        return SyntaxProblem(f"a {bracket} is opened here and not closed", fix, start.line + 1, start.column + 1)
    if "simple key" in said or "mapping values" in said:
        number = start.line if start is not None else _line_above(lines, mark)
        found = _without_colon(lines, number, is_key=start is not None)
        if found:
            return found
    return _where_it_stops(said, lines, mark, start)


def _where_it_stops(said: str, lines: Sequence[str], mark: Any, start: Any) -> SyntaxProblem:
    """Return the problem as the parser sees it; a line that ends a block and begins nothing is indented wrongly."""
    line = lines[mark.line] if mark.line < len(lines) else ""
    message, fix = f"not YAML: {said}", _advice(said, line, mark.column)
    if "block" in said and start is not None and start.line < mark.line and not line[: mark.column].strip():
        message = f"is indented neither as line {start.line + 1} is nor as what stands around that"
        fix = "indent it as the lines that it belongs to, or correct the lines above it"
    return SyntaxProblem(message, fix, mark.line + 1, mark.column + 1)


def _unresolved_merge(lines: Sequence[str]) -> SyntaxProblem | None:
    """Return the problem of a text with both sides of a merge, between the marks that git writes."""
    begin = next((number for number, line in enumerate(lines, 1) if line.startswith("<<<<<<< ")), 0)
    if not begin or not any(line.startswith(">>>>>>> ") for line in lines[begin:]):
        return None
    fix = "keep what is right of both, and delete the lines that begin with <<<<<<<, ======= and >>>>>>>"
    return SyntaxProblem("a conflict of a merge: both sides stand here", fix, begin, 1)


def _tab(lines: Sequence[str], number: int) -> SyntaxProblem | None:
    """Return the problem of a tab in the indentation of a line."""
    indent = re.match(r"[ \t]*", lines[number] if number < len(lines) else "")
    if not indent or "\t" not in indent[0]:
        return None
    return SyntaxProblem("a tab in the indentation", "indent with spaces", number + 1, indent[0].index("\t") + 1)


def _odd_space(lines: Sequence[str], last: int) -> tuple[int, int] | None:
    """Return line and column, from 0, of a space as web pages have it, before or behind the word of a line's key.

    Looked at are the line where the parser stops and the one before it.
    """
    for number in range(last, max(last - 2, -1), -1):
        if number < len(lines) and (match := _ODD_SPACE.match(lines[number])):
            return number, match.end() - 1
    return None


def _content_before(lines: Sequence[str], number: int) -> int:
    """Return the last line before another one that is neither empty nor a comment; -1 where there is none."""
    return next((index for index in range(number - 1, -1, -1) if lines[index].split("#", 1)[0].strip()), -1)


def _line_above(lines: Sequence[str], mark: Any) -> int:
    """Return the line that may lack the colon where the parser stops at the one below; -1 where it is that one's own.

    It is that one's own where a colon stands before, as in `name: a: b`, or where it is less indented.
    """
    line = lines[mark.line]
    above = _content_before(lines, mark.line)
    indent = len(line) - len(line.lstrip())
    entry = _ENTRY.match(lines[above]) if above >= 0 else None
    return -1 if ": " in line[: mark.column] or entry is None or indent < len(entry[1]) else above


def _without_colon(lines: Sequence[str], number: int, *, is_key: bool) -> SyntaxProblem | None:
    """Return the problem of a line that has no colon after its first word, or no space after the colon.

    None where the line may be the rest of the text above it, unless the parser took it for a key.
    """
    match = _ENTRY.fullmatch(lines[number]) if number >= 0 else None
    if match is None:
        return None
    dashes, word, colon, rest = match.groups()
    before = _content_before(lines, number)
    above = lines[before] if before >= 0 else ""
    column = len(dashes) + 1
    if _is_after_block(lines, number, len(dashes)):
        fix = "indent it as the lines of the text above it"
        return SyntaxProblem("a line of the text above is not indented", fix, number + 1, column)
    is_first = not above or "-" in dashes or above.startswith("---") or _WITHOUT_VALUE.search(above) is not None
    if not (is_key or is_first):
        return None
    what = f"no space after {word}:" if colon else f"no colon after {word}"
    return SyntaxProblem(what, f"write {word}: {rest}".rstrip(), number + 1, column)


def _is_after_block(lines: Sequence[str], number: int, depth: int) -> bool:
    """Whether the last line above that is indented no further begins a text of several lines, with `|` or `>`."""
    above = (line for line in reversed(lines[:number]) if line.strip() and len(line) - len(line.lstrip()) <= depth)
    return _BLOCK.search(next(above, "")) is not None


_BEGINS_OTHERWISE = ("while scanning an alias", "while scanning an anchor", "cannot start any token")
"""What the parser says of a text without quotes that begins with `*`, `&`, `%`, `@` or a backtick."""


def _advice(said: str, line: str, column: int) -> str:
    if "unknown escape character" in said:
        return "put the text in single quotes, in which a backslash stands for itself"
    if any(words in said for words in _BEGINS_OTHERWISE) or _BEGINS_LIST.search(line[:column]):
        return "put the text in quotes: its first character means something else to YAML"
    if "flow" in said and "${" in line:
        return "put the text in quotes: in a list or map on one line, { and } are not part of a text"
    if "mapping values are not allowed" in said:
        return "put a text that holds a colon and a space in quotes, or correct the indentation"
    return "correct the syntax; look at the line above as well"


_BEGINS_LIST = lazy_regex(r"(?:: +|- +)(?:\[[^\[\]]*\]|\{[^{}]*\})$")
"""A list or a map on one line, which text goes on behind: it was meant as text from its bracket on."""


def _forbidden_character(error: yaml.YAMLError, text: str) -> SyntaxProblem:
    """Return the problem of a ReaderError: a character that YAML does not allow."""
    position = getattr(error, "position", 0)
    before = text[:position] if isinstance(position, int) else ""
    code = getattr(error, "character", 0)
    name = f"U+{code if isinstance(code, int) else ord(code[0]):04X}"
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return SyntaxProblem(f"the control character {name} is not allowed in YAML", "remove it", line, column)


def open_quote(lines: Sequence[str], last: int) -> tuple[int, int] | None:
    """Return line and column, from 0, of the quote that begins a text and is never closed, or only by another's.

    None where every quote up to the line `last` has its end. A text in quotes that goes over several lines is fine if
    nothing but a comment, a comma or a bracket follows its end.
    """
    number, block = 0, -1
    while number <= min(last, len(lines) - 1):
        line = lines[number]
        depth = len(line) - len(line.lstrip())
        if block >= 0 and (not line.strip() or depth > block):
            number += 1
            continue
        block = depth if _BLOCK.search(line) else -1
        found = _open_in(line)
        if found is not None:
            end = _end_of(lines, number, found, line[found])
            if end is None or not _AFTER.match(lines[end[0]], end[1]):
                return number, found
            number = end[0]
        number += 1
    return None


def _open_in(line: str) -> int | None:
    """Return the column of a quote that begins a text in a line and does not end it there."""
    column = 0
    while match := _OPENING.search(line, column):
        if "#" in (before := line[column : match.start(1)]) and re.search(r"(?:^|\s)#", before):
            return None
        start = match.start(1)
        end = _closing(line, start + 1, match[1])
        if end is None:
            return start
        column = end + 1
    return None


def _closing(line: str, column: int, quote: str) -> int | None:
    """Return the column of the quote that ends a text; two single quotes and what a backslash escapes are text."""
    while column < len(line):
        if line[column] == quote:
            if quote == '"' or line[column + 1 : column + 2] != "'":
                return column
            column += 1
        elif line[column] == "\\" and quote == '"':
            column += 1
        column += 1
    return None


def _end_of(lines: Sequence[str], number: int, column: int, quote: str) -> tuple[int, int] | None:
    """Return line and column after the quote that ends a text of several lines."""
    for index in range(number, len(lines)):
        end = _closing(lines[index], column + 1 if index == number else 0, quote)
        if end is not None:
            return index, end + 1
    return None
