"""What KMM's webhook refuses of kernel mappings and images."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Problem, quoted
from kmodgate.policy.formats.regexps.go_regexps import BadPattern
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.present import REMOVALS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule


@rule("KMM201")
def literal_and_regexp(review: Review) -> Iterator[Problem]:
    """A kernel mapping has both a literal and a regexp.

    Fix: keep one; for both, write two mappings.
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go.
    """
    for mapping in review.module.literals:
        if mapping.regexp:
            yield mapping.part.problem(
                "regexp", "beside a literal, which excludes it", "keep one, or write two mappings"
            )


@rule("KMM202")
def neither_literal_nor_regexp(review: Review) -> Iterator[Problem]:
    """A kernel mapping has neither a literal nor a regexp, or both are empty.

    Fix: give a literal for one kernel, or a regexp for a family of kernels.
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go.
    """
    for mapping in review.module.mappings:
        if not mapping.literal and not mapping.regexp:
            fix = "give literal for one kernel, or regexp for a family of kernels"
            yield Problem(mapping.part.path, "neither literal nor regexp is given", fix)


@rule("KMM203")
def bad_regexp(review: Review) -> Iterator[Problem]:
    """The regexp of a kernel mapping is none that Go can compile.

    Look-around, backreferences, possessive quantifiers and `\\Z` are not part of Go's RE2 syntax.

    Fix: write it in RE2 syntax: https://github.com/google/re2/wiki/Syntax
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go; regexp/syntax of Go.
    """
    for mapping in review.module.mappings:
        if isinstance(mapping.pattern, BadPattern):
            reason = mapping.pattern.reason
            yield mapping.part.problem("regexp", _why(reason, mapping.regexp), _correction(reason))


_ESCAPE = lazy_regex(r"invalid escape sequence: \\([A-Za-z])(?![A-Za-z]*\{)")
_NO_LOOK_AROUND = "RE2 has no look-around: say what may match, and put exceptions into mappings before it"
_CORRECTIONS = {
    "no argument for repetition operator": "write before it what is repeated: a dot for any character",
    **{f"perl operator: {operator}": _NO_LOOK_AROUND for operator in ("(?<", "(?=", "(?!")},
    "missing )": "close the bracket, or write \\( for a bracket of the text",
    "missing ]": "close the class, or write \\[ for a bracket of the text",
    "unexpected )": "open the bracket, or write \\) for a bracket of the text",
}


def _correction(reason: str) -> str:
    if escape := _ESCAPE.search(reason):
        return f"write {'$' if escape[1] == 'Z' else escape[1]} for \\{escape[1]}"
    known = next((fix for words, fix in _CORRECTIONS.items() if words in reason), "")
    return known or "KMM matches with Go's RE2 syntax; correct the expression, and escape what is meant literally"


def _why(reason: str, regexp: str) -> str:
    """The reason, with the expression if RE2 has not put it there already."""
    return reason if regexp in reason else f"{reason}: {quoted(regexp)}"


@rule("KMM204")
def no_image(review: Review) -> Iterator[Problem]:
    """A kernel mapping without an image, and none at the container that could stand in.

    Fix: give the mapping or the container a containerImage.
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go.
    """
    for mapping in review.module.mappings:
        if not mapping.image:
            cause = "" if "containerImage" in mapping.part.value else "SCH103"
            problem = mapping.part.problem(
                "containerImage", "missing, also at the container", "give one of the two an image"
            )
            yield problem._replace(told_by=cause)


@rule("KMM205", since="2.2")
def image_without_tag(review: Review) -> Iterator[Problem]:
    """An image without a tag or digest.

    KMM looks for a `:` or `@` anywhere, so the port of a registry passes for a tag; IMG101 sees through that.

    Fix: append a tag or a digest.
    Source: validateImageFormat in internal/webhook/module.go.
    """
    made = [(*level.path, "containerImage") for level, _, _ in review.module.single_kernel_images]
    for path, image in review.module.images:
        if ":" not in image and "@" not in image:
            fix = (
                "add a tag with ${KERNEL_FULL_VERSION}"
                if path in made
                else "add a tag that names its version, or a digest"
            )
            yield Problem(path, f"{image} has neither tag nor digest", fix)


@rule("KMM206", needs=REMOVALS)
def list_and_single_removal(review: Review) -> Iterator[Problem]:
    """`inTreeModulesToRemove` beside the deprecated `inTreeModuleToRemove`, on one level or across levels.

    A list counts as given even when it is empty.

    Fix: keep the list, with all modules in it.
    Source: validateModuleLoaderContainerSpec in internal/webhook/module.go.
    """
    container = review.module.container
    for level in review.module.levels:
        has_list, single = "inTreeModulesToRemove" in level.value, level.text("inTreeModuleToRemove")
        if has_list and single:
            yield level.problem("inTreeModuleToRemove", "beside inTreeModulesToRemove", _KEEP_THE_LIST)
        elif level is not container:
            if has_list and container.text("inTreeModuleToRemove"):
                yield level.problem("inTreeModulesToRemove", "the container has inTreeModuleToRemove", _KEEP_THE_LIST)
            elif single and "inTreeModulesToRemove" in container.value:
                yield level.problem("inTreeModuleToRemove", "the container has inTreeModulesToRemove", _KEEP_THE_LIST)


_KEEP_THE_LIST = "use inTreeModulesToRemove everywhere"
