"""Kubernetes objects in texts: YAML or JSON, several documents, and lists of objects. The callers read the files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from typing import Any, NamedTuple

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, Problem
from kmodgate.policy.formats.positions.json_positions import JsonPositions
from kmodgate.policy.formats.yaml_documents import OBJECTS, Document, parse
from kmodgate.policy.lazy import lazy_regex

SUFFIXES = (".yaml", ".yml", ".json")

MOST_BYTES = OBJECTS.max_bytes
"""Of a text that holds objects."""


@dataclass(frozen=True, slots=True)
class Source:
    """One object and where it stands: in a document of a file, below `prefix` if it is an item of a List."""

    value: dict[str, Any] = field(repr=False)
    file: str
    document: Document | None = field(repr=False)
    prefix: FieldPath = ()
    is_listed: bool = False
    """Whether it is an item of a List that holds all objects of its kind."""
    json: JsonPositions | None = field(default=None, repr=False)
    """Where fields stand, in a file of JSON."""
    below: FieldPath = ()
    """The field of `value` that the file has on its first level, where it does not hold the whole object."""

    def position(self, path: FieldPath) -> tuple[int, int]:
        """Line and column of a field."""
        if self.document is not None:
            return self.document.position(self._place(path))
        return (0, 0) if self.json is None else self.json.position(self._place(path))

    def line_position(self, path: FieldPath, number: int) -> tuple[int, int]:
        """Return where a line of a text stands; that of the text in JSON, where a text is on one line."""
        if self.document is None:
            return self.position(path)
        return self.document.line_position(self._place(path), number)

    def _place(self, path: FieldPath) -> FieldPath:
        """Return the path in the file."""
        depth = len(self.below)
        return (*self.prefix, *(path[depth:] if path[:depth] == self.below else ()))


class Wrapped(NamedTuple):
    """An object made of a value that is none: the value became its field `below`."""

    value: dict[str, Any]
    below: FieldPath


Others = Callable[[Any], Wrapped | Problem | None]
"""Makes an object of a value that is no Kubernetes object, says what is wrong with it, or does not know it."""


def object_files(names: Iterable[str]) -> list[str]:
    """Those names in a folder that can be files of objects, sorted: YAML and JSON that is not hidden."""
    return sorted(name for name in names if name.endswith(SUFFIXES) and not name.startswith("."))


def decoded(data: bytes, name: str, findings: list[Finding]) -> str | None:
    """The text in the bytes of the file `name`; None, and a finding, for what is too large or no UTF-8."""
    if len(data) > MOST_BYTES:
        message = f"is larger than {MOST_BYTES >> 20} MiB"
        findings.append(Finding("SCH007", message, "split it into several files", file=name))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8: byte 0x{data[error.start]:02x}"
        findings.append(Finding("SCH001", message, "save it as UTF-8", file=name, line=line, column=1))
        return None


def unreadable(error: OSError, name: str) -> Finding:
    """The finding for a file that cannot be read."""
    return Finding("SCH001", f"cannot be read: {error.strerror}", "correct the path or the file", file=name)


def parse_objects(
    text: str, name: str, findings: list[Finding], lists: list[str] | None = None, others: Others | None = None
) -> Iterator[Source]:
    """Every object of a text; `name` is the file it came from.

    `lists` takes the kinds of the Lists it holds, those apart that go on in another page. `others` is asked about what
    is no Kubernetes object.
    """
    given = _Given(name, findings, [] if lists is None else lists, others)
    if problem := _other_text(text, name):
        findings.append(Finding(*problem, file=name, line=1, column=1))
        return
    if text.lstrip().startswith(("{", "[")):
        yield from _json(text, given)
        return
    yield from _yaml(text, given)


def is_page(text: str) -> bool:
    """Whether a text is a page of HTML, as a gateway answers that wants a token."""
    return text.lstrip()[:_LONGEST_START].lower().startswith(_HTML)


_HTML = ("<!doctype html", "<html", "<?xml", "<head")
_LONGEST_START = 100
_TOML = lazy_regex(r"(?:\[\[[a-z_]+\]\][ \t]*|[a-z_]+ = .*)(?:\r?\n|$)")
"""The first line of a table, or of a value, which no object in YAML or JSON begins with."""


def is_other_text(text: str, name: str) -> bool:
    """Whether a text is neither YAML nor JSON, but what a command prints that was asked for something else."""
    problem = _other_text(text, name)
    return problem is not None and problem[0] == "SCH002"


def _other_text(text: str, name: str) -> tuple[str, str, str] | None:
    """Return the rule, message and fix for a text that is no YAML or JSON at all; None for any that may be."""
    start = text.lstrip()[:_LONGEST_START].lower()
    if is_page(text):
        return "SCH002", "is a page of HTML, as a login page is", "log in again, and give what the command prints then"
    if _TOML.match(text.lstrip()):
        return "SCH002", "is TOML, which cray writes where nobody asks for JSON", "write it again, with --format json"
    if not start and name.endswith(".json"):
        return "SCH006", "is empty, which is no JSON", "look at the command that wrote it"
    return None


class _Given(NamedTuple):
    """What belongs to a text as a whole."""

    name: str
    findings: list[Finding]
    lists: list[str]
    others: Others | None


def _yaml(text: str, given: _Given) -> Iterator[Source]:
    documents, problems = parse(text, given.name, OBJECTS)
    given.findings.extend(problems)
    for document in documents:
        yield from _objects(Source(document.value, given.name, document), given)  # type: ignore[arg-type]


_SEPARATOR = lazy_regex(r"\s*(?:---[ \t]*(?:#.*)?(?:\r?\n|$)\s*)*")
"""What stands between two values of JSON, which may be the documents of a YAML file."""

_GOES_ON = ("--- ", "---\t", "#")
"""What else a YAML file goes on with: an object in the line of the dashes, a comment."""


def _json(text: str, given: _Given) -> Iterator[Source]:
    name, findings = given.name, given.findings
    decoder = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_refused)
    place = 0
    try:
        while place < len(text):
            start = place
            value, place = decoder.raw_decode(text, place)
            yield from _objects(Source(value, name, None, json=JsonPositions(text, start)), given)
            end, place = place, _SEPARATOR.match(text, place).end()  # type: ignore[union-attr]
            is_separated = "---" in text[end:place] and not text.startswith(("{", "["), place)
            if is_separated or text.startswith(_GOES_ON, place):
                yield from _yaml("\n" * text.count("\n", 0, place) + text[place:], given)
                return
    except json.JSONDecodeError as error:
        findings.append(
            Finding(
                "SCH002",
                f"not JSON: {error.msg}",
                "correct the syntax",
                file=name,
                line=error.lineno,
                column=error.colno,
            )
        )
    except RecursionError:
        findings.append(Finding("SCH007", "nested too deep", "flatten the document", file=name))
    except _Repeated as error:
        findings.append(Finding("SCH003", str(error), "keep one of the two", file=name))
    except ValueError as error:
        findings.append(Finding("SCH003", str(error), "correct the value", file=name))


class _Repeated(ValueError):
    """A map with one key twice."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _Repeated(f"the key {next(key for key, _ in pairs if counts[key] > 1)!r} stands twice")
    return result


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _objects(source: Source, given: _Given) -> Iterator[Source]:
    value: Any = source.value
    if value is None:
        return
    kind = value.get("kind") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind.endswith("List") and _is_list(value):
        is_whole = not (isinstance(value.get("metadata"), dict) and value["metadata"].get("continue"))
        if is_whole:
            given.lists.append(kind)
        for index, item in enumerate(value.get("items") or []):
            prefix = (*source.prefix, "items", index)
            yield from _objects(replace(source, value=_typed(item, value), prefix=prefix, is_listed=is_whole), given)
    elif not isinstance(kind, str) or "apiVersion" not in value:
        yield from _other(source, given)
    else:
        yield source


def _other(source: Source, given: _Given) -> Iterator[Source]:
    """Yield the object that is made of what is no Kubernetes object, or say that nothing is."""
    found = given.others(source.value) if given.others and not source.prefix else None
    if isinstance(found, Wrapped):
        yield replace(source, value=found.value, below=found.below)
        return
    path, message, fix = (
        ((), "not a Kubernetes object", "give objects with apiVersion and kind") if found is None else found[:3]
    )
    line, column = source.position(path)
    given.findings.append(Finding("SCH102", message, fix, file=given.name, line=line, column=column))


def _is_list(value: dict[str, Any]) -> bool:
    """Whether an object of a kind that ends in `List` has items, and is not only called so."""
    metadata = value.get("metadata")
    is_named = isinstance(metadata, dict) and "name" in metadata
    return isinstance(value.get("items") or [], list) and ("items" in value or not is_named)


def _typed(item: Any, container: dict[str, Any]) -> Any:
    """An item of a typed list (`SecretList`), with the apiVersion and kind that the API server leaves out there."""
    kind = container["kind"].removesuffix("List")
    if not kind or not isinstance(item, dict):
        return item
    return {"apiVersion": container.get("apiVersion"), "kind": kind, **item}
