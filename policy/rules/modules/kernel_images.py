"""MAP: images that are made for one kernel, and named alike for several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kmodgate.policy.findings import FieldPath, Problem, Severity, quoted
from kmodgate.policy.formats.regexps.go_regexps import Pattern, PatternSet
from kmodgate.policy.kmm.kernel import BadKernel, trimmed, variables
from kmodgate.policy.kmm.resolution.substitution import BadTemplate, substitute
from kmodgate.policy.present import MADE
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.modules.mapping import MOST_TOGETHER
from kmodgate.policy.views.kernel_mapping import KernelMapping
from kmodgate.policy.views.module import LONGEST, is_made
from kmodgate.policy.views.part import Part


@rule("MAP205", facts=True, needs=MADE)
def one_image_for_known_kernels(review: Review) -> Iterator[Problem]:
    """An image that is made for one kernel, under a name that two known kernels share.

    An image is made for one kernel where it is built, or where files of one kernel are signed. KMM makes an image of a
    name once: for the first kernel. The others get an image that holds no module for them. Kernels are known from the
    nodes that the Module selects, and from the literals of its mappings.

    Fix: put `${KERNEL_FULL_VERSION}` into the tag.
    Source: internal/mic of Kernel Module Management, which keeps one entry an image name.
    """
    told: set[FieldPath] = set()
    shared = ((level, kernels) for level, _, kernels in _shared_by_kernels(review) if len(kernels) > 1)
    for level, kernels in (*_shared_by_literals(review), *shared):
        if level.path not in told:
            told.add(level.path)
            message = f"one image for {len(kernels)} kernels: {', '.join(kernels[:2])}{', …' if kernels[2:] else ''}"
            yield level.problem("containerImage", message, "put ${KERNEL_FULL_VERSION} into the tag")


@rule("MAP209", facts=True, severity=Severity.WARNING, needs=MADE)
def one_image_for_many_kernels(review: Review) -> Iterator[Problem]:
    """As MAP205, where only one kernel is known that the mapping matches, or none: it works until there is a second.

    Fix: put `${KERNEL_FULL_VERSION}` into the tag, or name the one kernel by `literal`.
    Source: internal/mic of Kernel Module Management, which keeps one entry an image name.
    """
    for level, mapping, kernels in _shared_by_kernels(review):
        if len(kernels) < 2:
            message = f"one image for all kernels that {quoted(mapping.regexp)} matches"
            fix = "put ${KERNEL_FULL_VERSION} into the tag, or name the one kernel by literal"
            cause = "IMG201" if "$" in mapping.image else "KMM205"  # a variable of another name, an image without a tag
            yield level.problem("containerImage", message, fix)._replace(told_by=cause)


def _shared_by_literals(review: Review) -> Iterator[tuple[Part, list[str]]]:
    """The images of one name that mappings of several literals have made, with the level that names each first."""
    common, kernels, levels = is_made(review.module.container), dict[str, set[str]](), dict[str, Part]()
    for mapping in review.module.literals:
        if not (common or is_made(mapping.part)) or "@" in mapping.image or not 0 < len(mapping.image) <= LONGEST:
            continue
        with suppress(BadTemplate, BadKernel):  # other rules say so
            image = substitute(mapping.image, variables(mapping.literal))
            kernels.setdefault(image, set()).add(mapping.literal)
            levels.setdefault(image, mapping.part if mapping.own_image else review.module.container)
    yield from ((levels[image], sorted(found)) for image, found in kernels.items() if len(found) > 1)


def _shared_by_kernels(review: Review) -> Iterator[tuple[Part, KernelMapping, list[str]]]:
    """The images of one name for all kernels of a mapping, with the known kernels that it is for, sorted."""
    module = review.module
    shared = [item for item in module.single_kernel_images if not item[2] & _ANY_PART and "@" not in item[1].image]
    known: dict[str, int] = {mapping.literal: mapping.index for mapping in reversed(module.literals)} if shared else {}
    if shared and review.placement.nodes is not None:
        for kernel in map(trimmed, review.placement.kernels):
            known.setdefault(kernel, len(module.mappings))
    regexps = module.regexps[:MOST_TOGETHER] if shared else []
    together = PatternSet([mapping.regexp for mapping in regexps]) if known else None
    for level, mapping, _ in shared:
        yield (
            level,
            mapping,
            sorted(
                item
                for item, index in known.items()
                if index > mapping.index and _is_for(mapping, item, regexps, together)
            ),
        )


def _is_for(mapping: KernelMapping, kernel: str, regexps: list[KernelMapping], together: PatternSet | None) -> bool:
    """Whether a mapping matches a kernel, and no expression before it does."""
    if not isinstance(mapping.pattern, Pattern) or not mapping.pattern.searches(kernel):
        return False
    first = together.first(kernel) if together else None
    return first is None or regexps[first].index >= mapping.index


@rule("MAP206", severity=Severity.WARNING, needs=MADE)
def one_image_for_some_kernels(review: Review) -> Iterator[Problem]:
    """As MAP205, where the name of the image changes with a part of the kernel's version only.

    `${KERNEL_XYZ}` is the same for every update of an enterprise kernel: 5.14.0.

    Fix: put `${KERNEL_FULL_VERSION}` into the tag.
    Source: internal/mic of Kernel Module Management, which keeps one entry an image name.
    """
    for level, mapping, asked in review.module.single_kernel_images:
        if asked & _ANY_PART and not asked & _WHOLE:
            message = f"one image for all updates of a kernel that {quoted(mapping.regexp)} matches"
            yield level.problem("containerImage", message, "put ${KERNEL_FULL_VERSION} into the tag")


_WHOLE = {"KERNEL_FULL_VERSION", "KERNEL_VERSION"}
_ANY_PART = _WHOLE | {"KERNEL_XYZ", "KERNEL_X", "KERNEL_Y", "KERNEL_Z"}
