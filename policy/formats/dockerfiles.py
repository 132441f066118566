"""Dockerfiles: text → stages and instructions with their lines, as far as rules look at them.

A reader for what is written, not a judge of it: nothing raises, and what is no instruction is one of that name.

Source: the Dockerfile reference of Docker: parser directives, line continuation, here-documents, ARG and FROM.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex

_ESCAPE = lazy_regex(r"#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)
_DIRECTIVE = lazy_regex(r"#\s*\w+\s*=")
_HEREDOC = lazy_regex(r"(?<![<\w])<<(-?)([\"']?)([A-Za-z_]\w*)\2")
_TAKES_HEREDOCS = ("RUN", "COPY", "ADD")
_FROM = lazy_regex(r"(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_COPIED = lazy_regex(r"(?<!\S)--(?:from=(\S+)|mount=\S*\bfrom=([^,\s]+))")
_NAME = lazy_regex(r"[A-Za-z_]\w*")
_ASSIGNMENT = lazy_regex(r"(?<!\w)([A-Za-z_]\w*+)=(?:\"([^\"]*)\"|'([^']*)'|(\S*))")
_VARIABLE = lazy_regex(r"\$(?:\{([A-Za-z_]\w*+)([^}]{0,256})\}|([A-Za-z_]\w*+))")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an instruction: its number from 1, and its text without the sign that continues it."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its keyword in capitals, and its lines, of which the first has no keyword.

    `heredocs` are the lines of its here-documents, without the words that end them.
    """

    keyword: str
    lines: tuple[Line, ...]
    heredocs: tuple[Line, ...] = ()

    @property
    def line(self) -> int:
        return self.lines[0].number

    @property
    def text(self) -> str:
        """The arguments on one line."""
        return " ".join(line.text.strip() for line in self.lines).strip()

    def may_hold(self, word: str) -> bool:
        """Whether a word may stand in it, be it written over two lines."""
        return word in "".join([line.text for line in self.lines + self.heredocs])


@dataclass(slots=True)
class Stage:
    """What a FROM begins: its image as it is written, its name in small letters, and the instructions after it."""

    image: str
    name: str
    opening: Instruction
    instructions: list[Instruction] = field(default_factory=list)

    @property
    def line(self) -> int:
        """The line of its FROM."""
        return self.opening.line


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile: the arguments before the first FROM with their defaults, and the stages.

    `head` are the instructions before the first FROM, of which only ARG counts.
    """

    arguments: dict[str, str]
    stages: list[Stage]
    escape: str = "\\"
    head: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that is used: `$NAME`, or `${NAME…}` with what follows the name, and where it stands in a text."""

    name: str
    rest: str
    start: int


def parse_dockerfile(text: str) -> Dockerfile:
    """Return the stages of a Dockerfile. An ONBUILD stands in the stages that begin with its own, and not there."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    escape = _escape(lines)
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    head: list[Instruction] = []
    triggers: dict[str, list[Instruction]] = {}
    for item in _instructions(lines, escape):
        if item.keyword == "FROM":
            match = _FROM.match(item.text)
            image, name = (match[1], match[2] or "") if match else ("", "")
            stages.append(Stage(image, name.lower(), item, list(triggers.get(image.lower(), ()))))
        elif stages and item.keyword == "ONBUILD":
            triggers.setdefault(stages[-1].name, []).append(_trigger(item))
        elif stages:
            stages[-1].instructions.append(item)
        else:
            head.append(item)
            arguments |= dict(declared(item)) if item.keyword == "ARG" else {}
    return Dockerfile(arguments, stages, escape, tuple(head))


def _trigger(item: Instruction) -> Instruction:
    """The instruction that an ONBUILD holds."""
    first, *rest = item.lines
    keyword, text = _keyword(first.text)
    return Instruction(keyword, (Line(first.number, text), *rest), item.heredocs)


def _keyword(text: str) -> tuple[str, str]:
    """The word that an instruction begins with, in capitals, and what follows it."""
    word, *rest = text.strip().split(None, 1) or [""]
    return word.upper(), "".join(rest)


def declared(item: Instruction) -> Iterator[tuple[str, str]]:
    """Yield the names that an ARG or ENV declares, each with its value; an empty one where it has none."""
    text = item.text
    if item.keyword == "ENV" and (match := _NAME.match(text)) and not text[match.end() :].startswith("="):
        yield match[0], text[match.end() :].strip()  # `ENV NAME value`, the old form
        return
    for match in _ASSIGNMENT.finditer(text):
        yield match[1], match[2] or match[3] or match[4] or ""
    if item.keyword == "ARG":
        rest = _ASSIGNMENT.sub(" ", text)
        yield from ((word, "") for word in rest.split() if _NAME.fullmatch(word))


def copied_from(item: Instruction) -> Iterator[tuple[str, int]]:
    """Yield the images and stages that an instruction copies from or mounts, with their lines."""
    takes = item.keyword in ("COPY", "ADD", "RUN") and item.may_hold("from=")
    for line in item.lines if takes else ():
        yield from ((match[1] or match[2], line.number) for match in _COPIED.finditer(line.text))


def variables(text: str, escape: str = "\\") -> Iterator[Variable]:
    """Yield the variables that a text uses; an escaped dollar sign begins none."""
    for match in _VARIABLE.finditer(text):
        if not is_escaped(text, match.start(), escape):
            yield Variable(match[1] or match[3], match[2] or "", match.start())


def is_escaped(text: str, place: int, escape: str = "\\") -> bool:
    """Return whether a character is escaped: an odd number of escape signs stands before it."""
    first = place
    while first and text[first - 1] == escape:
        first -= 1
    return bool((place - first) % 2)


def _escape(lines: list[str]) -> str:
    """The sign that continues a line and escapes a character, which a directive at the top may change."""
    for line in lines:
        if match := _ESCAPE.match(line.strip()):
            return match[1]
        if not _DIRECTIVE.match(line.strip()):
            break
    return "\\"


def _instructions(lines: list[str], escape: str) -> Iterator[Instruction]:
    place = 0
    while place < len(lines):
        if _is_empty(lines[place]):
            place += 1
            continue
        parts, place = _continued(lines, place, escape)
        keyword, first = _keyword(parts[0].text)
        parts[0] = Line(parts[0].number, first)
        heredocs = list[Line]()
        if keyword in _TAKES_HEREDOCS and any("<<" in part.text for part in parts):
            for match in _HEREDOC.finditer("\n".join(part.text for part in parts)):
                body, place = _heredoc(lines, place, match[3], is_indented=bool(match[1]))
                heredocs += body
        yield Instruction(keyword, tuple(parts), tuple(heredocs))


def _continued(lines: list[str], place: int, escape: str) -> tuple[list[Line], int]:
    """The lines of an instruction, without comments and empty ones between them, and where the next begins."""
    parts: list[Line] = []
    while place < len(lines):
        line, number = lines[place].rstrip(), place + 1
        place += 1
        if parts and _is_empty(line):
            continue
        goes_on = line.endswith(escape)
        parts.append(Line(number, line.removesuffix(escape) if goes_on else line))
        if not goes_on:
            break
    return parts, place


def _heredoc(lines: list[str], place: int, word: str, *, is_indented: bool) -> tuple[list[Line], int]:
    body: list[Line] = []
    while place < len(lines):
        line = lines[place].lstrip("\t") if is_indented else lines[place]
        place += 1
        if line == word:
            break
        body.append(Line(place, line))
    return body, place


def _is_empty(line: str) -> bool:
    text = line.lstrip()
    return not text or text[0] == "#"
