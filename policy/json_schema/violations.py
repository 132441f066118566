"""Violations of a schema in words, and repairs of values."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterable
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.formats.quantities import corrected
from kmodgate.policy.json_schema.values import flow

ABSENT = object()
"""Stands for a field that is not there."""

UNQUOTED = "put it in quotes"
"""How the fix of a text begins that is no text to YAML."""

TYPE_NAMES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "empty",
}


TOO_SHORT = {
    "minItems": ("the list is too short", "give at least {}"),
    "minProperties": ("the map is empty", "give at least one key"),
    "minLength": ("the text is empty", "give it a value"),
}
"""Keyword of a schema → what is wrong with a value, and what it needs; `{}` is how many."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A mechanical fix: what stands at `paths` is taken away, and each of `puts` is written at its path."""

    paths: tuple[FieldPath, ...]
    puts: tuple[tuple[FieldPath, object], ...] = ()
    is_whole: bool = True
    """Whether nothing that stood at `paths` is lost, and nothing is wrong with it at its new place."""

    @property
    def is_rename(self) -> bool:
        """Whether one field only gets another name or place, in any shape."""
        return len(self.paths) == len(self.puts) == 1 and self.paths[0] != self.puts[0][0]


def replacement(path: FieldPath, value: object) -> Repair:
    """Return the repair that writes another value in the place of one."""
    return Repair((path,), ((path, value),))


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where a value does not match its schema; `path` ends at the offending key or value."""

    rule: str
    path: FieldPath
    message: str
    fix: str
    at_key: bool = False
    repair: Repair | None = None
    keyword: str = ""
    """What failed in the schema."""
    beside: bool = False
    """Whether the field at `path` means nothing without another one, which is missing."""
    options: tuple[str, ...] = ()
    """The words of which one was meant, where nothing tells which."""


def missing(path: FieldPath, name: str, beside: str, schema: dict[str, Any]) -> Violation:
    """Return the violation of a field that is missing in the map at `path`, or that another one there needs."""
    if beside:
        message, fix = f"means nothing without {name}", f"add the field {name}, or remove {beside}"
        return Violation("SCH103", (*path, beside), message, fix, at_key=True, beside=True)
    properties = schema.get("properties")
    field = properties.get(name) if isinstance(properties, dict) else None
    description = field.get("description", "") if isinstance(field, dict) else ""
    return Violation("SCH103", (*path, name), "missing", add_field(name, description))


def add_field(name: str, description: str = "") -> str:
    """Return the fix that asks for a field: a sentence, and then the schema's description of the field."""
    return f"add the field {name}. Its description: {description}" if description else f"add the field {name}"


def unquoted(path: FieldPath, value: bool | int | float, raw: str) -> Violation:
    """Return the violation of a scalar that YAML reads as another type than its text."""
    text, what = raw or json.dumps(value), "boolean" if isinstance(value, bool) else "number"
    is_known = bool(raw) or not isinstance(value, bool)
    fix = f'{UNQUOTED}: "{text}"' if is_known else UNQUOTED
    repair = replacement(path, text) if is_known else None
    return Violation("SCH102", path, f"{text} is the {what} {json.dumps(value)} to YAML", fix, repair=repair)


def not_in(path: FieldPath, value: object, options: list[str], kind: str) -> Violation:
    """Return the violation of a value that is none of the words that are allowed."""
    text = "" if isinstance(value, list | dict) and len(value) > 1 else str(value)  # of several no one is meant
    same = [option for option in options if option.lower() == text.lower()]
    close = same or difflib.get_close_matches(text, options, n=1)
    choice = close[:1] or (options if len(options) == 1 else [])
    fix = f"one of: {', '.join(options)}"
    if choice:
        fix = f"did you mean {close[0]}?" if close and kind == "enum" else f"write {choice[0]}"
    message = f"{short(value)} is not {'one of ' if kind == 'enum' else ''}{', '.join(options)}"
    repair = replacement(path, choice[0]) if choice else None
    return Violation("SCH104", path, message, fix, repair=repair, options=() if choice else tuple(options))


def no_quantity(path: FieldPath, value: object) -> Violation:
    """Return the violation of a text that is no amount of a resource: `1GB`, `1 Gi`."""
    better = corrected(str(value))
    fix = f"write {better}" if better else "write a number, and after it a unit or none: 500m, 2, 512Mi, 1Gi"
    repair = replacement(path, better) if better else None
    return Violation("SCH104", path, f"{short(value)} is no quantity", fix, repair=repair)


def repaired(value: object, repairs: Iterable[Repair]) -> object:
    """Return a copy of the value with the repairs made; one whose place is gone or taken is left out."""
    result: Any = copy.deepcopy(value)
    for repair in repairs:
        if any(value_at(result, path, ABSENT) is ABSENT for path in repair.paths):
            continue
        targets = [target for target, _ in repair.puts]
        if any(target not in repair.paths and value_at(result, target) is not None for target in targets):
            continue
        for path in repair.paths:
            if path not in targets:
                _remove(result, path)
        for target, item in repair.puts:
            result = _put(result, target, copy.deepcopy(item))
    return result


def _remove(value: Any, path: FieldPath) -> None:
    for step in path[:-1]:
        value = value[step]
    del value[path[-1]]


def _put(value: Any, path: FieldPath, item: object) -> Any:
    if not path:
        return item
    step, *rest = path
    if isinstance(step, int):
        value[step] = _put(value[step], tuple(rest), item)
        return value
    value = value if isinstance(value, dict) else {}
    value[step] = _put(value.get(step), tuple(rest), item)
    return value


def line(path: FieldPath, value: object) -> str:
    """Return the line to write at a path, without its indentation."""
    return flow(value) if isinstance(path[-1], int) else f"{path[-1]}: {flow(value)}"


def short(value: object) -> str:
    """A value as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def describe(value: object) -> str:
    """Say what a value of the wrong type is."""
    return "a map" if isinstance(value, dict) else "a list" if isinstance(value, list) else short(value)
