"""Structural schemas of CustomResourceDefinitions: what one drops, refuses or fills in, and another one does not.

Source: Kubernetes, Extend the Kubernetes API with CustomResourceDefinitions (structural schemas, pruning, defaulting).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs

from kmodgate.policy.json_schema.kubernetes_keywords import takes_own
from kmodgate.policy.lazy import lazy_regex

Map = Mapping[str, Any]

_OPEN = "x-kubernetes-preserve-unknown-fields"
_ANYTHING: Map = {_OPEN: True}

_OWN = frozenset((
    "type", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "allOf", "anyOf",
    "oneOf", "not",
))  # fmt: skip
"""What a schema says of a value itself, and not of what lies in it, apart from keywords of Kubernetes."""

_TYPES: Map = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}

_COMMENT = lazy_regex(r"//[^\n]*")

_LINEAR = jsonschema_rs.RegexOptions()


class Lost(NamedTuple):
    """A place of a value, as `spec.images[].image`, and what becomes of it: `drops`, `refuses` or `requires`."""

    place: str
    what: str


class _Checks:
    """What schemas say of values themselves, each compiled once: many values have the same one."""

    def __init__(self) -> None:
        self._validators: dict[int, jsonschema_rs.Draft4Validator | None] = {}

    def takes(self, schema: Map, value: object) -> bool:
        """Whether a schema takes a value, whatever lies in it; one that no API server takes is not asked."""
        if not takes_own(schema, value):
            return False
        own = {key: schema[key] for key in _OWN & schema.keys()}
        if own.keys() <= {"type"}:
            return type(value) is _TYPES.get(str(own.get("type")), type(value))
        if id(schema) not in self._validators:
            self._validators[id(schema)] = _compiled(own)
        validator = self._validators[id(schema)]
        return validator is None or validator.is_valid(value)


def _compiled(schema: dict[str, Any]) -> jsonschema_rs.Draft4Validator | None:
    try:
        return jsonschema_rs.Draft4Validator(schema, pattern_options=_LINEAR)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def lost(old: Map, new: Map, value: object, *, requires_more: bool) -> Iterator[Lost]:
    """Yield what schema `new` drops or refuses of a value that schema `old` keeps and takes.

    A field that only `new` has, and requires at once, counts where `requires_more` says so.
    """
    return _lost(old, new, value, "", requires_more, _Checks())


def _lost(old: Map, new: Map, value: object, place: str, requires_more: bool, checks: _Checks) -> Iterator[Lost]:
    if not checks.takes(old, value):
        return
    if not checks.takes(new, value) or _never_holds(new) > _never_holds(old):
        yield Lost(place, "refuses")
        return
    if isinstance(value, Mapping):
        known = _map(old.get("properties")).keys()
        missing = sorted(_required(new) - _required(old) - value.keys())
        yield from (Lost(_below(place, name), "requires") for name in missing if requires_more or name in known)
    for key, below, item in _parts(value, place):
        before, after = _child(old, key), _child(new, key)
        if before is not None and after is None:
            yield Lost(below, "drops")
        elif before is not None and after is not None:
            yield from _lost(before, after, item, below, requires_more, checks)


def _parts(value: object, place: str) -> Iterator[tuple[object, str, object]]:
    """Yield what lies in a value: its key or index, its place, and itself."""
    if isinstance(value, Mapping):
        yield from ((key, _below(place, key), item) for key, item in value.items())
    elif isinstance(value, list):
        yield from ((index, f"{place}[]", item) for index, item in enumerate(value))


def defaults(old: Map, new: Map) -> Iterator[tuple[str, Any]]:
    """Yield the values that schema `new` fills in and `old` does not, each with its place."""
    pending: list[tuple[str, Map, Map]] = [("", old, new)]
    while pending:
        place, before, after = pending.pop()
        if "default" in after and after["default"] != before.get("default"):
            yield place, after["default"]
        known = _map(before.get("properties"))
        for name, child in _map(after.get("properties")).items():
            pending.append((_below(place, name), _map(known.get(name)), _map(child)))
        for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(after.get(key), Mapping):
                pending.append((place + mark, _map(before.get(key)), after[key]))


def _below(place: str, name: object) -> str:
    return f"{place}.{name}" if place else str(name)


def _child(schema: Map, step: object) -> Map | None:
    """The schema of a key or item; None where the API server drops it."""
    if isinstance(step, int):
        return _map(schema.get("items", _ANYTHING))
    properties, others = _map(schema.get("properties")), schema.get("additionalProperties")
    if step in properties:
        return _map(properties.get(str(step)))
    if isinstance(others, Mapping):
        return others
    return _ANYTHING if others is True or schema.get(_OPEN) is True else None


def _never_holds(schema: Map) -> bool:
    """Whether a rule in CEL looks at no value, so that it refuses all or none."""
    rules = schema.get("x-kubernetes-validations")
    texts = [_COMMENT.sub("", str(_map(item).get("rule", ""))).strip() for item in _list(rules)]
    return any("self" not in text.lower() and text not in ("", "true") for text in texts)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _required(schema: Map) -> set[str]:
    return {name for name in _list(schema.get("required")) if isinstance(name, str)}


def _map(value: object) -> Map:
    return value if isinstance(value, Mapping) else {}
