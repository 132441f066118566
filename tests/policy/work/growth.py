"""Objects that grow: lists and maps of a template by number, texts by length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
Template = Any


@dataclass(frozen=True)
class Many:
    """A list of such items; in its texts `#` stands for the number of the item."""

    item: Template


@dataclass(frozen=True)
class Entries:
    """A map of such entries."""

    key: str
    value: Template


def grown(template: Template, sizes: Mapping[Path, int], *, distinct: bool) -> Any:
    """The object with lists, maps and texts of these sizes; those that are not named have one item.

    What lies in the items of a list is grown in the first of them only, so that the object grows by the sum and not by
    the product. Equal items have equal texts, which `distinct` prevents.
    """
    return _built(template, (), sizes, "", distinct)


def _built(template: Template, path: Path, sizes: Mapping[Path, int], label: str, distinct: bool) -> Any:
    if isinstance(template, str):
        text = template.replace("#", label or "0")
        return text + "a" * (32 * sizes[path]) if path in sizes else text
    if isinstance(template, dict):
        return {key: _built(item, (*path, key), sizes, label, distinct) for key, item in template.items()}
    if not isinstance(template, Many | Entries):
        return template
    inner = (*path, "[]")
    labels = [f"{label}x{index}" if distinct else label for index in range(sizes.get(path, 1))]
    if isinstance(template, Many):
        return [_built(template.item, inner, sizes if not i else {}, own, distinct) for i, own in enumerate(labels)]
    keys = [f"{label}x{index}" for index in range(len(labels))]  # two keys are never equal
    return {
        template.key.replace("#", key): _built(template.value, inner, sizes if not i else {}, own, distinct)
        for i, (key, own) in enumerate(zip(keys, labels, strict=True))
    }


def growing(template: Template, path: Path = (), *, in_list: bool = False) -> Iterator[Path]:
    """The paths of all that can be grown: lists, maps, and texts of which the object has one."""
    if isinstance(template, str) and not in_list and path not in _FIXED:
        yield path
    elif isinstance(template, dict):
        for key, item in template.items():
            yield from growing(item, (*path, key), in_list=in_list)
    elif isinstance(template, Many | Entries):
        yield path
        yield from growing(template.item if isinstance(template, Many) else template.value, (*path, "[]"), in_list=True)


def at(template: Template, path: Path) -> Template:
    """The part of a template at a path that `growing` gives."""
    for step in path:
        if isinstance(template, dict):
            template = template[step]
        else:
            template = template.item if isinstance(template, Many) else template.value
    return template


_FIXED = {("kind",), ("apiVersion",), ("metadata", "name"), ("metadata", "namespace")}
"""What the API server has judged before any webhook is asked: names have at most 253 characters."""

METADATA: dict[str, Template] = {
    "name": "nic",
    "namespace": "drivers",
    "labels": Entries("example.com/l#", "v#"),
    "annotations": Entries("example.com/a#", "v#"),
    "finalizers": Many("example.com/f#"),
    "ownerReferences": Many({"apiVersion": "v1", "kind": "ConfigMap", "name": "o#", "uid": "u#", "controller": True}),
    "managedFields": Many({"manager": "m#", "operation": "Update", "fieldsV1": {"f:a": {}}}),
}


def an_object(api_version: str, kind: str, **fields: Template) -> Template:
    return {"apiVersion": api_version, "kind": kind, "metadata": METADATA, **fields}
