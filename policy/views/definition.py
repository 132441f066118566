"""What a CustomResourceDefinition of KMM no longer does after a change, without which its objects are of no use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmodgate.policy.findings import FieldPath, plain_text
from kmodgate.policy.kmm.kinds import VERSIONS

Map = Mapping[str, Any]

_LOADER = ("moduleLoader", "container")

HOLDERS: tuple[tuple[str, ...], ...] = (
    ("spec",),
    ("status",),
    ("spec", *_LOADER),
    ("spec", "moduleSpec"),
    ("spec", "moduleSpec", *_LOADER),
)
"""The objects in which the fields of `_USED` lie: what the webhook is asked about is losing a field of one of these."""

_ITEMS = ("items", "properties")

CONTENTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("spec", "selector"), ("additionalProperties",)),
    (("spec", "moduleSpec", "selector"), ("additionalProperties",)),
    (("spec", *_LOADER, "kernelMappings"), _ITEMS),
    (("spec", "moduleSpec", *_LOADER, "kernelMappings"), _ITEMS),
    (("spec", "modules"), _ITEMS),
    (("spec", "images"), _ITEMS),
    (("status", "modules"), _ITEMS),
)
"""Fields, and where their schemas list what lies in them: the webhook is asked about losing one of these, too."""

_USED: dict[str, tuple[tuple[str, ...], ...]] = {
    "Module": (
        ("spec", "selector"),
        ("spec", *_LOADER, "kernelMappings"),
        ("spec", *_LOADER, "modprobe"),
        ("spec", *_LOADER, "containerImage"),
    ),
    "ManagedClusterModule": (
        ("spec", "selector"),
        ("spec", "spokeNamespace"),
        ("spec", "moduleSpec", "selector"),
        ("spec", "moduleSpec", *_LOADER, "kernelMappings"),
        ("spec", "moduleSpec", *_LOADER, "modprobe"),
    ),
    "NodeModulesConfig": (("spec", "modules"), ("status", "modules")),
    "ModuleImagesConfig": (("spec", "images"), ("status", "imagesStates")),
    "ModuleBuildSignConfig": (("spec", "images"), ("status", "images")),
}
"""Kind → fields that all releases of KMM read; the API server drops those that no schema names."""


def losses(old: Map, new: Map) -> Iterator[tuple[FieldPath, str]]:
    """Yield what a definition loses by a change, each with the path of it.

    Serving no version that KMM uses, storing objects as another one, and dropping `status` or a field that KMM reads.
    Other changes pass: another schema, a further version, an old version that goes while a newer one stays.
    """
    kind = plain_text(_map(_map(old.get("spec")).get("names")).get("kind", ""))
    before, after = _versions(old), _versions(new)
    known = set(VERSIONS.get(kind, before))
    path: FieldPath = ("spec", "versions")
    if _served(before) & known and not _served(after) & known:
        yield path, "serves no version that KMM uses any more"
    stored = {name for name, (_, version) in after.items() if version.get("storage") is True}
    if kind in VERSIONS and stored and not stored & known:
        yield path, f"stores objects as {min(stored)}, which KMM does not have"
    for name in sorted(before.keys() & after.keys() & known):
        (_, was), (index, version) = before[name], after[name]
        if version.get("served") is not True and version.get("storage") is not True:
            continue
        if "status" in _map(was.get("subresources")) and "status" not in _map(version.get("subresources")):
            yield (*path, index, "subresources"), f"{name} has no subresource status any more"
        for field in _USED.get(kind, ()):
            if _kept(was, field) > _kept(version, field):
                yield (*path, index, "schema"), f"{name} drops {'.'.join(field)} of every object"


def _versions(definition: Map) -> dict[str, tuple[int, Map]]:
    """The versions of a definition by their names, each with its index."""
    found = _map(definition.get("spec")).get("versions")
    items = map(_map, found if isinstance(found, list) else ())
    return {plain_text(item.get("name", "")): (index, item) for index, item in enumerate(items)}


def _served(versions: Mapping[str, tuple[int, Map]]) -> set[str]:
    return {name for name, (_, version) in versions.items() if version.get("served") is True}


def _kept(version: Map, field: tuple[str, ...]) -> int:
    """Return 2 where the schema of a version keeps a field with what lies in it, 1 without, 0 where it drops it."""
    schema = _map(_map(version.get("schema")).get("openAPIV3Schema"))
    for name in field:
        if schema.get("x-kubernetes-preserve-unknown-fields") is True:
            return 2
        if isinstance(schema.get("additionalProperties"), Mapping):
            return 2
        properties = _map(schema.get("properties"))
        if name not in properties:
            return 0
        schema = _map(properties[name])
    return 2 if _holds(schema) else 1


def _holds(schema: Map) -> bool:
    """Whether the API server leaves anything in a value of a schema: of an object only what the schema lists."""
    while schema.get("type") == "array":
        schema = _map(schema.get("items"))
    others = (schema.get("additionalProperties"), schema.get("x-kubernetes-preserve-unknown-fields"))
    return (
        schema.get("type") != "object"
        or bool(schema.get("properties"))
        or any(item not in (None, False) for item in others)
    )


def _map(value: object) -> Map:
    return value if isinstance(value, Mapping) else {}
