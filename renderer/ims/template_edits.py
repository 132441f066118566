"""The lines of a job template that decide whether a job runs in its VM, put right; every other line stays.

Pure: the text of a template in, line edits out, each tried by reading the result again.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import Any, Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Mode, value_at
from kmodgate.policy.formats.yaml_documents import OBJECTS, Document, Json, parse
from kmodgate.policy.ims.template_text import without_actions
from kmodgate.policy.ims.template_view import POD
from kmodgate.policy.ims.templates import XATTR
from kmodgate.policy.lazy import lazy_regex

Flavour = Literal["go", "rust"]

_TEMPLATE = POD[:-1]
_METADATA = (*_TEMPLATE, "metadata")
_ANNOTATIONS = (*_METADATA, "annotations")
_CLASS = (*POD, "runtimeClassName")
_PLACEHOLDERS = ("$runtime_class", "${runtime_class}")
_LINE = lazy_regex(r"^(\s*[^\s#][^:#]*:)([ \t]*)(.*?)([ \t]+#.*)?$")
_LONGEST_LINE = 1000
_MOST_COMMENTS = 10
"""Of lines behind a comment sign that are tried as the line of the class."""

_COMMENT = lazy_regex(r"^[ \t]*#[# \t-]*runtimeClassName[ \t]*:[ \t]*\$\{?runtime_class\}?[ \t]*(#.*)?$")
_CODES = {"class": "IMS204", "annotation": "IMS205"}


class UneditableError(ValueError):
    """A template whose lines cannot be put right one by one; `line` counts from 1 in its text."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Edit:
    """New lines before a line of a template, or in its place; `line` counts from 0. `rule` is what they satisfy."""

    line: int
    new: tuple[str, ...]
    replaces: bool
    rule: str
    message: str


def edits(text: str, flavour: Flavour) -> list[Edit]:
    """Return the edits that give a template of a Job its class and its annotation; none where both are right.

    Raises UneditableError for a text that is no block YAML, or no Job.
    """
    document = _read(text)
    lines = text.split("\n")
    found = [*_class_edit(lines, document), *_annotation_edit(lines, document, flavour)]
    wanted = copy.deepcopy(document.value)
    if any(edit.rule == _CODES["class"] for edit in found):
        _put(wanted, _CLASS, _PLACEHOLDERS[0])
    if any(edit.rule == _CODES["annotation"] for edit in found):
        _put(wanted, (*_ANNOTATIONS, XATTR), _wanted_value(document, flavour))
    if _read(edited(text, found)).value != wanted:
        raise UneditableError(1, "the lines of this template cannot be put right without changing others")
    return found


def edited(text: str, found: Iterable[Edit]) -> str:
    """Return a text with its edits made."""
    lines = text.split("\n")
    for edit in sorted(found, key=lambda item: item.line, reverse=True):
        lines[edit.line : edit.line + edit.replaces] = edit.new
    return "\n".join(lines)


def _read(text: str) -> Document:
    documents, problems = parse(without_actions(text), "", OBJECTS)
    for item in problems:
        if item.mode is Mode.ENFORCE:
            raise UneditableError(item.line or 1, f"no YAML: {item.message}")
    if len(documents) != 1 or not isinstance(value_at(documents[0].value, POD), dict):
        raise UneditableError(1, "the template is no Job with a pod")
    return documents[0]


# -- the class --------------------------------------------------------------------------------------------------------


def _class_edit(lines: list[str], document: Document) -> Iterator[Edit]:
    rule, right = _CODES["class"], f"runtimeClassName: {_PLACEHOLDERS[0]}"
    if document.has(_CLASS):
        if document.raw(_CLASS) not in _PLACEHOLDERS:
            number, match = _value_line(lines, document, _CLASS)
            new = f"{match[1]}{match[2] or ' '}{_PLACEHOLDERS[0]}{match[4] or ''}"
            yield Edit(number, (new,), True, rule, f"runtimeClassName is {match[3] or 'empty'}")
        return
    number, indent = _first_key(lines, document, POD)
    text = "\n".join(lines)
    comments = ((place, found) for place, line in enumerate(lines) if (found := _COMMENT.match(line)))
    for place, found in islice(comments, _MOST_COMMENTS):
        comment = f"  {found[1]}" if found[1] else ""
        edit = Edit(place, (f"{indent}{right}{comment}",), True, rule, "runtimeClassName is commented out")
        if _gives_class(edited(text, [edit]), document):
            yield edit
            return
    yield Edit(number, (indent + right,), False, rule, "there is no runtimeClassName")


