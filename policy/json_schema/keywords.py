"""A JSON Schema as a tree that can be walked: the node of a path, and the paths of a name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.lazy import lazy

EACH = -1
"""The step of a path that stands for every item of a list."""

_DEEPEST = 12
_ABSENT = object()

Node = dict[str, Any]


class Keywords:
    """The keywords of a draft-07 schema whose references lead into its `definitions`."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self._validators: dict[int, jsonschema_rs.Draft7Validator] = {}

    def resolved(self, node: object) -> Node:
        """Return a node with its reference followed; an empty one that knows nothing where there is none."""
        while isinstance(node, dict) and "$ref" in node:
            node = self.root["definitions"][node["$ref"].removeprefix("#/definitions/")]
        return node if isinstance(node, dict) else {}

    def child(self, node: object, step: str | int) -> Node:
        """Return the schema of a key or of an item."""
        node = self.resolved(node)
        if isinstance(step, int):
            return self.resolved(node.get("items", {}))
        return self.resolved(node.get("properties", {}).get(step) or node.get("additionalProperties"))

    def at(self, path: FieldPath) -> Node:
        """Return the schema of what stands at a path."""
        node = self.resolved(self.root)
        for step in path:
            node = self.child(node, step)
        return node

    def is_unset(self, path: FieldPath, name: str, value: object) -> bool:
        """Whether the map at a path of a value lacks a field, or has the default that the API server writes."""
        found = value_at(value, (*path, name), _ABSENT)
        return found is _ABSENT or found == self.child(self.at(path), name).get("default", _ABSENT)

    def is_open(self, node: object) -> bool:
        """Whether a node is a map that takes keys of any name."""
        node = self.resolved(node)
        return (
            node.get("type") == "object" and "properties" not in node and node.get("additionalProperties") is not False
        )

    def allows(self, node: object, value: object) -> bool:
        """Whether a value is valid against a node of the schema."""
        key = id(node)
        if key not in self._validators and isinstance(node, dict):
            whole = {**node, "definitions": self.root.get("definitions", {})}
            self._validators[key] = jsonschema_rs.Draft7Validator(whole)
        try:
            return bool(node) and self._validators[key].is_valid(value)
        except (ValueError, TypeError, OverflowError, KeyError):  # what JSON cannot hold
            return False

    def has_type(self, node: Node, value: object) -> bool:
        """Whether a value has the type of a node, whatever is in it."""
        return "type" not in node or jsonschema_rs.is_valid({"type": node["type"]}, value)

    def places(self, name: str) -> list[FieldPath]:
        """Return the paths of all fields of a name, with EACH for an item of a list."""
        return self._places.get(name, [])

    @lazy
    def _places(self) -> dict[str, list[FieldPath]]:
        found: dict[str, list[FieldPath]] = {}
        for path in self._walk(self.root, ()):
            found.setdefault(str(path[-1]), []).append(path)
        return found

    def _walk(self, node: object, path: FieldPath) -> Iterator[FieldPath]:
        node = self.resolved(node)
        if len(path) >= _DEEPEST:
            return
        for key, child in node.get("properties", {}).items():
            yield (*path, key)
            yield from self._walk(child, (*path, key))
        if "items" in node:
            yield from self._walk(node["items"], (*path, EACH))
