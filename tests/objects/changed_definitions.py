"""Changes of the definitions of KMM's kinds: what an upgrade brings, and what leaves their objects useless."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from tests.e2e.api_server.definitions import KINDS, generated

Json: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[Json], None]


def definition(plural: str) -> Json:
    """The definition of a kind of KMM as our schemas make it."""
    return next(generated(kind) for kind in KINDS if kind.plural == plural)


def changed(item: Json, change: Change) -> Json:
    """Return the definition after a change."""
    found = copy.deepcopy(item)
    change(found)
    return found


def _first(item: Json) -> Json:
    found: Json = item["spec"]["versions"][0]
    return found


def _properties(item: Json) -> Json:
    found: Json = _first(item)["schema"]["openAPIV3Schema"]["properties"]
    return found


def _stop_serving(item: Json) -> None:
    _first(item)["served"] = False


def _replace_version(item: Json) -> None:
    _first(item)["name"] = "v9"


def _store_another(item: Json) -> None:
    item["spec"]["versions"].append({**_first(item), "name": "v9"})
    _first(item)["storage"] = False


def _drop_status(item: Json) -> None:
    _first(item)["subresources"] = {}


def _drop_schema(item: Json) -> None:
    _first(item)["schema"] = {"openAPIV3Schema": {"type": "object"}}


def _drop_fields(item: Json) -> None:
    _properties(item)["spec"] = {"type": "object", "properties": {"other": {"type": "string"}}}


def empty_contents(item: Json) -> None:
    """Leave the maps and lists of spec and status what they are, and take away what may lie in them."""
    for holder in ("spec", "status"):
        fields = _properties(item)[holder].get("properties", {})
        for name, schema in fields.items():
            schema.pop("additionalProperties", None)
            if "items" in schema:
                fields[name] = {"type": "array", "items": {"type": "object"}}


USELESS: dict[str, Change] = {
    "its version is not served": _stop_serving,
    "its version is another one": _replace_version,
    "it is stored as another version": _store_another,
    "it has no status": _drop_status,
    "its schema names nothing": _drop_schema,
    "its schema names none of its fields": _drop_fields,
}


def _add_version(item: Json) -> None:
    item["spec"]["versions"].append({**_first(item), "name": "v1beta2", "storage": False})


def _add_field(item: Json) -> None:
    _properties(item)["spec"].setdefault("properties", {})["later"] = {"type": "string"}


def _describe(item: Json) -> None:
    item["metadata"]["annotations"] = {"controller-gen.kubebuilder.io/version": "v0.19.0"}
    _first(item)["schema"]["openAPIV3Schema"]["description"] = "Another text."


def _convert(item: Json) -> None:
    item["spec"]["conversion"] = {"strategy": "None"}


USEFUL: dict[str, Change] = {
    "a further version": _add_version,
    "a further field": _add_field,
    "other texts": _describe,
    "a conversion": _convert,
}


def _take_no_spec(item: Json) -> None:
    _properties(item)["spec"]["maxProperties"] = 0


def _take_no_name(item: Json) -> None:
    _properties(item)["metadata"] = {"type": "object", "properties": {"name": {"type": "string", "format": "uuid"}}}


STRICTER: dict[str, Change] = {"its spec is to be empty": _take_no_spec, "no name is one": _take_no_name}
"""Changes of which only the entry is asked that waits for nobody."""


def listed_elsewhere(item: Json) -> None:
    item["spec"]["names"]["listKind"] = "Elsewhere"


def places(schema: Json, value: object, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield the path in a schema of each field of a value, and of each item of its lists, with what stands there."""
    steps: Iterable[tuple[tuple[str, ...], object]] = ()
    if isinstance(value, dict):
        named = schema.get("properties", {})
        others = ("additionalProperties",) if "additionalProperties" in schema else ()
        found = ((("properties", key) if key in named else others, item) for key, item in value.items())
        steps = ((step, item) for step, item in found if step)
    elif isinstance(value, list):
        steps = ((("items",), item) for item in value[:1])
    for step, item in steps:
        yield (*place, *step), item
        yield from places(at(schema, step), item, (*place, *step))


def at(schema: Json, path: tuple[str, ...]) -> Json:
    """The schema at a path of the keys of schemas."""
    for step in path:
        schema = schema[step]
    return schema
