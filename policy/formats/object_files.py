"""Kubernetes objects in texts: YAML or JSON, several documents, and lists of objects. The callers read the files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.yaml_documents import OBJECTS, Document, parse

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

    def position(self, path: FieldPath) -> tuple[int, int]:
        """Line and column of a field; zeros in JSON, whose lines are nobody's."""
        return (0, 0) if self.document is None else self.document.position((*self.prefix, *path))

    def line_position(self, path: FieldPath, number: int) -> tuple[int, int]:
        """Return where a line of a text stands; zeros in JSON, where a text is on one line."""
        return (0, 0) if self.document is None else self.document.line_position((*self.prefix, *path), number)


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


def parse_objects(text: str, name: str, findings: list[Finding], lists: list[str] | None = None) -> Iterator[Source]:
    """Every object of a text; `name` is the file it came from.

    `lists` takes the kinds of the Lists it holds, those apart that go on in another page.
    """
    lists = [] if lists is None else lists
    if text.lstrip().startswith(("{", "[")):
        yield from _json(text, name, findings, lists)
        return
    documents, problems = parse(text, name, OBJECTS)
    findings += problems
    for document in documents:
        yield from _objects(document.value, name, document, (), findings, lists)


def _json(text: str, name: str, findings: list[Finding], lists: list[str]) -> Iterator[Source]:
    decoder = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_refused)
    place = 0
    try:
        while place < len(text):
            value, place = decoder.raw_decode(text, place)
            yield from _objects(value, name, None, (), findings, lists)
            while place < len(text) and text[place].isspace():
                place += 1
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
    except ValueError as error:
        findings.append(Finding("SCH003", str(error), "correct the value", file=name))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return result


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _objects(
    value: Any,
    name: str,
    document: Document | None,
    prefix: FieldPath,
    findings: list[Finding],
    lists: list[str],
    *,
    is_listed: bool = False,
) -> Iterator[Source]:
    if value is None:
        return
    source = Source(value, name, document, prefix, is_listed)
    kind = value.get("kind") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind.endswith("List") and _is_list(value):
        is_whole = not (isinstance(value.get("metadata"), dict) and value["metadata"].get("continue"))
        if is_whole:
            lists.append(kind)
        for index, item in enumerate(value.get("items") or []):
            item = _typed(item, value)
            yield from _objects(item, name, document, (*prefix, "items", index), findings, lists, is_listed=is_whole)
    elif not isinstance(kind, str) or "apiVersion" not in value:
        line, column = source.position(())
        fix = "give objects with apiVersion and kind"
        findings.append(Finding("SCH102", "not a Kubernetes object", fix, file=name, line=line, column=column))
    else:
        yield source


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
