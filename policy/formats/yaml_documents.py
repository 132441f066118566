"""YAML text → documents whose every node knows its line and column.

Events come from PyYAML's C parser; scalars are resolved by yaml_scalars.py, not by PyYAML's, whose YAML 1.1
words differ from what Go and editors read. What two readers would read differently is refused, with the quoted
form as the fix, as are duplicate keys, anchors, aliases, merge keys and tags.

Pure: text in, documents and findings out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from functools import lru_cache
from sys import intern
from typing import Any

import yaml

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, value_at
from kmodgate.policy.formats.positions.yaml_positions import YamlPositions, line_of, position_of
from kmodgate.policy.formats.yaml_errors import Problems, syntax_problem
from kmodgate.policy.formats.yaml_scalars import Ambiguous, Scalar, as_kubectl, quoted, resolve
from kmodgate.policy.lazy import lazy_regex

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
except ImportError as error:  # pragma: no cover - every wheel of PyYAML brings the C parser
    raise ImportError("kmodgate needs PyYAML with its C parser (libyaml); install a wheel of PyYAML") from error

MAX_DEPTH = 32
MAX_BYTES = 1 << 20

_ODD_BREAKS = lazy_regex("[\u0085\u2028\u2029]|\r(?!\n)")

_Event = Any  # PyYAML's events: their attributes differ by class, and every access is behind a test of the class

Json = Scalar | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a file.

    `value` is plain JSON data. `position` answers for any path in it, and for one that is missing with the
    closest node that is there.
    """

    file: str
    value: Json
    _positions: YamlPositions = field(repr=False)
    _text: str = field(repr=False)
    _moved: Mapping[FieldPath, FieldPath] | None = field(default=None, repr=False)
    """Where each path of `value` stands in the text, if that is elsewhere."""

    def position(self, path: FieldPath) -> tuple[int, int]:
        """Line and column, from 1, of a scalar's text, else of the key or dash that introduces the node."""
        while path and self._found(path) is None:
            path = path[:-1]
        return self._found(path) or (1, 1)

    def line_position(self, path: FieldPath, number: int) -> tuple[int, int]:
        """Return where a line of a scalar's text stands, by its number from 1: only a literal block has them apart."""
        line, column = self.position(path)
        is_block = _lines(self._text)[line - 1][column - 1 : column] == "|"
        return (line + number, 1) if is_block else (line, column)

    def scalar_at(self, place: tuple[int, int]) -> FieldPath:
        """Return the path of the scalar that stands at a line and column; () where none does."""
        paths = (path for path in self._paths() if self._found(path) == place)
        return next((path for path in paths if not isinstance(value_at(self.value, path), dict | list)), ())

    def has(self, path: FieldPath) -> bool:
        return self._found(path) is not None

    def below(self, path: FieldPath) -> list[FieldPath]:
        """Return a path, and all paths below it that are there."""
        return [path, *(item for item in self._paths() if item[: len(path)] == path)]

    def key_position(self, path: FieldPath) -> tuple[int, int]:
        """Line and column, from 1, of the key that ends the path."""
        place = self._place(path)
        return (place is not None and self._positions.find_key(place)) or self.position(path)

    def moved(self, value: Json, places: Mapping[FieldPath, FieldPath]) -> Document:
        """Return the document with another value, each path of which stands where `places` says."""
        whole = {path: self._place(old) for path, old in places.items()}
        return replace(self, value=value, _moved={path: place for path, place in whole.items() if place is not None})

    def raw(self, path: FieldPath) -> str:
        """A plain scalar as the file has it: `2.10`, where the value is the number 2.1."""
        if (found := self._found(path)) is None:
            return ""
        line, column = found
        rest = _lines(self._text)[line - 1][column - 1 : column + 199]
        return re.split(r"\s#|[,\]}](?:\s|$)", rest, maxsplit=1)[0].rstrip().rstrip(",]} ")

    def _place(self, path: FieldPath) -> FieldPath | None:
        """Return the path of a node in the text as it was read."""
        return path if self._moved is None else self._moved.get(path)

    def _found(self, path: FieldPath) -> tuple[int, int] | None:
        place = self._place(path)
        return None if place is None else self._positions.find(place)

    def _paths(self) -> Iterator[FieldPath]:
        return self._positions.paths() if self._moved is None else iter(self._moved)


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    return text.split("\n")


@dataclass(frozen=True, slots=True)
class Reading:
    """How strictly a text is read. `is_spec`: what readers disagree on is an error, and not read as kubectl does."""

    is_spec: bool
    max_bytes: int
    max_depth: int
    max_documents: int = 1 << 30


SPEC = Reading(is_spec=True, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH, max_documents=1000)
OBJECTS = Reading(is_spec=False, max_bytes=64 << 20, max_depth=100)


def parse(text: str, file: str, reading: Reading = SPEC) -> tuple[list[Document], list[Finding]]:
    """All documents of a text, without the empty ones, and everything that is wrong with it.

    A syntax error ends the text: the documents before it are still returned.
    """
    reader = _Reader(text, file, reading)
    return reader.documents(), reader.findings


