"""YAML text → documents whose every node knows its line and column.

Events come from PyYAML's C parser; scalars are resolved by yaml_scalars.py, not by PyYAML's, whose YAML 1.1
words differ from what Go and editors read. What two readers would read differently is refused, with the quoted
form as the fix, as are duplicate keys, anchors, aliases, merge keys and tags.

Pure: text in, documents and findings out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import yaml

from kmodgate.policy.findings import FieldPath, Finding, value_at
from kmodgate.policy.formats.yaml_errors import Problems, syntax_problem
from kmodgate.policy.formats.yaml_scalars import Ambiguous, Scalar, as_kubectl, quoted, resolve

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
except ImportError as error:  # pragma: no cover - every wheel of PyYAML brings the C parser
    raise ImportError("kmodgate needs PyYAML with its C parser (libyaml); install a wheel of PyYAML") from error

MAX_DEPTH = 32
MAX_BYTES = 1 << 20

_COLUMNS = 1 << 24  # a position is one integer, line * _COLUMNS + column: a fleet has hundreds of thousands

_ODD_BREAKS = re.compile("[\u0085\u2028\u2029]|\r(?!\n)")

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
    _values: dict[FieldPath, int] = field(repr=False)
    _keys: dict[FieldPath, int] = field(repr=False)
    _text: str = field(repr=False)

    def position(self, path: FieldPath) -> tuple[int, int]:
        """Line and column, from 1, of a scalar's text, else of the key or dash that introduces the node."""
        while path and path not in self._values:
            path = path[:-1]
        return divmod(self._values.get(path, _COLUMNS + 1), _COLUMNS)

    def line_position(self, path: FieldPath, number: int) -> tuple[int, int]:
        """Return where a line of a scalar's text stands, by its number from 1: only a literal block has them apart."""
        line, column = self.position(path)
        is_block = _lines(self._text)[line - 1][column - 1 : column] == "|"
        return (line + number, 1) if is_block else (line, column)

    def scalar_at(self, place: tuple[int, int]) -> FieldPath:
        """Return the path of the scalar that stands at a line and column; () where none does."""
        wanted = place[0] * _COLUMNS + place[1]
        paths = (path for path, found in self._values.items() if found == wanted)
        return next((path for path in paths if not isinstance(value_at(self.value, path), dict | list)), ())

    def has(self, path: FieldPath) -> bool:
        return path in self._values

    def below(self, path: FieldPath) -> list[FieldPath]:
        """Return a path, and all paths below it that are there."""
        return [path, *(item for item in self._values if item[: len(path)] == path)]

    def key_position(self, path: FieldPath) -> tuple[int, int]:
        """Line and column, from 1, of the key that ends the path."""
        if path in self._keys:
            return divmod(self._keys[path], _COLUMNS)
        return self.position(path)

    def moved(self, value: Json, places: Mapping[FieldPath, FieldPath]) -> Document:
        """Return the document with another value, each path of which stands where `places` says."""
        values = {path: self._values[old] for path, old in places.items() if old in self._values}
        keys = {path: self._keys[old] for path, old in places.items() if old in self._keys}
        return replace(self, value=value, _values=values, _keys=keys)

    def raw(self, path: FieldPath) -> str:
        """A plain scalar as the file has it: `2.10`, where the value is the number 2.1."""
        if path not in self._values:
            return ""
        line, column = divmod(self._values[path], _COLUMNS)
        rest = _lines(self._text)[line - 1][column - 1 : column + 199]
        return re.split(r"\s#|[,\]}](?:\s|$)", rest, maxsplit=1)[0].rstrip().rstrip(",]} ")


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
        self.values: dict[FieldPath, int] = {}
        self.keys: dict[FieldPath, int] = {}
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
            self.values, self.keys = {}, {}
            value = self._node(self.next(), ())
            yield from self.before
            self.before.clear()
            if value is not None:
                yield self._document(value)

    def _document(self, value: Json) -> Document:
        return Document(self.file, value, self.values, self.keys, self.text)

    def _node(self, event: _Event, path: FieldPath) -> Json:
        mark = event.start_mark
        if path not in self.values:
            self.values[path] = (mark.line + 1) * _COLUMNS + mark.column + 1
        kind = type(event)
        if kind is yaml.ScalarEvent:
            return self._scalar(event, path)
        if kind is yaml.AliasEvent:
            message = f"the alias *{event.anchor}: specs are read without aliases"
            self.told.at(event, path, "SCH004", message, "write the value out")
            return None
        if len(path) >= self.reading.max_depth:
            deep = f"nested deeper than {self.reading.max_depth} levels"
            self.told.at(event, path[:8], "SCH007", deep, "flatten the document")
            raise _Stop
        if event.anchor is not None or event.tag is not None:
            self.told.refuse_properties(event, path)
        return self._mapping(path) if kind is yaml.MappingStartEvent else self._sequence(path)

    def _mapping(self, path: FieldPath) -> dict[str, Json]:
        result: dict[str, Json] = {}
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            key = self._key(event, path)
            inner = (*path, key)
            if key in result and path == () and _begins_another(key, result):
                result = self._split(event, result)
            elif key in result:
                first = self.keys[inner] // _COLUMNS
                self.told.at(
                    event,
                    inner,
                    "SCH003",
                    f"the key {key!r} stands twice, first on line {first}",
                    "keep one of the two",
                )
            position = (event.start_mark.line + 1) * _COLUMNS + event.start_mark.column + 1
            self.keys.setdefault(inner, position)
            value_event = self.next()
            if type(value_event) is not yaml.ScalarEvent:
                self.values[inner] = position
            else:
                self.values.pop(inner, None)
            result[key] = self._node(value_event, inner)
        return result

    def _split(self, event: _Event, result: dict[str, Json]) -> dict[str, Json]:
        """End a document where a second one begins without a line `---`."""
        line = event.start_mark.line + 1
        message = "a second document begins here, without a line --- before it"
        self.told.at(event, (), "SCH003", message, f"put a line --- above line {line}")
        self.before.append(self._document(result))
        self.values, self.keys = {(): line * _COLUMNS + event.start_mark.column + 1}, {}
        return {}

    def _sequence(self, path: FieldPath) -> list[Json]:
        result: list[Json] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            result.append(self._node(event, (*path, len(result))))
        return result

    def _key(self, event: _Event, path: FieldPath) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self.told.at(
                event, path, "SCH002", "a key that is a list, a map or an alias", "use a plain word as the key"
            )
            raise _Stop
        text = str(event.value)
        if text == "<<" and event.implicit[0]:
            self.told.at(
                event, path, "SCH004", "a merge key (<<): specs are read without merging", "write the keys out"
            )
        elif self.reading.is_spec and not isinstance(self._scalar(event, (*path, text)), str):
            self.told.at(
                event, (*path, text), "SCH005", f"the key {text} is not a string to YAML", f"quote it: {quoted(text)}"
            )
        return text

    def _scalar(self, event: _Event, path: FieldPath) -> Scalar:
        text: str = event.value
        if event.anchor is not None or (event.tag is not None and event.tag != "!"):
            self.told.refuse_properties(event, path)
        if not event.implicit[0]:
            return text
        resolved = resolve(text)
        if isinstance(resolved, Ambiguous):
            self.told.at(
                event, path, "SCH005", f"{text} is {resolved.why}", resolved.fix or f"quote it: {quoted(text)}"
            )
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
