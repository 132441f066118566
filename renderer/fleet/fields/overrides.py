"""Overrides: RFC 7386 merge patches, where named lists merge by name, and where each merged field came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.fields.field_table import Field, merges_by_name
from kmodgate.renderer.fleet.specs import JsonMap

Pair = tuple[int | None, int | None]
"""Where an item of a merged list came from: its index before the patch and its index in the patch."""


def merge(base: JsonMap, patch: JsonMap) -> JsonMap:
    """The spec with the patch applied; neither is changed. Source: RFC 7386 §2, and design of named lists."""
    return _merge_map(base, patch, ())


def _merge_map(base: JsonMap, patch: JsonMap, path: FieldPath) -> JsonMap:
    result = dict(base)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
            continue
        result[key] = merged = _merge(base.get(key), value, (*path, key))
        if merged == {} and base.get(key):  # what null has emptied goes, too: to KMM an empty map is not an absent one
            del result[key]
    return result


def _merge(base: Json, patch: Json, path: FieldPath) -> Json:
    if isinstance(patch, dict):
        return _merge_map(base if isinstance(base, dict) else {}, patch, path)
    if isinstance(patch, list) and (field := merges_by_name(path)):
        old = base if isinstance(base, list) else []
        return [_merge_item(old, before, patch, after, (*path, 0)) for before, after in align(old, patch, field)]
    return patch


def _merge_item(base: list[Json], before: int | None, patch: list[Json], after: int | None, path: FieldPath) -> Json:
    old = None if before is None else base[before]
    return old if after is None else _merge(old, patch[after], path)


def align(base: list[Json], patch: list[Json], field: Field) -> list[Pair]:
    """How two lists of named items merge; an item without a name, or with a new one, is added."""
    names = {_name(item): index for index, item in reversed(list(enumerate(patch)))}
    names.pop(None, None)
    kept: list[Pair] = [(index, names.pop(_name(item), None)) for index, item in enumerate(base)]
    used = {after for _, after in kept}
    added: list[Pair] = [(None, index) for index in range(len(patch)) if index not in used]
    return added + kept if field.new_first else kept + added


def ambiguous(base: JsonMap, patch: JsonMap, path: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """Path and name of every item of a patch whose name does not tell which item is meant, since two have it."""
    for key, value in patch.items():
        old, here = base.get(key), (*path, key)
        if isinstance(value, dict):
            yield from ambiguous(old if isinstance(old, dict) else {}, value, here)
        elif isinstance(value, list) and merges_by_name(here):
            before = Counter(_name(item) for item in (old if isinstance(old, list) else []))
            after = Counter(_name(item) for item in value)
            for index, item in enumerate(value):
                name = _name(item)
                if name is not None and (before[name] > 1 or after[name] > 1):
                    yield (*here, index, "name"), name


def _name(item: Json) -> str | None:
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else None


def trace(path: FieldPath, stages: list[JsonMap], patches: list[JsonMap]) -> tuple[int, FieldPath]:
    """Which layer a path of the merged spec came from, and where it stands there.

    `stages[n]` is the spec after `n` patches. Layer 0 is the driver itself, layer n the n-th patch; the path is
    relative to that layer, and may be of a node that only exists closer to the root.
    """
    for layer in range(len(patches), 0, -1):
        place, path = _trace_patch(path, stages[layer - 1], patches[layer - 1])
        if place is not None:
            return layer, place
    return 0, path


def _trace_patch(path: FieldPath, base: Json, patch: Json) -> tuple[FieldPath | None, FieldPath]:
    """The place in the patch, or None and the path before the patch."""
    ours: FieldPath = ()
    before: FieldPath = ()
    for index, step in enumerate(path):
        if isinstance(patch, dict) and isinstance(step, str):
            if step not in patch:
                if index and not isinstance(base, dict):  # the patch made the map in which it is missing
                    return (*ours, *path[index:]), path
                return None, (*before, *path[index:])
            base = base.get(step) if isinstance(base, dict) else None
            patch, ours, before = patch[step], (*ours, step), (*before, step)
        elif isinstance(patch, list) and isinstance(step, int) and (field := merges_by_name(before)):
            old = base if isinstance(base, list) else []
            was, now = align(old, patch, field)[step]
            if now is None:
                return None, (*before, was if was is not None else step, *path[index + 1 :])
            base = old[was] if was is not None else None
            patch, ours, before = patch[now], (*ours, now), (*before, was if was is not None else step)
        else:
            return (*ours, *path[index:]), path
    return ours, path
