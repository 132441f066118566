"""A Module in the making: what it will say, and where in the old objects each part of it stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.image_references import parse_image
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.deliveries.kmm.content_hashes import config_map_name
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found, Translation
from kmodgate.renderer.manifests.manifest import identity_of

KERNEL_IN_TEXT = lazy_regex(
    r"(?<![0-9.])\d+\.\d+\.\d+-(?!\d+\.\d+\.\d+-)[-._A-Za-z0-9]{0,60}?"
    r"(?:(?:x86_64|aarch64|ppc64le|s390x)(?:\+\w+)?|-(?:generic|lowlatency|aws|azure|gcp|oracle|cloud-amd64|amd64))"
)
"""A whole kernel in the tag of an image or another text, with its architecture or its flavour."""

CONTAINER: FieldPath = ("spec", "moduleLoader", "container")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person says of objects that do not say it themselves.

    `namespace` is that of objects without one, `delivery` that of drivers made of DaemonSets, and `module_names` the
    kernel module that a driver loads, by the name of the driver; by the empty name, of every driver. `worker_image` is
    KMM's, where an object names one that is not pinned.
    """

    namespace: str = ""
    delivery: str = "daemonset"
    module_names: Mapping[str, str] = field(default_factory=dict)
    worker_image: str = ""

    def module_name(self, driver: str) -> str:
        """Return the kernel module that a driver is said to load; empty where nobody says it."""
        return self.module_names.get(driver) or self.module_names.get("", "")


@dataclass(slots=True)
class Draft:
    """A Module of today that does what `originals` did; the first of them is what it is named after."""

    name: str
    namespace: str
    originals: list[Found]
    value: JsonMap
    places: dict[FieldPath, tuple[Found, FieldPath]] = field(default_factory=dict)
    lost: list[Finding] = field(default_factory=list)
    config_maps: list[JsonMap] = field(default_factory=list)
    used: list[Found] = field(default_factory=list)
    """Other objects that are part of the Module now, and are not to be told of any more."""
    delivery: JsonMap = field(default_factory=dict)
    """Fields of the driver's spec that no Module has."""

    @property
    def found(self) -> Found:
        return self.originals[0]

    def put(self, path: FieldPath, value: Json, found: Found, place: FieldPath) -> None:
        """Set a field of the Module; it came from the place in the object."""
        level = self.value
        for key in path[:-1]:
            level = level.setdefault(str(key), {})  # type: ignore[assignment]
        level[str(path[-1])] = value
        self.places[path] = (found, place)

    def put_at(self, path: FieldPath, value: Json, found: Found, place: FieldPath) -> None:
        """Set a field of a level that is there, in a list or not."""
        level: Json = self.value
        for key in path[:-1]:
            level = level[key]  # type: ignore[index]
        level[path[-1]] = value  # type: ignore[index]
        self.places[path] = (found, place)

    def lose(self, found: Found, path: FieldPath, message: str, fix: str) -> None:
        """Report a field of an old object that the Module cannot have."""
        self.lost.append(found.lost("IMP002", path, f"not carried over: {message}", fix))

    def dockerfile(self, text: str) -> Json:
        """Return the reference to a new ConfigMap that holds a Dockerfile."""
        name = config_map_name(self.name, text)
        metadata: JsonMap = {"name": name, "namespace": self.namespace}
        value: JsonMap = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"dockerfile": text}}
        if value not in self.config_maps:
            self.config_maps.append(value)
        return {"name": name}

    def name_tags(self) -> None:
        """Write the tag `latest` that a reference without tag and digest stands for: KMM refuses one without."""
        container = map_of(map_of(map_of(self.value.get("spec")).get("moduleLoader")).get("container"))
        for level in (container, *map(map_of, items_of(container.get("kernelMappings")))):
            image = level.get("containerImage")
            parsed = parse_image(image) if isinstance(image, str) else None
            if parsed is not None and not parsed.tag and not parsed.digest:
                level["containerImage"] = f"{image}:latest"

    def finished(self) -> Iterator[Found]:
        """Yield the Module, and the ConfigMaps that it needs."""
        found = self.found
        translation = Translation((*self.originals, *self.used), self.places, tuple(self.lost), self.delivery)
        for value in (self.value, *self.config_maps):
            source = replace(found.source, value=value)
            is_module = value is self.value
            yield Found(
                source, identity_of(value), found.origin, found.owner, translation if is_module else None, made=True
            )


def new_draft(name: str, namespace: str, originals: list[Found]) -> Draft:
    """Return a Module with the labels and annotations of the first object, and nothing to load yet."""
    first = originals[0]
    metadata: JsonMap = {"name": name, "namespace": namespace}
    draft = Draft(name, namespace, originals, {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": metadata, "spec": {}
    })  # fmt: skip
    draft.places["metadata",] = (first, ("metadata",))
    draft.places["spec",] = (first, ("spec",))
    return draft


def copy_metadata(draft: Draft) -> None:
    """Give the Module the labels and annotations of its object, of whatever type they are."""
    for key in ("labels", "annotations", "deletionTimestamp"):
        if metadata_of(draft.found.value).get(key) is not None:
            draft.value["metadata"][key] = metadata_of(draft.found.value)[key]  # type: ignore[call-overload, index]


def name_of(value: Json) -> str:
    """The name in a map such as a volume; empty for one without, or of another type."""
    name = map_of(value).get("name")
    return name if isinstance(name, str) else ""


def texts(value: Json) -> list[str]:
    """The texts of a list, in their order."""
    return [item for item in items_of(value) if isinstance(item, str)]


def without_nothing(value: Json) -> JsonMap:
    """A map without the empty values that Go clients write into every object."""
    return {key: item for key, item in map_of(value).items() if item not in (None, "", {}, [])}


def label_value(value: Json) -> Json:
    """The text that a label has where a file says a number or a boolean without quotes."""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool | int | float) else value


def first_name(references: Iterable[Json]) -> str:
    """The name in the first reference that has one."""
    names = (name_of(item) for item in references)
    return next((name for name in names if isinstance(name, str) and name), "")
