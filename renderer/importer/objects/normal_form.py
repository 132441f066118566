"""The form in which two Modules that mean the same to KMM are equal."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.versions import asks_for_nothing
from kmodgate.renderer.fleet.fields.field_table import DRIVER_FIELDS, Field, Shape
from kmodgate.renderer.fleet.specs import JsonMap

_KEPT_EMPTY = {"dirName", "image", "driverName"}
"""Texts that are not the same as none: those that the CRD requires, and `dirName`, whose default is another."""


def normal_spec(module: JsonMap) -> JsonMap:
    """The spec of a Module with every default of the CRD, in KMM's own reading of empty and deprecated fields."""
    value = cast(JsonMap, defaulted(cast("dict[str, object]", module)))
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return {}
    spec = _level(_without_empty_settings(spec), DRIVER_FIELDS)
    return {key: item for key, item in spec.items() if item != {} or key == "selector"}


def _without_empty_settings(spec: JsonMap) -> JsonMap:
    """The spec without settings of registries that ask for nothing: Go clients write them into every Module.

    Those of a mapping stay where they take the place of the container's.
    """
    loader = spec.get("moduleLoader")
    container = loader.get("container") if isinstance(loader, dict) else None
    if not isinstance(loader, dict) or not isinstance(container, dict):
        return spec
    container = _without_empty(container)
    mappings = container.get("kernelMappings")
    if isinstance(mappings, list):
        kept = {"registryTLS"} if "registryTLS" in container else set()
        container["kernelMappings"] = [
            _without_empty(item, kept) if isinstance(item, dict) else item for item in mappings
        ]
    return {**spec, "moduleLoader": {**loader, "container": container}}


def _without_empty(level: JsonMap, kept: Collection[str] = ()) -> JsonMap:
    """A copy of the container or of a mapping without registry settings that ask for nothing."""
    result = {
        key: item for key, item in level.items() if key in kept or key != "registryTLS" or not asks_for_nothing(item)
    }
    for key, setting in (("build", "baseImageRegistryTLS"), ("sign", "unsignedImageRegistryTLS")):
        block = result.get(key)
        if isinstance(block, dict) and setting in block and asks_for_nothing(block[setting]):
            result[key] = {name: item for name, item in block.items() if name != setting}
    return result


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
