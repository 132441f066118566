"""A part of an object, its path, and safe reads of its fields; and all texts of an object that has no view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kmodgate.policy.findings import FieldPath, Problem

Map = Mapping[str, Any]


EMPTY: Map = {}


def text_in(value: Map, key: str) -> str:
    """The string below a key; empty where it is missing or something else."""
    found = value.get(key)
    return found if type(found) is str else ""


def map_in(value: Map, key: str) -> Map:
    """The map below a key, empty where there is none."""
    found = value.get(key)
    return found if type(found) is dict else EMPTY


def list_in(value: Map, key: str) -> list[Any]:
    """The list below a key, empty where there is none."""
    found = value.get(key)
    return found if type(found) is list else []


def maps_in(value: Map, key: str) -> list[Map]:
    """The maps in the list below a key."""
    found = value.get(key)
    return [item for item in found if type(item) is dict] if type(found) is list else []


class Part:
    """A map of the object and where it stands.

    Made by the hundred for every review, and most of them are sound: where one stands is worked out when it is asked.
    """

    __slots__ = ("_parent", "_steps", "value")

    def __init__(self, parent: Part | None, steps: FieldPath, value: Map) -> None:
        self._parent = parent
        self._steps = steps
        self.value = value

    @property
    def path(self) -> FieldPath:
        if self._parent is not None:  # asked once, it is the way from the root
            self._steps, self._parent = self._parent.path + self._steps, None
        return self._steps

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

    def strings(self, key: str) -> list[str]:
        """The strings in the list below a key."""
        value = self.value.get(key)
        return [item for item in value if type(item) is str] if type(value) is list else []

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


def present(parts: Iterable[Part], key: str) -> list[Part]:
    """Return the maps below a key of those parts that have one there."""
    return [found for part in parts if key in part.value and (found := part.optional(key)) is not None]


TAGGED_BY_KMM = ("kernelModuleImage",)
"""Fields whose image has no tag: KMM appends the kernel version.

Source: BootModuleConfig v1beta1 of rh-ecosystem-edge/kernel-module-management.
"""


class Text(NamedTuple):
    """A text below `spec`, where it stands, and the name of the field that holds it, or the list that it is in."""

    path: FieldPath
    field: str
    value: str

    @property
    def is_image(self) -> bool:
        """Whether the field names an image: `image`, or a name that ends in `Image`."""
        return self.field == "image" or self.field.endswith("Image")


def texts(object: Map) -> list[Text]:
    """Return every text below `spec`, in the order of the fields, however deep it stands."""
    found: list[Text] = []
    rest: list[tuple[FieldPath, str, Any]] = [(("spec",), "", map_in(object, "spec"))]
    while rest:
        path, field, value = rest.pop()
        if isinstance(value, str):
            found.append(Text(path, field, value))
        elif isinstance(value, dict):
            rest += [((*path, str(key)), str(key), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            rest += [((*path, index), field, item) for index, item in reversed(list(enumerate(value)))]
    return found
