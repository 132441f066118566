"""The images that a Dockerfile names: those that stages begin with, and those that are copied from or mounted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from kmodgate.policy.formats.dockerfiles import Dockerfile, Variable, copied_from, variables

_DEEPEST = 8
"""Arguments whose defaults name arguments again."""


class BaseImage(NamedTuple):
    """An image as a Dockerfile names it, with its line.

    `is_copied` is whether it is not in a FROM: there alone Docker fills variables in.
    """

    written: str
    line: int
    is_copied: bool


def base_images(dockerfile: Dockerfile) -> Iterator[BaseImage]:
    """Yield the images of registries that a Dockerfile begins a stage with, copies from or mounts."""
    names = {"scratch", ""}
    for stage in dockerfile.stages:
        if stage.image.lower() not in names:
            yield BaseImage(stage.image, stage.line, is_copied=False)
        for item in stage.instructions:
            for image, line in copied_from(item):
                if image.lower() not in names and not image.isdigit():
                    yield BaseImage(image, line, is_copied=True)
        names.add(stage.name)


def filled(image: str, uses: list[Variable], values: Mapping[str, str], open_names: Collection[str] = ()) -> str:
    """Return an image with its variables filled; empty where one has no value that is known.

    Variables of `open_names`, which are known at the build only, stay as they are written.
    """
    return _filled(image, uses, values, open_names, _DEEPEST)


def _filled(text: str, uses: list[Variable], values: Mapping[str, str], open_names: Collection[str], depth: int) -> str:
    result, end = "", 0
    for item in uses:
        written = length(item, text)
        value = values.get(item.name) or (item.rest[2:] if item.rest.startswith(":-") else "")
        if item.name in open_names:
            value = text[item.start : item.start + written]
        elif "$" in value:
            inner = list(variables(value)) if depth else []
            value = _filled(value, inner, values, open_names, depth - 1) if inner else ""
        if not value:
            return ""
        result += text[end : item.start] + value
        end = item.start + written
    return result + text[end:]


def length(use: Variable, text: str) -> int:
    """Return how many characters a variable has in a text, its dollar sign and braces included."""
    return 1 + (len(use.name) + len(use.rest) + 2 if text[use.start + 1] == "{" else len(use.name))
