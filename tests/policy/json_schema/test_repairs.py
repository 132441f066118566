"""A fix mends: after any one slip, doing what the fixes say leaves fewer errors and brings no new kind of error."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.formats.yaml_documents import OBJECTS, parse
from kmodgate.policy.json_schema.schema import Schema
from kmodgate.policy.json_schema.violations import Violation
from kmodgate.schemas.compiled import object_schema, spec_schema
from tests.draws import drawn
from tests.fleets import REPOSITORY

KINDS = ("KernelDriver", "Cluster", "DriverPolicy", "Module")
MOST_OF_A_KIND = 12


def schema_of(value: Any) -> Schema:
    found = object_schema(value) if value["kind"] == "Module" else spec_schema(value["kind"])
    assert found is not None
    return found


def sound_values() -> Iterator[Any]:
    """Specs of the examples, and the Modules that are made of them."""
    counts = dict.fromkeys(KINDS, 0)
    files = [path for folder in ("examples", "tests/cases") for path in Path(REPOSITORY / folder).rglob("*.yaml")]
    for path in sorted(files):
        for document in parse(path.read_text(encoding="utf-8"), path.name, OBJECTS)[0]:
            value: Any = document.value
            kind = value.get("kind") if isinstance(value, dict) else None
            if kind in KINDS and counts[kind] < MOST_OF_A_KIND and schema_of(value).is_valid(value):
                counts[kind] += 1
                yield value
    assert all(counts.values()), counts


VALUES = list(sound_values())


def paths(value: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in items:
        yield (*path, step)
        yield from paths(child, (*path, step))


Slip = Callable[[Any, FieldPath, st.DataObject], bool]
"""Makes one mistake at a path; false where it cannot be made there."""


def misspell(value: Any, path: FieldPath, data: st.DataObject) -> bool:
    key, parent = path[-1], value_at(value, path[:-1])
    if not isinstance(key, str) or len(key) < 4 or not key.isalpha():
        return False
    at = data.draw(st.integers(1, len(key) - 2))
    wrong = data.draw(st.sampled_from([key[:at] + key[at + 1 :], key[:at] + key[at] + key[at:], key.swapcase()]))
    if wrong in parent:
        return False
    items = [(wrong if name == key else name, item) for name, item in parent.items()]
    parent.clear()
    parent.update(items)
    return True


def move(value: Any, path: FieldPath, data: st.DataObject) -> bool:
    maps = [place for place in [(), *paths(value)] if isinstance(value_at(value, place), dict)]
    target = data.draw(st.sampled_from(maps))
    key, parent = path[-1], value_at(value, path[:-1])
    holder = value_at(value, target)
    if not isinstance(key, str) or key in holder or target[: len(path)] == path:
        return False
    holder[key] = parent.pop(key)
    return True


def wrap(value: Any, path: FieldPath, data: st.DataObject) -> bool:
    level = data.draw(st.sampled_from(["container", "moduleLoader", "spec", "template", "matchLabels", "nodeSelector"]))
    put(value, path, {level: value_at(value, path)})
    return True


def reshape(value: Any, path: FieldPath, data: st.DataObject) -> bool:
    old = value_at(value, path)
    shapes: list[Any] = [None, str(old).lower() if isinstance(old, bool) else str(old), [old]]
    if isinstance(old, str):
        shapes += [{"name": old}, {"value": old}]
    if isinstance(old, bool):
        shapes += ["yes" if old else "no", "On" if old else "Off"]
    if isinstance(old, list) and len(old) == 1:
        shapes.append(old[0])
    if isinstance(old, list):
        shapes.append([{"name": item} for item in old])
    if isinstance(old, dict):
        shapes += [{}, [{"name": key, "value": item} for key, item in old.items()], next(iter(old.values()), None)]
    new = data.draw(st.sampled_from(shapes))
    put(value, path, new)
    return bool(new != old)


def drop(value: Any, path: FieldPath, data: st.DataObject) -> bool:
    del value_at(value, path[:-1])[path[-1]]  # type: ignore[attr-defined]
    return True


def put(value: Any, path: FieldPath, new: Any) -> None:
    holder: Any = value_at(value, path[:-1])
    holder[path[-1]] = new


def violations(schema: Schema, value: Any) -> list[Violation]:
    return schema.causes(value, schema.violations(value))


@pytest.mark.parametrize("slip", [misspell, move, wrap, reshape, drop])
@given(data=st.data())
@settings(max_examples=drawn(100))
def test_what_a_fix_says_leaves_fewer_errors_and_no_new_ones(slip: Slip, data: st.DataObject) -> None:
    value = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    schema = schema_of(value)
    places = [path for path in paths(value) if path[0] not in ("apiVersion", "kind")]
    assume(slip(value, data.draw(st.sampled_from(places)), data))
    found = violations(schema, value)
    for item in found:
        if item.repair is None or not item.repair.is_whole:
            continue
        mended = schema.repaired(value, [item])
        left = list(schema.violations(mended))
        assert len(left) < len(list(schema.violations(value))), (item, left)
        assert {other.rule for other in left} <= {other.rule for other in schema.violations(value)}, (item, left)


@pytest.mark.parametrize("slip", [misspell, move, wrap])
@given(data=st.data())
@settings(max_examples=drawn(100))
def test_a_field_that_lives_elsewhere_is_never_to_be_removed(slip: Slip, data: st.DataObject) -> None:
    value = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    schema = schema_of(value)
    assume(slip(value, data.draw(st.sampled_from(list(paths(value)))), data))
    for item in violations(schema, value):
        if item.rule == "SCH101" and schema.places(str(item.path[-1])):
            assert not item.fix.startswith("remove"), item
        assert "^.*" not in item.fix


@given(data=st.data())
@settings(max_examples=drawn(100))
def test_one_misspelt_field_is_one_error(data: st.DataObject) -> None:
    value = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    schema = schema_of(value)
    assume(misspell(value, data.draw(st.sampled_from([path for path in paths(value) if path[0] == "spec"])), data))
    assert len(violations(schema, value)) <= 1
