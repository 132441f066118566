"""The base images of a build → the build arguments by which it takes them from mirrors.

The pod that builds asks registries by itself: kaniko knows nothing of the mirrors of the nodes. So the names have to be
those of the mirror, and build arguments are how a Dockerfile can be told another name.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import field

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.dockerfiles import Dockerfile, Variable, variables
from kmodgate.policy.formats.image_mirrors import Mirror, Pulled, pulled
from kmodgate.policy.views.builds.base_images import BaseImage, base_images, filled, length
from kmodgate.policy.views.builds.dockerfile import BUILD_ARGUMENTS
from kmodgate.renderer.compile.mirrors.dockerfile_fixes import FreeNames, fix


@dataclass(frozen=True, slots=True)
class Fixed:
    """An image that no argument can move to its mirror: its line, and what to write in the Dockerfile."""

    image: str
    line: int
    mirror: Mirror
    fix: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments with new values, each with its mirror; and the images that no argument can move."""

    values: Mapping[str, Pulled] = field(default_factory=dict)
    fixed: tuple[Fixed, ...] = ()


@dataclass(frozen=True, slots=True)
class _Base:
    """An image of the Dockerfile with its variables, its name as it is now, and the one on the mirror."""

    image: BaseImage
    uses: list[Variable]
    now: str
    wanted: Pulled | None

    @property
    def name(self) -> str:
        return self.now if self.wanted is None else self.wanted.reference


def arguments(dockerfile: Dockerfile, given: Mapping[str, str], mirrors: tuple[Mirror, ...]) -> Arguments:
    """Return the arguments that make a build take its images from mirrors, and what remains.

    An argument changes only where every image of the Dockerfile then is the one that is wanted.
    """
    values = ChainMap[str, str](dict(given), dockerfile.arguments)
    bases = list(_bases(dockerfile, values, mirrors))
    found: dict[str, Pulled] = {}
    for base in bases:
        if base.wanted is None or _filled(base, ChainMap(_texts(found), *values.maps)) == base.name:
            continue
        for candidate in _candidates(base, base.wanted, values):
            if any("$" in item.reference for item in candidate.values()):
                continue  # nobody fills the value of an argument
            tried = {**found, **candidate}
            new = ChainMap(_texts(tried), *values.maps)
            if _filled(base, new) == base.name and all(_filled(item, new) in (item.now, item.name) for item in bases):
                found = tried
                break
    new = ChainMap(_texts(found), *values.maps)
    names = FreeNames(dockerfile, given)
    return Arguments(
        found,
        tuple(
            Fixed(item.now, item.image.line, item.wanted.mirror, fix(item.image, item.now, names))
            for item in bases
            if item.wanted is not None and _filled(item, new) != item.name
        ),
    )


def _bases(dockerfile: Dockerfile, values: Mapping[str, str], mirrors: tuple[Mirror, ...]) -> Iterator[_Base]:
    for image in base_images(dockerfile):
        uses = list(variables(image.written, dockerfile.escape))
        now = filled(image.written, uses, values, BUILD_ARGUMENTS)
        if now and not now.startswith("$"):  # the driver toolkit is none of the author's images
            yield _Base(image, uses, now, pulled(now, mirrors))


def _filled(base: _Base, values: Mapping[str, str]) -> str:
    return filled(base.image.written, base.uses, values, BUILD_ARGUMENTS)


def _texts(found: Mapping[str, Pulled]) -> dict[str, str]:
    return {name: item.reference for name, item in found.items()}


def _candidates(base: _Base, wanted: Pulled, values: Mapping[str, str]) -> Iterator[dict[str, Pulled]]:
    """New values for the variable that the image begins with, or for that and the next one."""
    uses, text = base.uses, base.image.written
    if base.image.is_copied or not uses or uses[0].start or uses[0].name in BUILD_ARGUMENTS:
        return
    first = uses[0]
    rest = _tail(base, 1, values)
    if rest is not None and wanted.reference.endswith(rest) and len(wanted.reference) > len(rest):
        yield {first.name: Pulled(wanted.reference.removesuffix(rest), wanted.mirror)}
    if len(uses) > 1 and uses[1].name not in (first.name, *BUILD_ARGUMENTS):
        between = text[length(first, text) : uses[1].start]
        rest = _tail(base, 2, values)
        if rest is None or not between or not wanted.reference.endswith(rest):
            return
        left, found, right = wanted.reference.removesuffix(rest).partition(between)
        if found and left and right:
            yield {first.name: Pulled(left, wanted.mirror), uses[1].name: Pulled(right, wanted.mirror)}


def _tail(base: _Base, count: int, values: Mapping[str, str]) -> str | None:
    """What follows the first variables of an image, filled; None where it is not known."""
    last = base.uses[count - 1]
    start = last.start + length(last, base.image.written)
    text = base.image.written[start:]
    uses = [Variable(item.name, item.rest, item.start - start) for item in base.uses[count:]]
    found = filled(text, uses, values, BUILD_ARGUMENTS)
    return None if text and not found else found