class _Reader:
    def __init__(self, text: str, file: str, reading: Reading) -> None:
        self.reading = reading
        self.text = text
        self.file = file
        self.told = Problems(file, is_spec=reading.is_spec)
        self.positions = YamlPositions()
        self.path: list[str | int] = []
        """Where in the document the reader is."""
        self.before: list[Document] = []
        """Documents that the one being read has taken in, for want of a `---`."""

    @property
    def findings(self) -> list[Finding]:
        return self.told.findings

    def documents(self) -> list[Document]:
        found: list[Document] = []
        limit = self.reading.max_bytes
        if len(self.text) > limit or len(self.text.encode("utf-8", "replace")) > limit:
            self.told.add("SCH007", f"the file is larger than {limit >> 20} MiB", "split it into several files", 0, 0)
            return found
        if self.reading.is_spec and (breaks := _ODD_BREAKS.search(self.text)):
            before = self.text[: breaks.start()]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            message = f"U+{ord(breaks[0]):04X} is a line break to some YAML readers and none to others"
            self.told.add("SCH002", message, "remove it, or write it as an escape in double quotes", line, column)
            return found
        try:
            found.extend(self._read())
        except _Stop:
            pass
        except yaml.YAMLError as error:
            self._syntax_error(error)
        except UnicodeEncodeError as error:
            message = f"the text holds a lone surrogate, U+{ord(error.object[error.start]):04X}"
            self.told.add("SCH001", message, "remove the character", 0, 0)
        return found

    def _read(self) -> Iterator[Document]:
        self.parser = CParser(self.text)
        self.next: Callable[[], _Event] = self.parser.get_event
        number = 0
        while not isinstance(event := self.next(), yaml.StreamEndEvent):
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            number += 1
            if number > self.reading.max_documents:
                self.told.at(event, (), "SCH007", f"more than {number - 1} documents", "split the file")
                raise _Stop
            self.positions = YamlPositions()
            value = self._node(self.next())
            yield from self.before
            self.before.clear()
            if value is not None:
                yield self._document(value)

    def _document(self, value: Json) -> Document:
        self.positions.value = value
        return Document(self.file, value, self.positions, self.text)

    def _at(self, event: _Event, rule: str, message: str, fix: str, *inner: str) -> None:
        """Add a finding at the node that is being read, or at a key in it."""
        self.told.at(event, (*self.path, *inner), rule, message, fix)

    def _node(self, event: _Event, key: int = 0) -> Json:
        """The value of a node; `key` is the position of its key, if it has one."""
        kind = type(event)
        self.positions.add(key if key and kind is not yaml.ScalarEvent else position_of(event.start_mark), key)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if kind is yaml.AliasEvent:
            message = f"the alias *{event.anchor}: specs are read without aliases"
            self._at(event, "SCH004", message, "write the value out")
            return None
        if len(self.path) >= self.reading.max_depth:
            deep = f"nested deeper than {self.reading.max_depth} levels"
            self.told.at(event, tuple(self.path[:8]), "SCH007", deep, "flatten the document")
            raise _Stop
        if event.anchor is not None or event.tag is not None:
            self.told.refuse_properties(event, tuple(self.path))
        return self._mapping() if kind is yaml.MappingStartEvent else self._sequence()

    def _mapping(self) -> dict[str, Json]:
        result: dict[str, Json] = {}
        first = len(self.positions.starts)
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            key = self._key(event)
            is_second = key in result
            if is_second and not self.path and _begins_another(key, result):
                result, first, is_second = self._split(event, result), 1, False
            elif is_second:
                self._stands_twice(event, key, result, first)
            self.path.append(key)
            again = len(self.positions.starts)
            value = self._node(self.next(), position_of(event.start_mark))
            if is_second:
                self.positions.replace(key, result, first, again)
            result[key] = value
            self.path.pop()
        return result

    def _stands_twice(self, event: _Event, key: str, result: dict[str, Json], first: int) -> None:
        line = line_of(self.positions.keys[self.positions.member(key, result, first)])
        self._at(event, "SCH003", f"the key {key!r} stands twice, first on line {line}", "keep one of the two", key)

    def _split(self, event: _Event, result: dict[str, Json]) -> dict[str, Json]:
        """End a document where a second one begins without a line `---`."""
        line = event.start_mark.line + 1
        message = "a second document begins here, without a line --- before it"
        self._at(event, "SCH003", message, f"put a line --- above line {line}")
        self.before.append(self._document(result))
        self.positions = YamlPositions()
        self.positions.add(position_of(event.start_mark), 0)
        return {}

    def _sequence(self) -> list[Json]:
        result: list[Json] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            self.path.append(len(result))
            result.append(self._node(event))
            self.path.pop()
        return result

    def _key(self, event: _Event) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._at(event, "SCH002", "a key that is a list, a map or an alias", "use a plain word as the key")
            raise _Stop
        text = intern(str(event.value))
        if text == "<<" and event.implicit[0]:
            self._at(event, "SCH004", "a merge key (<<): specs are read without merging", "write the keys out")
        elif self.reading.is_spec and not isinstance(self._scalar(event, text), str):
            self._at(event, "SCH005", f"the key {text} is not a string to YAML", f"quote it: {quoted(text)}", text)
        return text

    def _scalar(self, event: _Event, *inner: str) -> Scalar:
        text: str = event.value
        if event.anchor is not None or (event.tag is not None and event.tag != "!"):
            self.told.refuse_properties(event, (*self.path, *inner))
        if not event.implicit[0]:
            return text
        resolved = resolve(text)
        if isinstance(resolved, Ambiguous):
            fix = resolved.fix or f"quote it: {quoted(text)}"
            self._at(event, "SCH005", f"{text} is {resolved.why}", fix, *inner)
            return text if self.reading.is_spec else as_kubectl(text)
        return resolved

    def _syntax_error(self, error: yaml.YAMLError) -> None:
        problem = syntax_problem(error, self.text)
        self.told.add("SCH002", problem.message, problem.fix, problem.line, problem.column)


def _begins_another(key: str, before: Mapping[str, Json]) -> bool:
    """Whether a key that stands twice on the first level begins another object, and is no slip in this one."""
    return key in _HEADING and before.keys() >= _HEADING and len(before) > len(_HEADING)


_HEADING = {"apiVersion", "kind"}


class _Stop(Exception):
    """The rest of the text is not worth reading."""
