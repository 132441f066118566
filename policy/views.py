"""One view of an object, read once a review and shared by all rules: they never walk the object themselves.

Parts of another shape than the schema allows read as empty: the structural rules report them, and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policy.findings import FieldPath, Problem
from policy.patterns import BadPattern, Pattern, compile_pattern

Map = Mapping[str, Any]

EMPTY: Map = {}


@dataclass(frozen=True, slots=True)
class Part:
    """A map of the object and where it stands."""

    path: FieldPath
    value: Map

    def text(self, key: str) -> str:
        """A string of the map; empty where it is missing or something else."""
        value = self.value.get(key)
        return value if type(value) is str else ""

    def map(self, key: str) -> Part:
        value = self.value.get(key)
        return Part((*self.path, key), value if type(value) is dict else EMPTY)

    def optional(self, key: str) -> Part | None:
        """The map below a key, or None where there is none."""
        value = self.value.get(key)
        return Part((*self.path, key), value) if type(value) is dict else None

    def maps(self, key: str) -> list[Part]:
        """The maps in the list below a key."""
        value = self.value.get(key)
        if type(value) is not list:
            return []
        return [Part((*self.path, key, index), item) for index, item in enumerate(value) if type(item) is dict]

    def texts(self, key: str) -> list[tuple[FieldPath, str]]:
        """The strings in the list below a key, with their paths."""
        value = self.value.get(key)
        if type(value) is not list:
            return []
        return [((*self.path, key, index), item) for index, item in enumerate(value) if type(item) is str]

    def problem(self, key: str, message: str, fix: str) -> Problem:
        """Something that is wrong with a field of the map."""
        return Problem((*self.path, key), message, fix)


@dataclass(frozen=True, slots=True)
class KernelMapping:
    """One kernel mapping; `pattern` is None where it has no regexp, and `image` is the one it ends up with."""

    part: Part
    index: int
    literal: str
    regexp: str
    own_image: str
    image: str
    pattern: Pattern | BadPattern | None


class ModuleView:
    """A Module, or the Module that a ManagedClusterModule makes on its spokes (`is_hub`)."""

    def __init__(self, object: Map) -> None:
        self.is_hub = object.get("kind") == "ManagedClusterModule"
        root = Part((), object)
        self.metadata = root.map("metadata")
        self.spec = root.map("spec").map("moduleSpec") if self.is_hub else root.map("spec")
        self.loader = self.spec.optional("moduleLoader")
        self.container = self.loader.map("container") if self.loader else Part(self.spec.path, EMPTY)
        self.modprobe = self.container.map("modprobe")

    @cached_property
    def mappings(self) -> list[KernelMapping]:
        common = self.container.text("containerImage")
        return [_mapping(index, part, common) for index, part in enumerate(self.container.maps("kernelMappings"))]

    @cached_property
    def levels(self) -> list[Part]:
        """Where build, sign and registryTLS may stand: the container, then each mapping."""
        return [self.container, *(mapping.part for mapping in self.mappings)]

    @cached_property
    def signs(self) -> list[Part]:
        return [sign for level in self.levels if (sign := level.optional("sign")) is not None]

    @cached_property
    def builds(self) -> list[Part]:
        return [build for level in self.levels if (build := level.optional("build")) is not None]

    @cached_property
    def plugins(self) -> list[Part]:
        """What runs beside the loader: the device plugin or the DRA driver."""
        return [part for key in ("devicePlugin", "dra") if (part := self.spec.optional(key)) is not None]

    @cached_property
    def containers(self) -> list[Part]:
        """The containers and init containers of the plugins."""
        return [
            container
            for plugin in self.plugins
            for key in ("container", "initContainer")
            if (container := plugin.optional(key)) is not None
        ]

    @cached_property
    def volumes(self) -> list[Part]:
        return [volume for plugin in self.plugins for volume in plugin.maps("volumes")]

    @cached_property
    def tolerations(self) -> list[Part]:
        return self.spec.maps("tolerations")

    @cached_property
    def dir_name(self) -> str:
        return self.modprobe.text("dirName")

    def images(self) -> Iterator[tuple[FieldPath, str]]:
        """Every place of the loader that names an image, as it is written; empty ones are left out."""
        for level in self.levels:
            if image := level.text("containerImage"):
                yield (*level.path, "containerImage"), image


def _mapping(index: int, part: Part, common: str) -> KernelMapping:
    regexp, own = part.text("regexp"), part.text("containerImage")
    pattern = compile_pattern(regexp) if regexp else None
    return KernelMapping(part, index, part.text("literal"), regexp, own, own or common, pattern)
