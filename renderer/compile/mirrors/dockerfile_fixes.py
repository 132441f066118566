"""How a Dockerfile can name an image by a build argument of its own, so that `render` can give it the mirror's name.

Docker fills variables in FROM and not in `COPY --from` or `RUN --mount`: those need a stage that begins with the image.
KMM fills no variable in the value of a build argument, so that a tag with the version of the kernel stays in the FROM.

Source: the Dockerfile reference of Docker (ARG before FROM, COPY --from); internal/buildsign/resource of Kernel Module
Management.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count

from kmodgate.policy.formats.dockerfiles import Dockerfile, declared
from kmodgate.policy.views.builds.base_images import BaseImage
from kmodgate.policy.views.builds.dockerfile import BUILD_ARGUMENTS


class FreeNames:
    """Names for arguments and their stages that a Dockerfile and its build do not use yet, one for each image."""

    def __init__(self, dockerfile: Dockerfile, given: Collection[str]) -> None:
        self._taken = {name.lower() for name in (*_names(dockerfile), *given, *BUILD_ARGUMENTS)}
        self._of_images: dict[str, str] = {}

    def name(self, image: str) -> str:
        """Return the name of the argument for an image; in small letters it is free for a stage, too."""
        if image not in self._of_images:
            names = ("BASE" if number == 1 else f"BASE_{number}" for number in count(1))
            self._of_images[image] = next(name for name in names if name.lower() not in self._taken)
            self._taken.add(self._of_images[image].lower())
        return self._of_images[image]


def fix(base: BaseImage, image: str, names: FreeNames) -> str:
    """Return what to write so that an argument names the image; `image` has its variables filled."""
    value, rest = _split(image)
    name = names.name(value)
    declares = f"write ARG {name}={value} before the first FROM"
    use = f"${{{name}}}{rest}"
    if base.is_copied:
        return f"{declares}, FROM {use} AS {name.lower()} above this stage, and from={name.lower()} here"
    return f"{declares}, and {use} here"


def _split(image: str) -> tuple[str, str]:
    """The part of an image without variables, and what follows it: its tag, or all after the last whole component."""
    known, dollar, _ = image.partition("$")
    if not dollar:
        return image, ""
    end = max(known.rfind(":"), known.rfind("/"), known.rfind("@"))
    return image[:end], image[end:]


def _names(dockerfile: Dockerfile) -> Iterator[str]:
    """Every name that a Dockerfile declares or calls a stage or an image by."""
    instructions = [*dockerfile.head, *(item for stage in dockerfile.stages for item in stage.instructions)]
    yield from (name for item in instructions if item.keyword in ("ARG", "ENV") for name, _ in declared(item))
    for stage in dockerfile.stages:
        yield from (stage.name, stage.image)