def _gives_class(text: str, document: Document) -> bool:
    """Whether a text is the document with the class, and nothing else is."""
    wanted = copy.deepcopy(document.value)
    _put(wanted, _CLASS, _PLACEHOLDERS[0])
    try:
        return _read(text).value == wanted
    except UneditableError:
        return False


# -- the annotation ---------------------------------------------------------------------------------------------------


def _annotation_edit(lines: list[str], document: Document, flavour: Flavour) -> Iterator[Edit]:
    path = (*_ANNOTATIONS, XATTR)
    rule, value = _CODES["annotation"], _wanted_value(document, flavour)
    quoted = "'" + value.replace("'", "''") + "'"
    line = f"{XATTR}: {quoted}"
    if document.has(path):
        if value_at(document.value, path) != value:
            number, match = _value_line(lines, document, path)
            new = f"{match[1]}{match[2] or ' '}{quoted}{match[4] or ''}"
            yield Edit(number, (new,), True, rule, f"{XATTR} is {match[3] or 'empty'}")
        return
    message = f"{XATTR} is missing"
    annotations = value_at(document.value, _ANNOTATIONS)
    if isinstance(annotations, dict) and annotations:
        number, indent = _first_key(lines, document, _ANNOTATIONS)
        yield Edit(number, (indent + line,), False, rule, message)
    elif document.has(_ANNOTATIONS):
        number, match = _value_line(lines, document, _ANNOTATIONS)
        indent = _indent(match[1])
        yield Edit(number, (f"{match[1]}{match[4] or ''}", f"{indent}  {line}"), True, rule, message)
    elif isinstance(value_at(document.value, _METADATA), dict) and value_at(document.value, _METADATA):
        number, indent = _first_key(lines, document, _METADATA)
        yield Edit(number, (f"{indent}annotations:", f"{indent}  {line}"), False, rule, message)
    elif not document.has(_METADATA):
        number, indent = _first_key(lines, document, _TEMPLATE)
        above = (f"{indent}metadata:", f"{indent}  annotations:")
        yield Edit(number, (*above, f"{indent}    {line}"), False, rule, message)
    else:
        number = document.key_position(_METADATA)[0]
        raise UneditableError(number, "the metadata of the pods is empty: give it its labels first")


def _wanted_value(document: Document, flavour: Flavour) -> str:
    """Return the annotation's value with its other options, and extended attributes, in the syntax of a runtime."""
    found = value_at(document.value, (*_ANNOTATIONS, XATTR))
    options = _options(found) if isinstance(found, str) else []
    if not _has_xattr(options):
        options += ["-o", "xattr"]
    if flavour == "go":
        return json.dumps(options)
    return ",".join(options)


def _options(value: str) -> list[str]:
    """Return the options for virtiofsd in a value of either syntax: a JSON list, or words between commas."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return [word for word in value.split(",") if word]
    is_list = isinstance(found, list) and all(isinstance(item, str) for item in found)
    return found if is_list else []


def _has_xattr(options: list[str]) -> bool:
    return "--xattr" in options or ("-o", "xattr") in pairwise(options)


# -- lines ------------------------------------------------------------------------------------------------------------


def _value_line(lines: list[str], document: Document, path: FieldPath) -> tuple[int, re.Match[str]]:
    """Return the line of a key and its parts: with the colon, space, value, comment."""
    number, column = document.key_position(path)
    line = lines[number - 1]
    match = _LINE.match(line) if len(line) <= _LONGEST_LINE else None
    is_alone = match is not None and not line[: column - 1].strip()
    value = document.position(path)[0]
    if not is_alone or match is None or value != number or match[3][:1] in ("|", ">"):
        raise UneditableError(number, f"{path[-1]} does not stand on a line of its own with its value")
    return number - 1, match


def _first_key(lines: list[str], document: Document, path: FieldPath) -> tuple[int, str]:
    """Return the line of the first key of a map, and what its keys are indented by."""
    found: Any = value_at(document.value, path)
    number, column = document.key_position((*path, next(iter(found))))
    indent = lines[number - 1][: column - 1]
    if indent.strip():
        raise UneditableError(number, f"the keys of {path[-1]} do not stand on lines of their own")
    return number - 1, indent


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def _put(value: Json, path: FieldPath, item: str) -> None:
    """Write a value at a path, through maps that may be missing or empty."""
    place: Any = value
    for step in path[:-1]:
        if not isinstance(place.get(step), dict):
            place[step] = {}
        place = place[step]
    place[path[-1]] = item
