"""The texts of an object whose kind has no view of its own, and which of them name images."""

from __future__ import annotations

from typing import Any, NamedTuple

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.views.part import Map, map_in

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
