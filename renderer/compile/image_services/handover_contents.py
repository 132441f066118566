"""The files of a handover that hold no Kubernetes object, in the form of one, so that `diff` compares them too.

Kind and name are ours; the content stands beside them. Each field leads to the field of the spec that decides it.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from kmodgate.policy.findings import FieldPath
from kmodgate.renderer.compile.image_services.ims_config import SETTINGS
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests.manifest import Manifest

_VALUES: FieldPath = ("spec", "kubernetes", "services", "cray-ims")
_FIELDS: dict[FieldPath, FieldPath] = {
    **{(*_VALUES, *setting.value): setting.field for setting in SETTINGS if setting.value},
    (*_VALUES, "api_gw"): ("network", "gateway"),
    (*_VALUES, "cray-service", "volumes"): ("templates",),
    (*_VALUES, "cray-service", "containers"): ("sizes",),
}
"""Paths of the fragment → the field of the spec that says it, with all below the path."""


def customizations(target: ServiceTarget, value: JsonMap, name: str) -> Manifest:
    """The fragment of the site's customizations."""

    def cause(path: FieldPath) -> FieldPath | None:
        return next((field for above, field in _FIELDS.items() if path[: len(above)] == above), None)

    return _manifest(target, "Customizations", name, value, cause)


def recipe_flags(target: ServiceTarget, value: JsonMap, name: str) -> Manifest:
    """The flags of recipes."""
    return _manifest(target, "RecipeFlags", name, value, lambda path: ("recipes", *path))


def cfs_configuration(target: ServiceTarget, text: str, index: int, name: str) -> Manifest:
    """A configuration of CFS, as JSON text; `index` is its place in the spec's list."""
    value: JsonMap = json.loads(text)
    layers = target.spec["cfs"][index]["layers"]

    def cause(path: FieldPath) -> FieldPath:
        layer = _layer_name(value, path)
        return ("cfs", index, "layers", layer) if layer in layers else ("cfs", index, "file")

    return _manifest(target, "CfsConfiguration", name, value, cause)


def _layer_name(value: JsonMap, path: FieldPath) -> str:
    """Return the name of the layer that a path leads into; nothing where it leads into none."""
    items = value.get("layers")
    if path[:1] != ("layers",) or len(path) < 2 or not isinstance(items, list) or not isinstance(path[1], int):
        return ""
    layer = items[path[1]]
    return str(layer.get("name", "")) if isinstance(layer, dict) else ""


def _manifest(
    target: ServiceTarget, kind: str, name: str, value: JsonMap, cause: Callable[[FieldPath], FieldPath | None]
) -> Manifest:
    file = target.service.document.file
    own: JsonMap = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}

    def trace(path: FieldPath) -> Origin:
        field = cause(path) if path[:1] not in {(key,) for key in own} else None
        if field is not None:
            return target.merged.origin(field)
        place: FieldPath = ("metadata", "name")
        line, column = target.service.document.position(place)
        return Origin(file, line, column, "default", place)

    return Manifest({**value, **own}, None, file, trace)
