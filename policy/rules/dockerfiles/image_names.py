"""DKF: what FROM and `--from` name that is no image."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.dockerfiles import Stage
from kmodgate.policy.formats.image_references import corrected, oddity, parse_image
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.builds.base_images import base_images
from kmodgate.policy.views.builds.dockerfile import KEY

_PATH = ("data", KEY)
_FORM = "write the name of an image: registry.example.com/team/image:1.0"
_VARIABLE = lazy_regex(r"\$(?:\{[^}]*\}|\w+)")
_VALUES = ("v", "v:v", "v/v", "v.v/v:v", f"sha256:{'0' * 64}", "")
"""What a variable may stand for: a word, a name with its tag, with its registry, a digest, nothing."""


@rule("DKF113", kinds=("ConfigMap",), severity=Severity.WARNING, needs=lambda review: review.dockerfile)
def no_image(review: Review) -> Iterator[Problem]:
    """FROM, `COPY --from` or `RUN --mount=from` names what is not the name of an image.

    That is a name with a capital in its path, with an empty tag or a space in it, or a FROM with words after the image
    that are not `AS name`. The build ends there. A variable may stand for anything.

    Fix: correct the name, as the message says.
    Source: Dockerfile reference of Docker, FROM; github.com/distribution/reference.
    """
    found = review.dockerfile
    if found is None:
        return
    for stage in found.stages:
        if not stage.image:
            yield _words(stage)
    stages = [stage.name for stage in found.stages if stage.name]
    for image, line, is_copied in base_images(found):
        name = image.strip("\"'")
        if "\\" in name or (is_copied and "$" in name) or _is_stage(name, stages) or _may_be_image(name):
            continue
        better, why = corrected(name), oddity(name)
        fix = f"write {better}" if better else _tagless(name)
        yield Problem(_PATH, f"{name!r} is not the name of an image{f': {why}' if why else ''}", fix, line=line)


def _is_stage(name: str, stages: list[str]) -> bool:
    """Whether a name without a registry or tag is that of a stage, or nearly so: that is another rule's finding."""
    return name.isidentifier() and bool(get_close_matches(name.lower(), stages, n=1, cutoff=0.7))


def _may_be_image(text: str) -> bool:
    """Whether a text is the name of an image, for some values of its variables."""
    if parse_image(text) is not None:
        return True
    uses = list(_VARIABLE.finditer(text))
    return any(
        parse_image(text[: use.start()] + value + text[use.end() :]) is not None for use in uses for value in _VALUES
    )


def _tagless(name: str) -> str:
    """The fix of a name that no other spelling corrects."""
    bare = name.rstrip(":@")
    return f"write a tag after the colon, or {bare} alone" if bare != name and parse_image(bare) else _FORM


def _words(stage: Stage) -> Problem:
    """The problem of a FROM without an image, or with words that it cannot have."""
    words = [word for word in stage.opening.text.split() if not word.startswith("--")]
    if not words:
        return Problem(_PATH, "FROM names no image", _FORM, line=stage.line)
    message = "FROM takes one image, and after it nothing but AS and a name"
    if len(words) == 1:
        options = (word for word in stage.opening.text.split() if word.startswith("--"))
        return Problem(_PATH, message, f"write FROM {' '.join(options)} {words[0]}", line=stage.line)
    if "#" in (rest := [word[0] for word in words[1:]]):
        fix = f"write the comment on a line of its own, and here FROM {' '.join(words[: rest.index('#') + 1])}"
        return Problem(_PATH, message, fix, line=stage.line)
    joined = "".join(words)
    is_split = words[0].endswith((":", "/", "@")) or words[1][0] in ":/@"
    fix = f"write FROM {joined}" if is_split and _may_be_image(joined) else _two(words)
    return Problem(_PATH, message, fix, line=stage.line)


def _two(words: list[str]) -> str:
    """The fix for a FROM whose words are more than an image: most often AS is missing."""
    if len(words) == 2 and words[1].upper() != "AS":
        return f"write FROM {words[0]} AS {words[1]}" if words[1][0].isalpha() else f"write FROM {words[0]}"
    return "remove what follows the image, or write AS and one name"
