"""The specs of one driver on its clusters → one spec and the overrides that give every cluster its own back.

The spec says what most clusters have. What one has beside it is split into the smallest changes, and clusters that
share a change share an override. A change that a merge patch cannot express (another order of a list that merges by
name, a map that becomes empty) takes two: one that removes the value, and one that gives it anew.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from typing import TypeVar, cast

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.fields.field_table import DRIVER_FIELDS, Field, Shape, merges_by_name
from kmodgate.renderer.fleet.fields.overrides import ambiguous, merge
from kmodgate.renderer.fleet.specs import JsonMap


@dataclass(frozen=True, slots=True)
class Merged:
    """One spec for several clusters; each override names its clusters."""

    spec: JsonMap = field(repr=False)
    overrides: list[tuple[tuple[str, ...], JsonMap]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Item:
    """A step of a path: the item of this name."""

    name: str


_Path = tuple[str | _Item, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    """One change of a spec: a value in its place, None for none, new items for a list that merges by name.

    What is given `again` comes after the removal of what was there.
    """

    path: _Path
    value: Json
    again: bool = False

    @property
    def key(self) -> str:
        return f"{self.again} {self.path} {json.dumps(self.value)}"


def merge_specs(specs: dict[str, JsonMap], is_sound: Callable[[JsonMap], bool] = lambda _: True) -> Merged:
    """The specs by cluster as one. `is_sound` is whether a spec may stand alone; each of the given ones may."""
    base = majority(list(specs.values()))
    if not is_sound(base):
        base = most_common(list(specs.values()))
    changes = {name: _unambiguous(base, _changes(base, spec)) for name, spec in specs.items()}
    return Merged(base, [*_overrides(changes, again=False), *_overrides(changes, again=True)])


def same(one: Json, other: Json) -> bool:
    """Whether two values of a spec give the same object."""
    return canonical(one) == canonical(other)


def _changes(base: JsonMap, spec: JsonMap) -> list[_Change]:
    """What makes the spec out of the base. As a last resort, a field that is still another is given anew."""
    found = list(_map_changes(base, spec, ()))
    result = _applied(base, found)
    for key in dict.fromkeys((*result, *spec)):
        if not same({key: result[key]} if key in result else {}, {key: spec[key]} if key in spec else {}):
            found = [change for change in found if change.path[0] != key]
            found += _anew((key,), spec[key]) if key in spec else [_Change((key,), None)]
    return found


def _applied(base: JsonMap, changes: list[_Change]) -> JsonMap:
    for again in (False, True):
        base = merge(base, _patch(change for change in changes if change.again is again))
    return base


def _unambiguous(base: JsonMap, changes: list[_Change]) -> list[_Change]:
    """Without the changes of lists in which two items have one name: no override can tell them apart."""
    removed = merge(base, _patch(change for change in changes if not change.again))
    paths = [
        path
        for again in (False, True)
        for path, _ in ambiguous(removed if again else base, _patch(c for c in changes if c.again is again))
    ]
    lists = {tuple(step for step in path[:-2] if isinstance(step, str)) for path in paths}
    return [kept for change in changes if (kept := _without(change, lists)) is not None]


def _without(change: _Change, lists: Iterable[tuple[str, ...]]) -> _Change | None:
    """The change without these lists; None where it is of one of them."""
    own = tuple(step for step in change.path if isinstance(step, str))
    if any(own[: len(keys)] == keys for keys in lists):
        return None
    value = copy.deepcopy(change.value)
    for *around, last in (keys[len(own) :] for keys in lists if keys[: len(own)] == own):
        node = value
        for key in around:
            node = node[key]  # type: ignore[index, call-overload]
        del node[last]  # type: ignore[arg-type, union-attr]
    return replace(change, value=value)


def _anew(path: _Path, value: Json) -> list[_Change]:
    return [_Change(path, None), _Change(path, value, again=True)]


def _map_changes(base: JsonMap, spec: JsonMap, path: _Path) -> Iterator[_Change]:
    for key in base:
        if key not in spec:
            yield _Change((*path, key), None)
    for key, value in spec.items():
        if key not in base:
            yield _Change((*path, key), value)
        elif not same({key: base[key]}, {key: value}):
            yield from _value_changes(base[key], value, (*path, key))


def _value_changes(base: Json, value: Json, path: _Path) -> Iterator[_Change]:
    if isinstance(base, dict) and isinstance(value, dict):
        if not value or (path[-1] in ORDERED and not _keeps_order(base, value)):
            yield from _anew(path, value)
        elif path[-1] in ORDERED:
            yield _Change(path, {**{key: None for key in base if key not in value}, **_changed(base, value)})
        else:
            yield from _map_changes(base, value, path)
    elif isinstance(base, list) and isinstance(value, list) and (field := merges_by_name(path)):  # type: ignore[arg-type]
        yield from _list_changes(base, value, path, new_first=field.new_first)
    else:
        yield _Change(path, value)


def _changed(base: JsonMap, value: JsonMap) -> JsonMap:
    return {key: item for key, item in value.items() if key not in base or not same(base[key], item)}


def _keeps_order(base: JsonMap, value: JsonMap) -> bool:
    """Whether a merge gives the keys in their order: those of the base first."""
    return list(value) == [*(key for key in base if key in value), *(key for key in value if key not in base)]


def _list_changes(base: list[Json], value: list[Json], path: _Path, *, new_first: bool) -> Iterator[_Change]:
    """Changes of a list that merges by name: of its items, and of items put where a merge puts new ones."""
    old, more = [_name(item) for item in base], len(value) - len(base)
    fresh, kept = (
        (value[: max(more, 0)], value[max(more, 0) :]) if new_first else (value[len(base) :], value[: len(base)])
    )
    names = [*old, *(_name(item) for item in fresh)]
    if [_name(item) for item in kept] != old or len(set(names)) < len(names) or None in names:
        yield from _anew(path, value)
        return
    if fresh:
        yield _Change(path, fresh)
    for name, before, after in zip(old, base, kept, strict=True):
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _map_changes(before, after, (*path, _Item(str(name))))


def _name(item: Json) -> str | None:
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else None


def _overrides(changes: dict[str, list[_Change]], *, again: bool) -> Iterator[tuple[tuple[str, ...], JsonMap]]:
    """One override for all changes that the same clusters have."""
    clusters: dict[str, list[str]] = {}
    known: dict[str, _Change] = {}
    for name, found in changes.items():
        for change in found:
            if change.again is again:
                clusters.setdefault(change.key, []).append(name)
                known[change.key] = change
    groups: dict[tuple[str, ...], list[_Change]] = {}
    for key, names in clusters.items():
        groups.setdefault(tuple(names), []).append(known[key])
    for chosen, found in groups.items():
        yield chosen, _patch(found)


def _patch(changes: Iterable[_Change]) -> JsonMap:
    """The merge patch that makes these changes."""
    result: JsonMap = {}
    for change in changes:
        _place(result, change.path, change.value)
    return result


def _place(level: JsonMap, path: _Path, value: Json) -> None:
    key, rest = str(path[0]), path[1:]
    here = level.get(key)
    if not rest:
        level[key] = [*value, *here] if isinstance(value, list) and isinstance(here, list) else value
    elif isinstance(rest[0], _Item):
        items = list(here) if isinstance(here, list) else []
        item = next((item for item in items if isinstance(item, dict) and item.get("name") == rest[0].name), None)
        if item is None:
            item = {"name": rest[0].name}
            items.append(item)
        level[key] = items
        _place(item, rest[1:], value)
    else:
        below = level.setdefault(key, {})
        assert isinstance(below, dict)
        _place(below, rest, value)


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
