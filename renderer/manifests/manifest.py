"""One Kubernetes object of a tree, and where each of its fields came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, placed, value_at
from kmodgate.policy.formats.image_mirrors import Mirror
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.views.boot_config import DRIVER_LABEL as DRIVER_LABEL
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import JsonMap, KernelDriver


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two manifests the same object to an API server; group without version."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"


_NOTHING: Mapping[Any, Any] = MappingProxyType({})


def _nothing() -> Mapping[Any, Any]:
    """Return the one empty map that all manifests share."""
    return _NOTHING


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Manifest:
    """One object as a plain dict; `trace` maps any path in it to its origin.

    `file` is the one it was made from: the driver's spec, or an attached file. What belongs to no driver but to the
    cluster has no `driver`; it lies in the `folder` of its own, or else in the cluster's. `shareable` objects may be
    caused by several drivers of a cluster if all of them want the same; they then live in the folder of the cluster
    instead of the driver's. `texts` are the fields that hold the text of another file of the fleet, with its name.
    `unmirrored` is the object as its spec says it, where `mirrors` of the cluster changed images at these paths.
    `lines` maps a line of the text at a path to its origin, where that is another one than that of the path.
    `elsewhere` are the objects that other clusters get through this one, by the name of the cluster.
    """

    value: JsonMap = field(repr=False)
    driver: KernelDriver | None
    file: str
    trace: Callable[[FieldPath], Origin] = field(repr=False)
    shareable: bool = False
    folder: str = ""
    texts: Mapping[FieldPath, str] = field(default_factory=_nothing, repr=False)
    unmirrored: Manifest | None = field(default=None, repr=False)
    mirrors: Mapping[FieldPath, Mirror] = field(default_factory=_nothing, repr=False)
    lines: Callable[[FieldPath, int], Origin | None] | None = field(default=None, repr=False)
    elsewhere: Mapping[str, Sequence[Manifest]] = field(default_factory=_nothing, repr=False)
    identity: Identity = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", identity_of(self.value))

    @property
    def owner(self) -> str:
        """The name of the driver, or nothing."""
        return self.driver.name if self.driver else ""

    @property
    def spec_file(self) -> str:
        """The file of the spec that caused it."""
        return self.driver.document.file if self.driver else self.file

    def at_origin(self, finding: Finding, path: FieldPath, clusters: tuple[str, ...] = ()) -> Finding:
        """Return the finding about a field of some clusters with the place in a spec that caused the field."""
        origin = (self.lines(path, finding.line) if self.lines and finding.line else None) or _origin(self, path)
        file, place = origin.file, (origin.line, origin.column)
        if finding.line and path in self.texts:
            file, place = self.texts[path], (finding.line, 1)
        return placed(finding, path, file, place, origin.path, clusters)

    def taken_away(self, path: FieldPath) -> Origin | None:
        """Return the line of an override that takes the field at a path away; None where none does."""
        origin = self.trace(path)
        if self.driver is None or origin.path[:2] != ("spec", "overrides"):
            return None
        written = next(part for part in _upwards(origin.path) if self.driver.document.has(part))
        is_in_patch = len(written) > len(("spec", "overrides", 0, "patch"))
        is_taken = is_in_patch and _is_emptied(value_at(self.driver.document.value, written))
        return replace(origin, source="override", path=written) if is_taken else None


@lru_cache(maxsize=1024)
def _origin(manifest: Manifest, path: FieldPath) -> Origin:
    """The origin of a field, which is asked for once a cluster."""
    return manifest.trace(path)


def _is_emptied(patch: Json) -> bool:
    """Whether a part of a patch only takes away."""
    return patch is None or (isinstance(patch, dict) and bool(patch) and all(map(_is_emptied, patch.values())))


def _upwards(path: FieldPath) -> Iterator[FieldPath]:
    """A path and all paths around it."""
    return (path[:length] for length in range(len(path), -1, -1))


def identity_of(value: JsonMap) -> Identity:
    """The identity of any object that has apiVersion, kind and metadata."""
    group, _, version = str(value["apiVersion"]).rpartition("/")
    metadata = metadata_of(value)
    return Identity(
        group if version else "", str(value["kind"]), str(metadata.get("namespace", "")), str(metadata.get("name", ""))
    )
