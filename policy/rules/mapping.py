"""MAP: kernel mappings that match more, less or later than their author meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policy.engine import Review, rule
from policy.findings import Problem, Severity
from policy.kept import kept
from policy.patterns import Pattern
from policy.views import KernelMapping

_EVERYTHING = {"^", "$", ".*", "^.*", ".*$", "^.*$", ".+", "^.+", ".+$", "^.+$", "(.*)", "^(.*)$", "^(.+)$"}
_CONTROL = re.compile(r"(?<!\\)(?:\\\\)*\\[afnrtv]")
_LOOSE_DOT = re.compile(r"(?<![\\\[])[0-9]\.[0-9]")

_control = kept(_CONTROL.search)
_loose_dot = kept(_LOOSE_DOT.search)


@rule("MAP101", needs="module.literals")
def literal_that_never_matches(review: Review) -> Iterator[Problem]:
    """A literal that ends in `+`.

    KMM cuts one trailing `+` from the kernel version of a node before it compares.

    Fix: write the literal without it.
    Source: internal/controllers/module_reconciler.go of Kernel Module Management.
    """
    for mapping in review.module.literals:
        if mapping.literal.endswith("+"):
            fix = f"write {mapping.literal.rstrip('+')!r}"
            yield mapping.part.problem("literal", f"{mapping.literal!r} matches no kernel: KMM cuts the last +", fix)


@rule("MAP102", needs="module.regexps")
def control_character_in_regexp(review: Review) -> Iterator[Problem]:
    """A regexp that asks for a control character: `\\f`, `\\n`, `\\t`, `\\v`, `\\r` or `\\a`.

    `\\fc37` is a form feed and `c37`. No kernel version has one, so the mapping never matches.

    Fix: write the letter without the backslash.
    Source: regexp/syntax of Go.
    """
    for mapping in review.module.regexps:
        if found := _control(mapping.regexp):
            escape = found[0][-2:]
            fix = f"write {escape[-1]} for {escape}"
            yield mapping.part.problem("regexp", f"{escape} is a control character, and no kernel has one", fix)


@rule("MAP201", severity=Severity.INFO, needs="module.regexps")
def match_all(review: Review) -> Iterator[Problem]:
    """A mapping that matches every kernel.

    It is also used for kernels that nobody has built or tested the driver for, such as the one after the next upgrade.

    Fix: name the kernels that the image is for, or keep it on purpose.
    Source: kernel mapper of Kernel Module Management.
    """
    for mapping in review.module.regexps:
        if mapping.regexp in _EVERYTHING:
            yield mapping.part.problem("regexp", "matches every kernel", "name the kernels that the image is for")


@rule("MAP202", severity=Severity.WARNING, needs="module.regexps")
def unanchored_regexp(review: Review) -> Iterator[Problem]:
    """A kernel regexp without anchors matches more kernels than it seems to.

    KMM searches the kernel version, it does not match it in full: `4.18` also selects `5.4.180`. The first mapping that
    matches wins, so a loose one also hides the mappings after it.

    Fix: write `^…$` around the expression.
    Source: kernel mapper of Kernel Module Management; Regexp.FindString of Go.
    """
    for mapping in review.module.regexps:
        text = mapping.regexp
        if not _is_anchored(text) and text not in _EVERYTHING:
            message = f"{text!r} is not anchored, and may match elsewhere"
            yield mapping.part.problem("regexp", message, f"write '{_anchored(text)}'")


@kept
def _is_anchored(text: str) -> bool:
    start = text.startswith(("^", r"\A", ".*", "(?i)^"))
    end = text.endswith(("$", r"\z", ".*", ".+")) and not text.endswith(r"\$")
    return start and end and not ("|" in text and not text.startswith(("^(", r"\A(")))


def _anchored(text: str) -> str:
    body = text.removeprefix("^").removesuffix("$")
    if "|" in body:
        return f"^({body})$"
    return f"^{body}$" if body != text else f"^.*{body}.*$"


@rule("MAP203", severity=Severity.INFO, needs="module.regexps")
def unescaped_dot(review: Review) -> Iterator[Problem]:
    """A dot between digits that is not escaped, so that it stands for any character.

    Fix: write `\\.` for a dot.
    Source: RE2 syntax.
    """
    for mapping in review.module.regexps:
        if found := _loose_dot(mapping.regexp):
            wanted = found[0].replace(".", r"\.")
            yield mapping.part.problem("regexp", f"the dot in {found[0]} stands for any character", f"write {wanted}")


@rule("MAP204", severity=Severity.WARNING, needs="module.mappings")
def unreachable(review: Review) -> Iterator[Problem]:
    """A mapping that never wins: another one before it matches every kernel that it matches.

    Found are equal mappings, mappings after one that matches everything, and literals that an earlier regexp matches.

    Fix: put the more specific mapping first, or remove the one that is never used.
    Source: kernel mapper of Kernel Module Management, which takes the first match.
    """
    seen: dict[tuple[str, str], int] = {}
    everything: int | None = None
    for mapping in review.module.mappings:
        key = (mapping.literal, mapping.regexp)
        winner = everything if everything is not None else seen.get(key)
        if winner is None and mapping.literal:
            winner = _matching(review.module.regexps, mapping)
        if winner is not None:
            message = f"never used: mapping {winner} matches first"
            yield Problem(mapping.part.path, message, "put the more specific mapping first, or remove this one")
        seen.setdefault(key, mapping.index)
        if everything is None and mapping.regexp in _EVERYTHING:
            everything = mapping.index


def _matching(regexps: list[KernelMapping], of: KernelMapping) -> int | None:
    """The index of an earlier mapping whose expression matches a literal."""
    for mapping in regexps[:100]:  # more are no work of a person
        if mapping.index > of.index:
            return None
        if isinstance(mapping.pattern, Pattern) and mapping.pattern.searches(of.literal):
            return mapping.index
    return None


@rule("MAP205", needs="module.single_kernel_images")
def one_image_for_many_kernels(review: Review) -> Iterator[Problem]:
    """A mapping with a regexp whose image is made for one kernel, and whose name is the same for every kernel.

    That is an image that is built, or of which files of one kernel are signed. KMM makes an image of a name once: for
    the first kernel. All others get an image that holds no module for them.

    Fix: put `${KERNEL_FULL_VERSION}` into the tag.
    Source: internal/mic of Kernel Module Management, which keeps one entry an image name.
    """
    for level, mapping, variables in review.module.single_kernel_images:
        if not variables & _ANY_PART:
            message = f"one image for all kernels that {mapping.regexp!r} matches"
            yield level.problem("containerImage", message, "put ${KERNEL_FULL_VERSION} into the tag")


@rule("MAP206", severity=Severity.WARNING, needs="module.single_kernel_images")
def one_image_for_some_kernels(review: Review) -> Iterator[Problem]:
    """As MAP205, where the name of the image changes with a part of the kernel's version only.

    `${KERNEL_XYZ}` is the same for every update of an enterprise kernel: 5.14.0.

    Fix: put `${KERNEL_FULL_VERSION}` into the tag.
    Source: internal/mic of Kernel Module Management, which keeps one entry an image name.
    """
    for level, mapping, variables in review.module.single_kernel_images:
        if variables & _ANY_PART and not variables & _WHOLE:
            message = f"one image for all updates of a kernel that {mapping.regexp!r} matches"
            yield level.problem("containerImage", message, "put ${KERNEL_FULL_VERSION} into the tag")


_WHOLE = {"KERNEL_FULL_VERSION", "KERNEL_VERSION"}
_ANY_PART = _WHOLE | {"KERNEL_XYZ", "KERNEL_X", "KERNEL_Y", "KERNEL_Z"}
