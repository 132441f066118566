"""JSON Schema → findings in words a person can act on.

The hot path is jsonschema-rs; its errors name only the keyword that failed, so the words are made here. A schema
says its own words with `errorMessage` (the keyword that editors show, too) beside the keyword that fails, in the
form "problem; fix".
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import jsonschema_rs

from kmodgate.policy.findings import FieldPath

_TYPE_NAMES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "empty",
}


MAX_VIOLATIONS = 100
"""How many a gate reports of one document: whoever sees so many has one mistake, not a hundred."""

_COMBINATIONS = ("allOf", "anyOf", "not", "oneOf")


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where a value does not match its schema; `path` ends at the offending key or value."""

    rule: str
    path: FieldPath
    message: str
    fix: str
    at_key: bool = False


class Schema:
    """A compiled JSON Schema (draft-07)."""

    def __init__(self, text: bytes) -> None:
        self.keywords: dict[str, Any] = json.loads(text)
        self._validator = jsonschema_rs.Draft7Validator(self.keywords)

    def is_valid(self, value: object) -> bool:
        return self._validator.is_valid(value)

    def violations(self, value: object, raw: Callable[[FieldPath], str] = lambda _: "") -> Iterator[Violation]:
        """Everything that is wrong with the value; `raw` gives the text of a scalar as its author wrote it."""
        for error in self._validator.iter_errors(value):
            yield from self._explain(error, value, raw)

    def unknown_nulls(self, patch: object, at: FieldPath) -> Iterator[Violation]:
        """Keys of a merge patch that would remove a field which the schema does not know at all.

        `at` is the path of what the patch is applied to; the violations' paths are relative to the patch.
        """
        node: object = self.keywords
        for step in at:
            node = self._child(node, step)
        yield from self._unknown_nulls(patch, node, ())

    def _unknown_nulls(self, value: object, node: object, path: FieldPath) -> Iterator[Violation]:
        if isinstance(value, dict):
            known = self._resolved(node).get("properties", {})
            for key, child in value.items():
                if child is None and known and key not in known:
                    yield _unknown(path, key, list(known))
                elif child is not None:
                    yield from self._unknown_nulls(child, self._child(node, key), (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._unknown_nulls(item, self._child(node, index), (*path, index))

    def _child(self, node: object, step: str | int) -> object:
        """The schema of a key or of an item, or an empty one that knows nothing."""
        node = self._resolved(node)
        return node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})

    def _resolved(self, node: object) -> dict[str, Any]:
        while isinstance(node, dict) and "$ref" in node:
            node = self.keywords["definitions"][node["$ref"].removeprefix("#/definitions/")]
        return node if isinstance(node, dict) else {}

    def _explain(
        self, error: jsonschema_rs.ValidationError, value: object, raw: Callable[[FieldPath], str]
    ) -> Iterator[Violation]:
        path = _path_in(value, error.instance_path)
        schema = self._parent(error.schema_path)
        kind = error.kind.name
        found = error.kind.as_dict()
        if not isinstance(_value_at(value, path), dict) and self._is_for_maps(error.schema_path):
            return  # its type is wrong, and that is reported
        if kind == "propertyNames":
            key = found["error"].instance
            message, _, fix = str(schema.get("errorMessage", "")).partition("; ")
            yield Violation("SCH104", (*path, key), f"{_short(key)} {message}", fix, at_key=True)
        elif kind == "additionalProperties":
            known = list(cast(dict[str, object], schema.get("properties", {})))
            yield from (_unknown(path, key, known) for key in found["unexpected"])
        elif kind == "required":
            yield _missing(path, found["property"], error.schema_path, schema, _value_at(value, path))
        elif kind == "type":
            yield _wrong_type(path, found["types"], _value_at(value, path), raw(path))
        elif "errorMessage" in schema:
            message, _, fix = str(schema["errorMessage"]).partition("; ")
            yield Violation("SCH104", path, _with_value(value, path, message), fix)
        else:
            yield _not_allowed(kind, path, found, error.message, _value_at(value, path), raw(path))

    def _is_for_maps(self, schema_path: list[str | int]) -> bool:
        """Whether what failed is a combination of schemas of a map: the schema that holds it says so."""
        *around, last = schema_path
        if last not in _COMBINATIONS:
            return False
        while around and (isinstance(around[-1], int) or around[-1] in _COMBINATIONS):
            around.pop()
        holder = _value_at(self.keywords, tuple(around))
        return isinstance(holder, dict) and holder.get("type") == "object"

    def _parent(self, schema_path: list[str | int]) -> dict[str, object]:
        """The schema that holds the failed keyword, or the closest one around it that has words of its own."""
        nodes: list[object] = [self.keywords]
        for step in schema_path[:-1]:
            node = nodes[-1]
            nodes.append(_value_at(node, (step,)))
        parent = nodes[-1]
        if isinstance(parent, list):  # …/oneOf/0: the words stand beside oneOf
            parent = nodes[-2]
        return parent if isinstance(parent, dict) else {}


