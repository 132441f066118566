"""What most of several specs say, field by field."""

from __future__ import annotations

import json
from collections import Counter
from typing import TypeVar, cast

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.field_table import DRIVER_FIELDS, Field, Shape
from kmodgate.renderer.fleet.specs import JsonMap

ORDERED = {field.spec for row in DRIVER_FIELDS for field in row.fields if field.shape is Shape.NAMED_VALUES}
"""Maps of a spec that are lists to KMM."""

_T = TypeVar("_T", bound=Json)


def majority(specs: list[JsonMap]) -> JsonMap:
    """The value that each field has in most of the specs; the first of them decides where it is even."""
    return _level(specs, DRIVER_FIELDS)


def most_common(values: list[_T]) -> _T:
    """The value that stands there most often, the first of these."""
    texts = [canonical(value) for value in values]
    counts = Counter(texts)
    return values[max(range(len(values)), key=lambda index: counts[texts[index]])]


def canonical(value: Json) -> str:
    """Equal for two values of a spec that give the same object."""
    return json.dumps(_sorted(value))


def _sorted(value: Json, *, ordered: bool = False) -> Json:
    if isinstance(value, dict):
        items = list(value.items()) if ordered else sorted(value.items())
        return [[key, _sorted(item, ordered=key in ORDERED)] for key, item in items]
    return {"": [_sorted(item) for item in value]} if isinstance(value, list) else value


def _level(levels: list[JsonMap], fields: tuple[Field, ...]) -> JsonMap:
    rows = {field.spec: field for field in fields}
    result: JsonMap = {}
    for key in dict.fromkeys(key for level in levels for key in level):
        values = [level[key] for level in levels if key in level]
        most = 2 * len(values) > len(levels) or (2 * len(values) == len(levels) and key in levels[0])
        if most:
            result[key] = _value(values, rows.get(key))
    return result


def _value(values: list[Json], row: Field | None) -> Json:
    shape = row.shape if row is not None else Shape.SAME
    if row is not None and row.merges_by_name and all(isinstance(item, list) for item in values):
        return _list(values, row)
    if row is not None and shape in (Shape.MAP, Shape.NAMED_VALUES) and all(isinstance(item, dict) for item in values):
        return _level(cast(list[JsonMap], values), row.fields)
    return most_common(values)


def _list(values: list[Json], row: Field) -> Json:
    """The names that most of the lists have, the fewest of these, and of each item what most of these lists say."""
    lists = [[item for item in value if isinstance(item, dict)] for value in values if isinstance(value, list)]
    names = [[str(item.get("name")) for item in value] for value in lists]
    counts = Counter(map(tuple, names))
    chosen = max(names, key=lambda found: (counts[tuple(found)], -len(found)))  # an override adds, and cannot remove
    same = [value for value, found in zip(lists, names, strict=True) if found == chosen]
    return [_level(list(items), row.fields) for items in zip(*same, strict=True)]
