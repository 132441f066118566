"""One view of an object, read once a review and shared by all rules: they never walk the object themselves.

Parts of another shape than the schema allows read as empty: the structural rules report them, and the others go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policy.findings import FieldPath, Problem
from policy.patterns import BadPattern, Pattern, compile_pattern

Map = Mapping[str, Any]

EMPTY: Map = {}


class Part:
    """A map of the object and where it stands.

    Made by the hundred for every review, and most of them are sound: where one stands is worked out when it is asked.
    """

    __slots__ = ("_parent", "_path", "_steps", "value")

    def __init__(self, parent: Part | None, steps: FieldPath, value: Map) -> None:
        self._parent = parent
        self._steps = steps
        self._path: FieldPath | None = None
        self.value = value

    @property
    def path(self) -> FieldPath:
        if self._path is None:
            self._path = self._steps if self._parent is None else self._parent.path + self._steps
        return self._path

    def text(self, key: str) -> str:
        """A string of the map; empty where it is missing or something else."""
        value = self.value.get(key)
        return value if type(value) is str else ""

    def map(self, key: str) -> Part:
        """The map below a key, empty where there is none."""
        value = self.value.get(key)
        return Part(self, (key,), value if type(value) is dict else EMPTY)

    def optional(self, key: str) -> Part | None:
        """The map below a key, or None where there is none."""
        value = self.value.get(key)
        return Part(self, (key,), value) if type(value) is dict else None

    def maps(self, key: str) -> list[Part]:
        """The maps in the list below a key."""
        value = self.value.get(key)
        if type(value) is not list:
            return []
        return [Part(self, (key, index), item) for index, item in enumerate(value) if type(item) is dict]

    def texts(self, key: str) -> list[tuple[FieldPath, str]]:
        """The strings in the list below a key, with their paths."""
        value = self.value.get(key)
        if type(value) is not list:
            return []
        path = (*self.path, key)
        return [((*path, index), item) for index, item in enumerate(value) if type(item) is str]

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
        root = Part(None, (), object)
        self.metadata = root.map("metadata")
        self.spec = root.map("spec").map("moduleSpec") if self.is_hub else root.map("spec")
        self.loader = self.spec.optional("moduleLoader")
        self.container = self.loader.map("container") if self.loader else Part(self.spec, (), EMPTY)
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

    @cached_property
    def images(self) -> list[tuple[FieldPath, str]]:
        """Every place of the loader that names an image, as it is written; empty ones are left out."""
        return _named(self.levels, "containerImage")

    @cached_property
    def unsigned_images(self) -> list[tuple[FieldPath, str]]:
        return _named(self.signs, "unsignedImage")

    @cached_property
    def pod_images(self) -> list[tuple[FieldPath, str]]:
        return _named(self.containers, "image")

    @cached_property
    def files_to_sign(self) -> list[tuple[FieldPath, str]]:
        return [item for sign in self.signs for item in sign.texts("filesToSign")]

    @cached_property
    def build_arguments(self) -> list[Part]:
        return [argument for build in self.builds for argument in build.maps("buildArgs")]

    @cached_property
    def registries(self) -> list[Part]:
        """The settings of how a registry is reached."""
        return [
            tls
            for parts, key in (
                (self.levels, "registryTLS"),
                (self.builds, "baseImageRegistryTLS"),
                (self.signs, "unsignedImageRegistryTLS"),
            )
            for part in parts
            if (tls := part.optional(key)) is not None
        ]

    @cached_property
    def mounts(self) -> list[tuple[Part, Part]]:
        """The volume mounts of the plugins' containers, each with its plugin."""
        return [
            (plugin, mount)
            for plugin in self.plugins
            for key in ("container", "initContainer")
            for mount in plugin.map(key).maps("volumeMounts")
        ]

    @cached_property
    def to_remove(self) -> list[tuple[Part, list[tuple[FieldPath, str]]]]:
        """The modules of the kernel to remove, by level."""
        return [(level, found) for level in self.levels if (found := level.texts("inTreeModulesToRemove"))]

    @cached_property
    def raw_arguments(self) -> list[tuple[FieldPath, list[str]]]:
        """The argument vectors of modprobe that are given as a whole."""
        raw = self.modprobe.optional("rawArgs")
        if raw is None:
            return []
        return [((*raw.path, key), [text for _, text in raw.texts(key)]) for key in ("load", "unload")]


def _named(parts: list[Part], key: str) -> list[tuple[FieldPath, str]]:
    return [((*part.path, key), image) for part in parts if (image := part.text(key))]


def _mapping(index: int, part: Part, common: str) -> KernelMapping:
    regexp, own = part.text("regexp"), part.text("containerImage")
    pattern = compile_pattern(regexp) if regexp else None
    return KernelMapping(part, index, part.text("literal"), regexp, own, own or common, pattern)
