"""What a CustomResourceDefinition of KMM no longer does after a change, without which its objects are of no use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmodgate.policy.findings import FieldPath, plain_text
from kmodgate.policy.json_schema.structural import defaults, lost
from kmodgate.policy.kmm.kinds import GROUPS, MODULE_KINDS, VERSIONS
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.usual_objects import USUAL

Map = Mapping[str, Any]

_LOADER = ("moduleLoader", "container")

HOLDERS: tuple[tuple[str, ...], ...] = (
    ("spec",),
    ("status",),
    ("spec", *_LOADER),
    ("spec", "moduleSpec"),
    ("spec", "moduleSpec", *_LOADER),
)
"""The objects of which the entry that fails closed asks about each lost field; `schemas` asks about all else."""

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
"""Fields, and where their schemas list what lies in them: that entry asks about losing one of these, too."""


def losses(old: Map, new: Map) -> Iterator[tuple[FieldPath, str]]:
    """Yield what a definition loses by a change, each with the path of it.

    Serving no version that KMM uses, storing objects as another one, another name of its lists, and losing `status`;
    dropping or refusing something of an object as KMM and people write it, or filling in what nodes load. Other changes
    pass: another schema that takes the same, a further version, an old version that goes while a newer one stays.
    """
    kind = plain_text(_map(_map(old.get("spec")).get("names")).get("kind", ""))
    before, after = _versions(old), _versions(new)
    known = set(VERSIONS.get(kind, before))
    path: FieldPath = ("spec", "versions")
    lists = [_map(_map(item.get("spec")).get("names")).get("listKind") for item in (old, new)]
    if kind in USUAL and None not in lists and lists[0] != lists[1]:
        yield ("spec", "names", "listKind"), f"calls its lists {lists[1]}, which KMM does not know"
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
        for text in _changed_objects(kind, name, _schema(was), _schema(version)):
            yield (*path, index, "schema"), f"{name} {text}"


def _versions(definition: Map) -> dict[str, tuple[int, Map]]:
    """The versions of a definition by their names, each with its index."""
    found = _map(definition.get("spec")).get("versions")
    items = map(_map, found if isinstance(found, list) else ())
    return {plain_text(item.get("name", "")): (index, item) for index, item in enumerate(items)}


def _served(versions: Mapping[str, tuple[int, Map]]) -> set[str]:
    return {name for name, (_, version) in versions.items() if version.get("served") is True}


def _changed_objects(kind: str, version: str, old: Map, new: Map) -> Iterator[str]:
    """Yield what a schema does to the objects of a kind that it did not do before."""
    usual = _usual(kind, version)
    old, new = _with_identity(old), _with_identity(new)
    of_people = kind in MODULE_KINDS  # a field that only KMM writes may come with an upgrade, and be required at once
    for place, what in dict.fromkeys(lost(old, new, usual, requires_more=of_people)):
        yield f"{what} {place or 'all'} of every object"
    for place, value in defaults(old, new) if kind in USUAL else ():
        name = place.rpartition(".")[2].strip("[]{}")
        if (name, value) != _USUAL_DEFAULT and any(map(_DECIDES.fullmatch, _named(name, value))):
            yield f"fills in {place} of every object"


_DECIDES = lazy_regex(
    r"(?:.*[iI]mage|moduleName|.*[aA]rgs|load|unload|kernelMappings|images|modules|parameters|firmwarePath|dirName"
    r"|modulesLoadingOrder|inTreeModules?ToRemove|serviceAccountName|filesToSign|command|insecure.*)"
)
"""Fields that say what a node loads, and what makes it."""

_USUAL_DEFAULT = ("dirName", "/opt")
"""The default that KMM has itself."""


def _usual(kind: str, version: str) -> Map:
    """A whole object of a kind, empty where no usual one is known."""
    identity = {"apiVersion": f"{GROUPS.get(kind)}/{version}", "kind": kind, "metadata": {"name": "nic-driver"}}
    return {**identity, **USUAL[kind]} if kind in USUAL else {}


def _with_identity(schema: Map) -> Map:
    """A schema of objects that lists what the API server never drops: version, kind and metadata."""
    properties = _map(schema.get("properties"))
    anything = {"x-kubernetes-preserve-unknown-fields": True}
    listed = {key: {**_map(properties.get(key)), **anything} for key in ("apiVersion", "kind", "metadata")}
    return {**schema, "properties": {**properties, **listed}}


def _named(name: str, value: object) -> Iterator[str]:
    """Yield the names of the fields that a value fills in, its own among them."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _named(str(key), item)
    elif value:
        yield name
        for item in value if isinstance(value, list) else ():
            yield from _named(name, item)


def _schema(version: Map) -> Map:
    return _map(_map(version.get("schema")).get("openAPIV3Schema"))


def _map(value: object) -> Map:
    return value if isinstance(value, Mapping) else {}
