"""Forms: what stands at places of an object, if anything does, as one JSON Schema that is compiled.

A look at all of an object this way takes as long as a handful of looks in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any, Literal

import jsonschema_rs

from kmodgate.policy.kmm.defaults import alternatives

Form = dict[str, Any] | Literal[False]
"""Keywords of JSON Schema; False where nothing may stand."""

Place = tuple[str, Form]
"""A path such as `spec.{dra,devicePlugin}.volumes[].name`, empty for the object itself, and the form of what is there.

Of another type than the form is for, a value is of every form, as in JSON Schema.
"""

LONGEST = 255
"""Characters of a text that is of a form."""


def text(*expressions: str, most: int = LONGEST) -> dict[str, Any]:
    """A text of the whole of which one of the expressions holds."""
    return {"type": "string", "maxLength": most, "pattern": f"^(?:{'|'.join(expressions)})$"}


class Forms:
    """Some places and their forms, compiled into one schema.

    A keyword that goes by its neighbours, as `additionalProperties` does, belongs into an `allOf` of its own.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self.places = [(path, form) for pattern, form in places for path in alternatives(pattern)]

    @cached_property
    def _validator(self) -> jsonschema_rs.Draft7Validator:
        """Compiled when the first object comes."""
        root: dict[str, Any] = {}
        for path, form in self.places:
            _put(root, path.split(".") if path else [], form)
        return jsonschema_rs.Draft7Validator(root)

    def fit(self, object: Mapping[str, Any]) -> bool:
        """Whether all that stands at the places is of its form."""
        try:
            return self._validator.is_valid(object)
        except (ValueError, TypeError, OverflowError):  # nested too deep, or with what JSON cannot hold
            return False


def _put(node: dict[str, Any], steps: list[str], form: Form) -> None:
    """Add a form to those below a node."""
    if not steps:
        _add(node, form)
        return
    name = steps[0].removesuffix("[]")
    children = node.setdefault("properties", {})
    child = children.setdefault(name, {})
    if child is False or (form is False and steps == [name]):
        children[name] = False
    elif name == steps[0]:
        _put(child, steps[1:], form)
    else:
        _put(child, [], {"items": {}})
        _put(child["items"], steps[1:], form)


def _add(node: dict[str, Any], form: Form) -> None:
    """Add the keywords of a form to those of a node; where both have one, both hold."""
    for keyword, value in (form or {}).items():
        if keyword == "required":
            node["required"] = sorted({*node.get("required", ()), *value})
        elif keyword == "properties":
            for name, child in value.items():
                _put(node, [name], child)
        elif keyword == "items":
            node.setdefault("items", {})
        elif node.setdefault(keyword, deepcopy(value)) != value:
            node.setdefault("allOf", []).append({keyword: value})
