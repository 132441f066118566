"""JSON Schema → findings in words a person can act on.

The hot path is jsonschema-rs; its errors name only the keyword that failed, so the words are made here. A schema
says its own words with `errorMessage` (the keyword that editors show, too) beside the keyword that fails, in the
form "problem; fix".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, cast

import jsonschema_rs

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.json_schema.fixes import Fixes
from kmodgate.policy.json_schema.keywords import Keywords, Node
from kmodgate.policy.json_schema.other_letters import key_in_capitals, written_otherwise
from kmodgate.policy.json_schema.places import shown
from kmodgate.policy.json_schema.violations import Repair, Violation, missing, repaired, replacement, short
from kmodgate.policy.lazy import lazy

MAX_VIOLATIONS = 100
"""How many a gate reports of one document: whoever sees so many has one mistake, not a hundred."""

_MOST_NODES = 5000
"""Of a value that repairs are tried on: nobody waits for what is tried on a larger one."""

_COMBINATIONS = ("allOf", "anyOf", "not", "oneOf")


class Schema:
    """A compiled JSON Schema (draft-07)."""

    def __init__(self, text: bytes) -> None:
        self.keywords: dict[str, Any] = json.loads(text)
        self._validator = jsonschema_rs.Draft7Validator(self.keywords)

    def is_valid(self, value: object) -> bool:
        return self._validator.is_valid(value)

    def violations(self, value: object, raw: Callable[[FieldPath], str] = lambda _: "") -> Iterator[Violation]:
        """Everything that is wrong with the value; `raw` gives the text of a scalar as its author wrote it."""
        fixes = Fixes(self._tree, value, self._wrong if _is_small(value) else None)
        for error in self._validator.iter_errors(value):
            yield from self._explain(error, value, raw, fixes)

    def causes(self, value: object, violations: Iterable[Violation]) -> list[Violation]:
        """Return the violations without those that are gone once the others are repaired.

        A value of the wrong type without a repair counts as taken away, and so does what needs a field that is missing.
        One that is none of some words may be any of them.
        """
        violations = list(violations)
        needing = {item.path[:-1] for item in violations if item.beside}
        violations = [item for item in violations if item.keyword not in _COMBINATIONS or item.path not in needing]
        repairs = tuple(item.repair for item in violations if item.repair)
        removed = [item for item in violations if _is_in_no_shape(item, repairs)]
        removals = tuple(Repair((item.path,)) for item in reversed(removed))  # items of a list from its end on
        words = [replacement(item.path, word) for item in violations for word in item.options]
        if not (repairs or removed or words) or not _is_small(value):
            return violations
        left = self._wrong(repaired(value, (*repairs, *removals)))
        for word in words:
            left &= self._wrong(repaired(value, (*repairs, *removals, word)))
        is_cause = [bool(item.repair or item.options) or item in removed for item in violations]
        pairs = zip(violations, is_cause, strict=True)
        return [item for item, kept in pairs if kept or (item.keyword, item.path) in left]

    def repaired(self, value: Mapping[str, Any], violations: Iterable[Violation]) -> dict[str, Any]:
        """Return a copy of a map with the repairs that its violations carry."""
        repairs = tuple(item.repair for item in violations if item.repair)
        return cast(dict[str, Any], repaired(dict(value), repairs))

    def places(self, name: str) -> list[str]:
        """Return where the fields of a name are, the shortest paths first: `spec.nodeGroups[].kernels`."""
        return [shown(place) for place in sorted(self._tree.places(name), key=len)]

    def knows(self, path: FieldPath) -> bool:
        """Whether the schema says what stands at a path."""
        return bool(self._tree.at(path))

    def allows(self, path: FieldPath, value: object) -> bool:
        """Whether a value may stand at a path, whatever is beside it."""
        return self._tree.allows(self._tree.at(path), value)

    def unknown_in_patch(self, patch: object, at: FieldPath, path: FieldPath) -> Violation:
        """Return the violation of an unknown field of a merge patch, whatever stands in what the patch is applied to.

        `at` is the path of that, and `path` the field's in the patch, where the violation stands.
        """
        whole = patch
        for step in reversed(at):
            whole = {step: whole}
        *around, key = path
        return replace(Fixes(self._tree, whole, None).unknown((*at, *around), str(key)), path=path)

    def unknown_nulls(self, patch: object, at: FieldPath) -> Iterator[Violation]:
        """Keys of a merge patch that would remove a field which the schema does not know at all.

        `at` is the path of what the patch is applied to, and may not hold indexes; the violations' paths are relative
        to the patch.
        """
        for path, key in self._unknown_nulls(patch, self._tree.at(at), ()):
            yield self.unknown_in_patch(patch, at, (*path, key))

    def _unknown_nulls(self, value: object, node: Node, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
        if isinstance(value, dict):
            known = node.get("properties", {})
            for key, child in value.items():
                if child is None and known and key not in known:
                    yield path, key
                elif child is not None:
                    yield from self._unknown_nulls(child, self._tree.child(node, key), (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._unknown_nulls(item, self._tree.child(node, index), (*path, index))

    @lazy
    def _tree(self) -> Keywords:
        return Keywords(self.keywords)

    def _wrong(self, value: object) -> set[tuple[str, FieldPath]]:
        """Return the keywords that fail and where, at most MAX_VIOLATIONS; an unknown or missing field by its path."""
        found: set[tuple[str, FieldPath]] = set()
        for error in islice(self._validator.iter_errors(value), MAX_VIOLATIONS):
            path, kind, details = _path_in(value, error.instance_path), error.kind.name, error.kind.as_dict()
            if not isinstance(_value_at(value, path), dict) and self._is_for_maps(error.schema_path):
                continue
            names = details["unexpected"] if kind == "additionalProperties" else ()
            if kind == "required":
                beside = self._needs(error.schema_path, value, path, details["property"])
                names = [beside or details["property"]]
            found |= {(kind, (*path, name)) for name in names} or {(kind, path)}
        return found

    def _needs(self, schema_path: list[str | int], value: object, path: FieldPath, name: str) -> str:
        """Return the field that means nothing without a missing one; empty where that is required in any case."""
        if schema_path[-1] != "dependencies":
            return ""
        needs = cast(dict[str, list[str]], self._parent(schema_path)["dependencies"])
        return next(key for key in cast(dict[str, object], _value_at(value, path)) if name in needs.get(key, ()))

    def _explain(
        self, error: jsonschema_rs.ValidationError, value: object, raw: Callable[[FieldPath], str], fixes: Fixes
    ) -> Iterator[Violation]:
        path = _path_in(value, error.instance_path)
        schema = self._parent(error.schema_path)
        kind, found = error.kind.name, error.kind.as_dict()
        if not isinstance(_value_at(value, path), dict) and self._is_for_maps(error.schema_path):
            return  # its type is wrong, and that is reported
        message, _, fix = str(schema.get("errorMessage", "")).partition("; ")
        if kind == "propertyNames":
            key = found["error"].instance
            fix = key_in_capitals(self._tree, path, key) or fix
            violation = Violation("SCH104", (*path, key), f"{short(key)} {message}", fix, at_key=True)
        elif kind == "additionalProperties":
            yield from (replace(fixes.unknown(path, key), keyword=kind) for key in found["unexpected"])
            return
        elif kind == "required":
            name = found["property"]
            beside = self._needs(error.schema_path, value, path, name)
            # an `if` that requires a field describes none: those are in the schema around it
            known = cast(dict[str, object], schema.get("properties", {}))
            violation = missing(path, name, beside, schema if name in known else self._tree.at(path))
        elif kind == "type":
            violation = fixes.wrong_type(path, found["types"], raw(path))
        elif message:
            better = written_otherwise(self._tree, value, path) if kind == "pattern" else ""
            violation = Violation("SCH104", path, _with_value(value, path, message), better or fix)
        else:
            violation = fixes.not_allowed(kind, path, found, error.message, raw(path))
        yield replace(violation, keyword=kind)

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


def _is_in_no_shape(violation: Violation, repairs: Iterable[Repair]) -> bool:
    """Whether a value has the wrong type, and no repair puts anything in its place."""
    if violation.keyword != "type" or violation.repair:
        return False
    path = violation.path
    targets = [target for repair in repairs for target, _ in repair.puts]
    return not any(target[: len(path)] == path or path[: len(target)] == target for target in targets)


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
    return f"{short(found)} {words}" if isinstance(found, str) else words


def _is_small(value: object) -> bool:
    """Whether a value has few enough maps, lists and scalars to be copied and validated several times."""
    open_nodes, count = [value], 0
    while open_nodes and count < _MOST_NODES:
        count += 1
        node = open_nodes.pop()
        if isinstance(node, dict | list):
            open_nodes.extend(node.values() if isinstance(node, dict) else node)
    return count < _MOST_NODES
