"""What the schema of its kind says of a spec, and findings at places in it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, format_path, plain_text, value_at
from kmodgate.policy.formats.yaml_documents import Document, Json
from kmodgate.policy.formats.yaml_scalars import quoted
from kmodgate.policy.json_schema.schema import MAX_VIOLATIONS, Schema
from kmodgate.policy.json_schema.violations import Violation, repaired
from kmodgate.renderer.fleet.files import SPEC_KINDS
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.schemas.compiled import spec_schema

_ROUNDS = 5
"""Taking a field away may break another rule of the schema; a spec that needs more rounds is not judged."""


def check(document: Document, kind: str) -> list[Finding]:
    """What the schema of the kind says of the document."""
    schema = spec_schema(kind)
    if schema.is_valid(document.value):
        return []
    violations = list(islice(schema.violations(document.value, document.raw), MAX_VIOLATIONS))
    return [_violation(document, _in_other_kind(item, kind)) for item in schema.causes(document.value, violations)]


def _in_other_kind(violation: Violation, kind: str) -> Violation:
    """Return the violation of an unknown field with the spec that has the field, where this one has it nowhere."""
    if violation.rule == "SCH101" and violation.fix.startswith("remove it"):
        for other in SPEC_KINDS:
            if other != kind and (places := spec_schema(other).places(str(violation.path[-1]))):
                return replace(
                    violation, fix=f"it is a field of a {other}: write it there, at {' or '.join(places[:3])}"
                )
    return violation


def without_doubled(document: Document, kind: str, findings: Iterable[Finding]) -> Document:
    """Return the document without the keys that stand twice, if the schema has less to say then.

    Which of the two is meant is not known, and so nothing is told that one of them brings about: `delivery`.
    """
    doubled = {item.field for item in findings if item.file == document.file and item.rule == "SCH003" and item.field}
    paths = [path for path in document.below(()) if path and format_path(path) in doubled] if doubled else []
    if not paths:
        return document
    rest = without(document, paths).document
    return rest if len(check(rest, kind)) < len(check(document, kind)) else document


def settle(document: Document, problems: list[Finding], findings: list[Finding]) -> set[tuple[int, int]]:
    """Return the places where YAML readers disagree; their findings in `findings` get the fix that suits the field.

    Those in a field that is not known are left out: only the place where it belongs says what the value has to be.
    """
    fixes = {(item.line, item.column): item.fix for item in problems}
    unknown = {item.field for item in problems if item.rule == "SCH101"}
    disputed: set[tuple[int, int]] = set()
    settled: list[int] = []
    for index, item in enumerate(findings):
        if item.file == document.file and item.rule == "SCH005":
            place = (item.line, item.column)
            disputed.add(place)
            if path := document.scalar_at(place):
                quoted_text = f"quote it: {quoted(plain_text(value_at(document.value, path)))}"
                findings[index] = replace(item, fix=fixes.get(place, quoted_text))
                if unknown.intersection(format_path(path[: depth + 1]) for depth in range(len(path))):
                    settled.append(index)
    for index in reversed(settled):
        del findings[index]
    return disputed


def _violation(document: Document, violation: Violation) -> Finding:
    return finding_at(
        document, violation.path, violation.rule, violation.message, violation.fix, at_key=violation.at_key
    )


def finding_at(
    document: Document, path: FieldPath, rule: str, message: str, fix: str, *, at_key: bool = False
) -> Finding:
    """A finding at a node of a spec, or at its key."""
    line, column = document.key_position(path) if at_key else document.position(path)
    return Finding(
        rule,
        message,
        fix,
        object=title(document),
        field=format_path(path),
        file=document.file,
        line=line,
        column=column,
    )


def title(document: Document) -> str:
    """Kind and name of a spec, as far as it has them."""
    value = document.value
    if not isinstance(value, dict):
        return ""
    name = metadata_of(value).get("name")
    return " ".join(part for part in (value.get("kind"), name) if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class SoundPart:
    """A document without its faulty fields, `faults` being their paths in the whole one.

    `moved` has the list items that stand elsewhere in the whole one, by their path here.
    """

    document: Document
    faults: list[FieldPath]
    moved: dict[FieldPath, FieldPath]


def without_faults(document: Document, kind: str) -> SoundPart | None:
    """Return the document without the fields and list items that break the schema.

    A field under a wrong name has its own there, so that nothing is told of its absence; it is a fault all the same.
    None where a required field is among the faults. A name that is not allowed stays: it is wrong, and does no harm.
    """
    rest = _Rest(document.value)
    faults = _take_out(rest, spec_schema(kind), document.raw)
    return None if faults is None else SoundPart(rest.document(document), faults, rest.moved())


def sound_value(value: JsonMap, kind: str) -> tuple[JsonMap, list[FieldPath]] | None:
    """Return a value without the fields and list items that break the schema, and where these stood.

    None where a required field is among them.
    """
    rest = _Rest(value)
    faults = _take_out(rest, spec_schema(kind), lambda _: "")
    return None if faults is None else (rest.value, faults)


def _take_out(rest: _Rest, schema: Schema, raw: Callable[[FieldPath], str]) -> list[FieldPath] | None:
    """Take what breaks the schema out of a value, and return the paths where it stood; None for a required field."""
    faults: list[FieldPath] = rest.rename(schema.violations(rest.value, raw))
    for _ in range(_ROUNDS):
        violations = list(islice(schema.violations(rest.value, raw), MAX_VIOLATIONS))
        names = [violation.path for violation in violations if _is_name(rest.value, violation.path)]
        paths = [violation.path for violation in violations if violation.path not in names]
        faults += [place for place in map(rest.original, names) if place not in faults]
        if not paths:
            return faults
        targets = {_removable(rest.value, path) for path in paths}
        if () in targets:
            return None
        faults += map(rest.original, targets)
        rest.remove(targets)
    return None


def without(document: Document, paths: Iterable[FieldPath]) -> SoundPart:
    """Return the document without some of its fields and list items."""
    rest = _Rest(document.value)
    rest.remove(set(paths))
    return SoundPart(rest.document(document), list(paths), rest.moved())


class _Rest:
    """A copy of a value that fields are taken from; it knows where the items of its lists were."""

    def __init__(self, value: Json) -> None:
        self.value: Any = copy.deepcopy(value)
        self._indexes: dict[int, list[int]] = {}  # by the identity of a list that items were taken from
        self._renamed: dict[FieldPath, FieldPath] = {}  # where a field stood, by the path that it has now

    def rename(self, violations: Iterable[Violation]) -> list[FieldPath]:
        """Give fields the names that were meant, and return the paths where they stood. To be done first."""
        repairs = [item.repair for item in islice(violations, MAX_VIOLATIONS) if item.repair and item.repair.is_rename]
        self._renamed = {repair.puts[0][0]: repair.paths[0] for repair in repairs}
        self.value = repaired(self.value, repairs)
        return list(self._renamed.values())

    def remove(self, paths: Collection[FieldPath]) -> None:
        """Take away the fields and items at some paths, and nothing else."""
        for path in sorted(paths, key=lambda path: [(isinstance(step, int), step) for step in path], reverse=True):
            parent = value_at(self.value, path[:-1])
            if isinstance(parent, list):
                del self._indexes.setdefault(id(parent), list(range(len(parent))))[int(path[-1])]
            del parent[path[-1]]  # those of a list from its end on, so that the paths before it hold

    def original(self, path: FieldPath) -> FieldPath:
        """Return where a path, or what is left of it, leads in the whole value."""
        found: list[str | int] = []
        value = self.value
        for step in path:
            indexes = self._indexes.get(id(value)) if isinstance(value, list) else None
            found.append(indexes[step] if indexes and isinstance(step, int) and step < len(indexes) else step)
            value = value_at(value, (step,))
        whole = tuple(found)
        now = next((whole[:length] for length in range(len(whole), 0, -1) if whole[:length] in self._renamed), ())
        return (*self._renamed[now], *whole[len(now) :]) if now else whole

    def moved(self) -> dict[FieldPath, FieldPath]:
        """Return the list items that are not where they were."""
        places = self._places() if self._indexes or self._renamed else {}
        return {path: old for path, old in places.items() if path != old and isinstance(path[-1], int)}

    def document(self, whole: Document) -> Document:
        """Return the document with what is left, each part where it stands in the file."""
        if not self._indexes and not self._renamed:
            return replace(whole, value=self.value)
        return whole.moved(self.value, self._places())

    def _places(self) -> dict[FieldPath, FieldPath]:
        return {path: self.original(path) for path in _paths(self.value, ())}


def _paths(value: Json, path: FieldPath) -> Iterator[FieldPath]:
    """Yield the path of every node below one."""
    items: Iterable[tuple[str | int, Json]] = ()
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
    for step, item in items:
        yield (*path, step)
        yield from _paths(item, (*path, step))


def _is_name(value: Any, path: FieldPath) -> bool:
    """Whether a path leads to the text of a name."""
    if not path or path[-1] != "name":
        return False
    for step in path:
        if not (isinstance(value, dict) and step in value):
            return False
        value = value[step]
    return isinstance(value, str)


def _removable(value: Any, path: FieldPath) -> FieldPath:
    """Return the closest field or list item at or above a path that is there; () for one of the first level."""
    parents = [value]
    for step in path:
        parent = parents[-1]
        there = step in parent if isinstance(parent, dict) else isinstance(parent, list) and isinstance(step, int)
        if not there:
            break
        parents.append(parent[step])
    return path[: len(parents) - 1] if len(parents) > 2 else ()
