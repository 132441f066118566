"""Violations of a schema, and how to correct them: where a field belongs, and the line to write.

A fix that leaves no choice carries a `Repair`. It is offered only where the repaired value is valid.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kmodgate.policy.findings import FieldPath, format_path, value_at
from kmodgate.policy.formats.quantities import PATTERN
from kmodgate.policy.json_schema.keywords import EACH, Keywords, Node
from kmodgate.policy.json_schema.missing_values import for_nothing
from kmodgate.policy.json_schema.other_apis import amount_below, fields_below, name_here, written_out
from kmodgate.policy.json_schema.places import by_distance, home_of, place_here, shown
from kmodgate.policy.json_schema.values import NOTHING, as_parameter, converted, flow, of_requirements
from kmodgate.policy.json_schema.violations import (
    ABSENT,
    TOO_SHORT,
    TYPE_NAMES,
    Repair,
    Violation,
    describe,
    line,
    no_quantity,
    not_in,
    repaired,
    replacement,
    unquoted,
)

_MISSPELT = 0.85
"""How alike two names are (difflib's ratio) of which one is a misspelling of the other, whatever else there is."""

_FARTHEST = 8
_MOST_TRIALS = 8

_Fix = tuple[str, Repair | None]

Judge = Callable[[object], set[tuple[str, FieldPath]]]
"""Everything that is wrong with a value: the keyword that fails, and where."""


class Fixes:
    """Fixes for the violations of one value.

    Repairs are tried on a copy of the value. `judge` is None for a value that is too large to be copied for that.
    """

    def __init__(self, keywords: Keywords, value: object, judge: Judge | None) -> None:
        self._keywords = keywords
        self._value = value
        self._judge = judge
        self._wrong = judge(value) if judge else set()
        self._trials = _MOST_TRIALS if judge else 0

    def new_problems(self, *repairs: Repair) -> set[tuple[str, FieldPath]] | None:
        """Return what is wrong only after some repairs; None where too many were tried already."""
        if self._judge is None or not self._trials:
            return None
        self._trials -= 1
        return self._judge(repaired(self._value, repairs)) - self._wrong

    def may_go(self, path: FieldPath) -> bool:
        """Whether a field can be taken away without another error."""
        return self.new_problems(Repair((path,))) == set()

    # -- a field that the schema does not know ----------------------------------------------------

    def unknown(self, path: FieldPath, key: str) -> Violation:
        """Return the violation of an unknown field of the map at `path`."""
        known = list(self._keywords.at(path).get("properties", {}))
        absent = [name for name in known if self._keywords.is_unset(path, name, self._value)]
        value = value_at(self._value, (*path, key))
        name = name_here(key, value, absent)
        found = (
            self._renamed(path, key, absent, _MISSPELT)
            or (name and (self._under(path, key, name) or written_out(path, key, name)))
            or amount_below(path, key, value, known)
            or (self._judge and self._around(path, key, known))
            or self._belongs_to(path, key)
            or self._renamed(path, key, absent, 0.6)
            or (self._judge and self._below(path, key, known, is_alone=True))
            or self._of_the_shape(path, key, absent)
            or self._there_already(path, key, [name for name in known if name not in absent])
            or (name and (f"{format_path((*path, name))} is the field for it, and has another shape", None))
        )
        fix, repair = found or (f"remove it; known here: {', '.join(known) or 'nothing'}", None)
        return Violation("SCH101", (*path, key), "unknown field", fix, at_key=True, repair=repair)

    def _around(self, path: FieldPath, key: str, known: list[str]) -> _Fix | None:
        """Return the fix for a level that is missing around a field, or one too many, if it has no place of its own."""
        if below := self._below(path, key, known):
            return below
        home = home_of(self._keywords, self._value, path, key)
        is_at_home = home and self._keywords.allows(self._keywords.at(home), value_at(self._value, (*path, key)))
        return None if is_at_home else self._dissolved(path, key)

    def _fitting(self, target: FieldPath, value: object) -> object:
        """Return a value in the shape that its new place asks for, or as it is."""
        if self._judge is None:
            return value
        node = self._keywords.at(target)
        found = value if self._keywords.allows(node, value) else converted(self._keywords, node, value)
        return value if found is NOTHING else found

    def _renamed(self, path: FieldPath, key: str, names: list[str], likeness: float) -> _Fix | None:
        same = [name for name in names if name.lower() == key.lower()]
        close = same or difflib.get_close_matches(key, names, n=1, cutoff=likeness)
        return self._under(path, key, close[0]) if close else None

    def _there_already(self, path: FieldPath, key: str, present: list[str]) -> _Fix | None:
        """Return the fix for a misspelling of a field that is there under its own name, too."""
        close = difflib.get_close_matches(key, present, n=1, cutoff=_MISSPELT)
        name = name_here(key, value_at(self._value, (*path, key)), present) or next(iter(close), "")
        if not name:
            return None
        place = format_path((*path, name))
        return f"{place} is the field for it, and is there already: take this one away", Repair(((*path, key),))

    def _of_the_shape(self, path: FieldPath, key: str, names: list[str]) -> _Fix | None:
        """Return the fix for a name that is like none, if the maps in the value fit one field only."""
        value, node = value_at(self._value, (*path, key)), self._keywords.at(path)
        first = value[0] if isinstance(value, list) and value else value
        if not isinstance(first, dict) or not first:
            return None
        children = {name: self._keywords.child(node, name) for name in names}
        fitting = [
            name
            for name, child in children.items()
            if not self._keywords.is_open(child) and self._keywords.allows(child, value)
        ]
        return self._under(path, key, fitting[0]) if len(fitting) == 1 else None

    def _under(self, path: FieldPath, key: str, name: str) -> _Fix | None:
        """Return the fix that writes a field under another name, if its value has the type for it."""
        value, target = value_at(self._value, (*path, key)), (*path, name)
        fitting = self._fitting(target, value)
        if value is not None and not self._keywords.has_type(self._keywords.at(target), fitting):
            return None
        fix = f"did you mean {name}?" if fitting is value else f"write {line(target, fitting)}"
        has_default = value_at(self._value, target, ABSENT) is not ABSENT
        repair = Repair(((*path, key), *([target] if has_default else ())), ((target, fitting),))
        problems = self.new_problems(repair) or set()
        if any(where[: len(target)] != target for _, where in problems):
            return fix, None
        return fix, replace(repair, is_whole=not problems)  # what is wrong in the value is so under any name

    def _belongs_to(self, path: FieldPath, key: str) -> _Fix | None:
        """Say where a field of this name lives in the schema, the closest place first."""
        places = by_distance(self._keywords, self._value, path, key)
        if not places:
            return None
        cost, place = places[0]
        target = place_here(self._value, place, path)
        if cost > _FARTHEST or EACH in target or [item[0] for item in places].count(cost) > 1:
            named = list(dict.fromkeys(shown(place) for _, place in places))
            others = len(named) - 3
            more = f" or {others} other {'field' if others == 1 else 'fields'}" if others > 0 else ""
            return f"it belongs to {' or '.join(named[:3])}{more}: write it where it was meant", None
        return self._moved((*path, key), target)

    def _moved(self, path: FieldPath, target: FieldPath) -> _Fix:
        value = value_at(self._value, path)
        fitting = self._fitting(target, value)
        is_inner = fitting is not value and isinstance(fitting, dict) and len(fitting) == 1
        place = format_path((*target, *fitting) if is_inner and isinstance(fitting, dict) else target)
        if value_at(self._value, target) is not None:
            return f"{place} is the field for it, and is there already: take this one away", Repair((path,))
        repair = Repair((path,), ((target, fitting),))
        problems = self.new_problems(repair)
        needed = sorted(format_path(where) for what, where in problems or () if what == "required")
        more = f", and beside it {' and '.join(needed)}, which it needs" if needed else ""
        is_same = is_inner or fitting is value
        how = f"write it as {place}" if is_same else f"write {line(target, fitting)} below {format_path(target[:-1])}"
        return f"{how}{more}; it belongs there, and not here", repair if problems == set() else None

    def _dissolved(self, path: FieldPath, key: str) -> _Fix | None:
        """Take levels away that another API has, and this schema has not."""
        inner, rest = fields_below(self._keywords, self._value, path, key)
        if not inner:
            return None
        fix = (
            f"there is no such level: write {', '.join(inner)} directly below {format_path(path) or 'the first level'}"
        )
        there = any(value_at(self._value, (*path, name), ABSENT) is not ABSENT for name in inner)
        repair = Repair(
            ((*path, key),), tuple(((*path, name), value) for name, value in inner.items()), is_whole=not rest
        )
        return fix, None if there or self.new_problems(repair) != set() else repair

    def _below(self, path: FieldPath, key: str, known: list[str], *, is_alone: bool = False) -> _Fix | None:
        """Find the level that is missing around some unknown fields, or that they should be indented below.

        With `is_alone` that is the one map of the level that takes any names, where no name of the level is known.
        The repair of the first of the fields moves all of them.
        """
        siblings, node = value_at(self._value, path), self._keywords.at(path)
        if not isinstance(siblings, dict):
            return None
        strange = {name: value for name, value in siblings.items() if name not in known}
        for name in known:
            child = self._keywords.child(node, name)
            empty = name in siblings and siblings[name] is None
            required = name in node.get("required", ()) and name not in siblings
            if self._keywords.is_open(child):
                alone = is_alone and len(strange) == len(siblings) and self._is_only_open(node, name)
                inner = strange if empty or required or alone else {}
            else:
                inner = {field: value for field, value in strange.items() if field in child.get("properties", {})}
                inner = inner if empty or required else {}
            if key in inner and self._keywords.allows(child, inner):
                puts = tuple(((*path, name, field), value) for field, value in inner.items())
                repair = Repair(tuple((*path, field) for field in inner), puts) if key == next(iter(inner)) else None
                return f"write it below {name}: {name}: {flow(inner)}", repair
        return None

    def _is_only_open(self, node: Node, name: str) -> bool:
        """Whether no other field of a map takes keys of any name."""
        properties = node.get("properties", {})
        return [key for key, child in properties.items() if self._keywords.is_open(child)] == [name]

    # -- a value of another type ------------------------------------------------------------------

    def wrong_type(self, path: FieldPath, types: list[str], raw: str) -> Violation:
        """Return the violation of a value of another type than the schema's; `raw` is its text in the file."""
        expected = " or ".join(TYPE_NAMES.get(name, name) for name in types)
        value, node = value_at(self._value, path), self._keywords.at(path)
        if value is None:
            fix = for_nothing(self._keywords, path, may_go=self.may_go(path))
            return Violation("SCH102", path, f"has no value, and must be {expected}", fix)
        if isinstance(value, bool | int | float) and self._keywords.allows(node, raw or json.dumps(value)):
            return unquoted(path, value, raw)
        message = f"is {describe(value)}, and must be {expected}"
        fix, repair = self._in_shape(path, value, node) or self._flat(path, value) or (f"make it {expected}", None)
        if repair is None and expected == "a map" and (fields := ", ".join(node.get("properties", ()))):
            fix = f"{fix} of {fields}"
        return Violation("SCH102", path, message, fix, repair=repair)

    def _in_shape(self, path: FieldPath, value: object, node: Node) -> _Fix | None:
        """Write the value in the shape of the field, if that leaves no choice."""
        fitting = converted(self._keywords, node, value) if self._judge else NOTHING
        if fitting is NOTHING and path[-2:-1] == ("parameters",) and self._judge:
            fitting = as_parameter(value)
        if fitting is NOTHING:
            return None
        return self._whole_list(path) or (f"write {line(path, fitting)}", replacement(path, fitting))

    def _whole_list(self, path: FieldPath) -> _Fix | None:
        """Return one fix for a list of maps that all have the shape of another API."""
        items = value_at(self._value, path[:-1])
        if not isinstance(items, list) or not items[1:] or not all(isinstance(item, dict) for item in items):
            return None
        fitting = [self._fitting(path, item) for item in items]
        if any(new is old for new, old in zip(fitting, items, strict=True)):
            return None
        repair = Repair((path[:-1],), ((path[:-1], fitting),)) if path[-1] == 0 else None
        return f"write {line(path[:-1], fitting)}", repair

    def _flat(self, path: FieldPath, value: object) -> _Fix | None:
        """Take a level away inside a map of texts, as `matchLabels` in a selector of nodes."""
        parent, node = value_at(self._value, path[:-1]), self._keywords.at(path[:-1])
        if self._judge is None or not isinstance(value, dict | list) or not isinstance(parent, dict):
            return None
        if not self._keywords.is_open(node):
            return None
        entries = of_requirements(value) if isinstance(value, list) else value
        if not entries or not self._keywords.allows(node, entries):
            return f"write texts only below {path[-2]}, each `name: text`", None
        fix = f"write the entries themselves, without {path[-1]}: {path[-2]}: {flow(entries)}"
        puts = tuple(((*path[:-1], key), item) for key, item in entries.items())
        return fix, None if any(key in parent for key in entries) else Repair((path,), puts)

    # -- a value that is not allowed --------------------------------------------------------------

    def not_allowed(self, kind: str, path: FieldPath, details: dict[str, Any], message: str, raw: str) -> Violation:
        """Return the violation of a keyword about values; `message` says it where there are no better words."""
        value = value_at(self._value, path)
        if kind in ("enum", "const"):
            options = details["options"] if kind == "enum" else [details["expected_value"]]
            return not_in(path, value, [str(option) for option in options], kind)
        if kind == "anyOf" and isinstance(value, int | float):
            text, node = raw or json.dumps(value), self._keywords.at(path)
            if self._keywords.allows(node, text):
                message = f"{json.dumps(value)} is a number to YAML"
                return Violation("SCH102", path, message, f'put it in quotes: "{text}"', repair=replacement(path, text))
        if kind == "uniqueItems":
            return Violation("SCH104", path, "an entry stands twice", "remove one of the two")
        if kind in TOO_SHORT:
            what, need = TOO_SHORT[kind]
            need = need.format(details.get("limit", 1))
            return Violation("SCH104", path, what, f"{need}, or remove the key" if self.may_go(path) else need)
        if kind == "pattern" and details.get("pattern") == PATTERN:
            return no_quantity(path, value)
        return Violation("SCH104", path, message, "change the value so that it fits")