def _unknown(path: FieldPath, key: str, known: list[str]) -> Violation:
    close = difflib.get_close_matches(key, known, n=1)
    fix = f"did you mean {close[0]}?" if close else f"remove it; known here: {', '.join(known) or 'nothing'}"
    return Violation("SCH101", (*path, key), "unknown field", fix, at_key=True)


def _missing(
    path: FieldPath, name: str, schema_path: list[str | int], schema: dict[str, object], value: object
) -> Violation:
    if schema_path[-1] == "dependencies":
        needs = cast(dict[str, list[str]], schema["dependencies"])
        beside = next(key for key in cast(dict[str, object], value) if name in needs.get(key, ()))
        return Violation("SCH103", (*path, beside), f"means nothing without {name}", f"add {name}", at_key=True)
    properties = schema.get("properties")
    field = properties.get(name) if isinstance(properties, dict) else None
    description = field.get("description", "") if isinstance(field, dict) else ""
    return Violation("SCH103", (*path, name), "missing", f"add {name}: {description}" if description else f"add {name}")


def _wrong_type(path: FieldPath, types: list[str], value: object, raw: str) -> Violation:
    expected = " or ".join(_TYPE_NAMES.get(name, name) for name in types)
    if value is None:
        return Violation("SCH102", path, f"has no value, and must be {expected}", "give it a value or remove the key")
    if "string" in types and isinstance(value, bool | int | float):
        text, what = raw or json.dumps(value), "boolean" if isinstance(value, bool) else "number"
        fix = f'put it in quotes: "{text}"' if raw or not isinstance(value, bool) else "put what stands there in quotes"
        return Violation("SCH102", path, f"{text} is the {what} {json.dumps(value)} to YAML", fix)
    return Violation("SCH102", path, f"is {_describe(value)}, and must be {expected}", f"make it {expected}")


def _not_allowed(
    kind: str, path: FieldPath, found: dict[str, object], message: str, value: object, raw: str
) -> Violation:
    if kind == "enum":
        options = [str(option) for option in cast(list[object], found["options"])]
        close = difflib.get_close_matches(str(value), options, n=1)
        fix = f"did you mean {close[0]}?" if close else f"one of: {', '.join(options)}"
        return Violation("SCH104", path, f"{_short(value)} is not one of {', '.join(options)}", fix)
    if kind == "const":
        return Violation(
            "SCH104", path, f"{_short(value)} is not {found['expected_value']}", f"write {found['expected_value']}"
        )
    if kind == "anyOf" and isinstance(value, int | float):
        return Violation(
            "SCH102", path, f"{json.dumps(value)} is a number to YAML", f'put it in quotes: "{raw or value}"'
        )
    if kind == "uniqueItems":
        return Violation("SCH104", path, "an entry stands twice", "remove one of the two")
    if kind == "minItems":
        return Violation("SCH104", path, "the list is too short", f"give at least {found['limit']}, or remove the key")
    if kind == "minProperties":
        return Violation("SCH104", path, "the map is empty", "give at least one key, or remove it")
    if kind == "minLength":
        return Violation("SCH104", path, "the text is empty", "give it a value, or remove the key")
    return Violation("SCH104", path, message, "change the value so that it fits")


def _path_in(value: object, steps: list[str | int]) -> FieldPath:
    """A path of the validator, which takes a key of digits for the index of a list: `007` of a map for 7."""
    path: list[str | int] = []
    for step in steps:
        key = _key_of(value, step) if isinstance(value, dict) and isinstance(step, int) else step
        value = value[key]  # type: ignore[index]
        path.append(key)
    return tuple(path)


def _key_of(map: dict[str, object], number: int) -> str:
    if str(number) in map:
        return str(number)
    digits = str(number).lstrip("0")
    return next(key for key in map if key.startswith(("+", "0")) and key.removeprefix("+").lstrip("0") == digits)


def _value_at(value: object, path: FieldPath) -> object:
    for step in path:
        value = value[step]  # type: ignore[index]
    return value


def _with_value(value: object, path: FieldPath, words: str) -> str:
    found = _value_at(value, path)
    return f"{_short(found)} {words}" if isinstance(found, str) else words


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def _describe(value: object) -> str:
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return _short(value)
