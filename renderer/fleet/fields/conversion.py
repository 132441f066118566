"""A driver's spec → the spec of a Module, back again, and which path of the one became which of the other."""

from __future__ import annotations

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.fields.field_table import DRIVER_FIELDS, SYNONYMS, Field, Shape


def compile_fields(fields: tuple[Field, ...], spec: dict[str, Json]) -> dict[str, Json]:
    """The object of one level; keys of the spec that the level does not know are not KMM's and stay out."""
    result: dict[str, Json] = {}
    for field in fields:
        if field.spec in spec:
            *parents, last = field.path
            level = result
            for name in parents:
                level = level.setdefault(name, {})  # type: ignore[assignment]
            level[last] = _compile_value(field, spec[field.spec])
    return result


def _compile_value(field: Field, value: Json) -> Json:
    if field.shape is Shape.REFERENCE:
        return {"name": value}
    if field.shape is Shape.REFERENCES and isinstance(value, list):
        return [{"name": name} for name in value]
    if field.shape is Shape.NAMED_VALUES and isinstance(value, dict):
        return [{"name": name, "value": text} for name, text in value.items()]
    if field.shape is Shape.MAP and isinstance(value, dict):
        return compile_fields(field.fields, value)
    if field.shape is Shape.LIST and isinstance(value, list):
        return [compile_fields(field.fields, item) for item in value if isinstance(item, dict)]
    return value


def decompile_fields(fields: tuple[Field, ...], value: Json) -> dict[str, Json]:
    """The spec of one level of an object, the inverse of `compile_fields`.

    What has another shape than its row says stays as it is, for the schema of the spec to refuse; keys that no row
    has stay out.
    """
    result: dict[str, Json] = {}
    for field in fields:
        level = value
        for name in field.path[:-1]:
            level = level.get(name) if isinstance(level, dict) else None
        if isinstance(level, dict) and field.path[-1] in level:
            result[field.spec] = _decompile_value(field, level[field.path[-1]])
    return result


def _decompile_value(field: Field, value: Json) -> Json:
    if field.shape is Shape.REFERENCE:
        return _name_of(value)
    if field.shape is Shape.REFERENCES and isinstance(value, list):
        return [_name_of(item) for item in value]
    if field.shape is Shape.NAMED_VALUES and isinstance(value, list):
        return {str(_name_of(item)): item.get("value") for item in value if isinstance(item, dict)}
    if field.shape is Shape.MAP and isinstance(value, dict):
        return decompile_fields(field.fields, value)
    if field.shape is Shape.LIST and isinstance(value, list):
        return [decompile_fields(field.fields, item) for item in value]
    return value


def _name_of(reference: Json) -> Json:
    return reference["name"] if isinstance(reference, dict) and "name" in reference else reference


def spec_path(path: FieldPath, spec: Json, fields: tuple[Field, ...] = DRIVER_FIELDS) -> FieldPath:
    """The path in a driver's spec that an object path below the Module's `spec` came from.

    `spec` is the driver's effective spec, in which build arguments have their order. A path that is no field's, such
    as `moduleLoader` itself, gives the first field below it.
    """
    for field in fields:
        length = len(field.path)
        if path[:length] == field.path:
            inner = spec.get(_present(field.spec, spec)) if isinstance(spec, dict) else None
            return (_present(field.spec, spec), *_rest(field, path[length:], inner))
    for field in fields:
        if path and field.path[: len(path)] == path and isinstance(spec, dict) and field.spec in spec:
            return (field.spec,)
    return ()


def _rest(field: Field, path: FieldPath, spec: Json) -> FieldPath:
    if not path or field.shape is Shape.REFERENCE:
        return ()
    if field.shape is Shape.REFERENCES:
        return path[:1]
    if field.shape is Shape.NAMED_VALUES:
        names = list(spec) if isinstance(spec, dict) else []
        index = path[0]
        return (names[index],) if isinstance(index, int) and index < len(names) else ()
    if field.shape is Shape.MAP:
        return spec_path(path, spec, field.fields)
    if field.shape is Shape.LIST:
        index = path[0]
        item = spec[index] if isinstance(spec, list) and isinstance(index, int) and index < len(spec) else None
        return (index, *spec_path(path[1:], item, field.fields))
    return path


def _present(name: str, spec: Json) -> str:
    if isinstance(spec, dict) and name not in spec:
        for ours, field in SYNONYMS.items():
            if field == name and ours in spec:
                return ours
    return name
