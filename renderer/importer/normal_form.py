"""The form in which two Modules that mean the same to KMM are equal."""

from __future__ import annotations

from typing import cast

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.renderer.fleet.field_table import DRIVER_FIELDS, Field, Shape
from kmodgate.renderer.fleet.specs import JsonMap

_KEPT_EMPTY = {"dirName", "image", "driverName"}
"""Texts that are not the same as none: those that the CRD requires, and `dirName`, whose default is another."""


def normal_spec(module: JsonMap) -> JsonMap:
    """The spec of a Module with every default of the CRD, in KMM's own reading of empty and deprecated fields."""
    value = cast(JsonMap, defaulted(cast("dict[str, object]", module)))
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return {}
    spec = _level(spec, DRIVER_FIELDS)
    return {key: item for key, item in spec.items() if item != {} or key == "selector"}


def _level(value: JsonMap, fields: tuple[Field, ...]) -> JsonMap:
    """A copy of one level: empty texts of optional fields are dropped, and the deprecated field becomes its list."""
    result = value
    for field in fields:
        result = _replaced(result, field.path, field)
    return result


def _replaced(level: JsonMap, path: tuple[str, ...], field: Field) -> JsonMap:
    if field.spec == "inTreeModulesToRemove" and len(path) == 1:
        level = _with_list(level)
    key = path[0]
    if key not in level:
        return level
    inner = level[key]
    if len(path) > 1:
        return {**level, key: _replaced(inner, path[1:], field)} if isinstance(inner, dict) else level
    if inner == "" and field.shape is Shape.SAME and key not in _KEPT_EMPTY:
        return {name: item for name, item in level.items() if name != key}
    if field.shape is Shape.MAP and isinstance(inner, dict):
        return {**level, key: _level(inner, field.fields)}
    if field.shape is Shape.LIST and isinstance(inner, list):
        return {**level, key: [_mapping(item, field.fields) for item in inner]}
    return level


def _with_list(level: JsonMap) -> JsonMap:
    old = level.get("inTreeModuleToRemove")
    if not isinstance(old, str) or (old and "inTreeModulesToRemove" in level):
        return level
    rest = {name: item for name, item in level.items() if name != "inTreeModuleToRemove"}
    return {**rest, "inTreeModulesToRemove": [old]} if old else rest


def _mapping(value: Json, fields: tuple[Field, ...]) -> Json:
    """The CRD requires the image of a mapping; an empty one is the Module's own."""
    return {"containerImage": "", **_level(value, fields)} if isinstance(value, dict) else value
