"""DKF: stages that a Dockerfile does not have, and lines that are no instructions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.dockerfiles import Dockerfile, Instruction, copied_from, parse_dockerfile
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.builds.dockerfile import KEY, dockerfile_text

_CONFIG_MAP = ("ConfigMap",)
_PATH = ("data", KEY)
_NEAR = 0.7
"""How alike two names are (difflib's ratio) of which one is a slip of the other."""

_ALIKE = 0.66
"""As `_NEAR`, where two of three letters are right."""

_SHORTEST = 4
"""Letters of a word in small ones that is surely nearer to an instruction than to a program of two or three."""

_INSTRUCTIONS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip


def _dockerfile(review: Review) -> object:
    return review.dockerfile


def _has_text(review: Review) -> bool:
    return dockerfile_text(review.object) is not None


@rule("DKF109", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_dockerfile)
def stage_that_is_not_there(review: Review) -> Iterator[Problem]:
    """`COPY --from` or FROM takes a stage by a name that is nearly the name of one, or a stage that comes later.

    A name that no earlier stage has is an image: the build pulls `docker.io/library/NAME`, and fails.

    Fix: write the name of the stage.
    Source: Dockerfile reference of Docker, FROM and COPY --from.
    """
    found = review.dockerfile
    if found is None:
        return
    everywhere = [stage.name for stage in found.stages if stage.name]
    for name, line, earlier in _taken(found):
        if name.isdigit():
            if int(name) >= len(earlier):
                yield Problem(_PATH, f"there is no stage {name} before this one", "correct the number", line=line)
        elif near := _meant(name, [stage for stage in earlier if stage], everywhere):
            how = "comes later" if near == name else f"is {near}"
            message = f"no stage before this one is called {name}; the stage {how}"
            fix = "move that stage up" if near == name else f"write {near}"
            yield Problem(_PATH, message, fix, line=line)


def _taken(dockerfile: Dockerfile) -> Iterator[tuple[str, int, list[str]]]:
    """The names that stages take others by, in small letters, with their lines and the stages before."""
    earlier: list[str] = []
    for stage in dockerfile.stages:
        if not stage.image.isdigit():
            yield stage.image.lower(), stage.line, list(earlier)
        for item in stage.instructions:
            for name, line in copied_from(item):
                yield name.lower(), line, list(earlier)
        earlier.append(stage.name)


def _meant(name: str, earlier: Collection[str], everywhere: Collection[str]) -> str:
    """The stage that a name means that is none before it; empty where it is one, or an image."""
    if name in earlier or not name.replace("-", "").replace("_", "").isalnum() or name == "scratch":
        return ""
    if name in everywhere:
        return name
    return next(iter(get_close_matches(name, earlier, n=1, cutoff=_NEAR)), "")


@rule("DKF110", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_dockerfile)
def no_instruction(review: Review) -> Iterator[Problem]:
    """A line of a Dockerfile that begins with no instruction, or an instruction before the first FROM.

    Most often the line before has lost the backslash at its end. The build ends there, before anything is done.

    Fix: end the line before with a backslash, or correct the instruction.
    Source: Dockerfile reference of Docker; the parser of BuildKit, which kaniko uses, too.
    """
    found = review.dockerfile
    if found is None or not found.stages:
        return
    for item in (*found.head, *(item for stage in found.stages for item in stage.instructions)):
        word = item.keyword
        if word not in _INSTRUCTIONS:
            near = _meant_instruction(review, item)
            fix = f"did you mean {near}?" if near else f"end the line before with {found.escape}, or remove this one"
            yield Problem(_PATH, f"{word[:40]!r} is no instruction", fix, line=item.line)
            return
        if word != "ARG" and item in found.head:
            yield Problem(_PATH, f"{word} stands before the first FROM", "write it below a FROM", line=item.line)
            return


def _meant_instruction(review: Review, item: Instruction) -> str:
    """The instruction that a word means; empty for one in small letters that may be a program, such as `cd` or `tar`.

    People write instructions in capitals: there one letter that is wrong, or two that changed places, are enough.
    """
    text = dockerfile_text(review.object) or ""
    written = text.split("\n")[item.line - 1].split()[0]
    if written.islower() and (len(written) < _SHORTEST or item.keyword.startswith(_INSTRUCTIONS)):
        return ""
    near = get_close_matches(item.keyword, _INSTRUCTIONS, n=1, cutoff=_NEAR if written.islower() else _ALIKE)
    return next(iter(near), "")


@rule("DKF112", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_has_text)
def no_stage(review: Review) -> Iterator[Problem]:
    """A Dockerfile without FROM, or an empty one: every build with it fails before anything is done.

    A text that begins no line with an instruction is no Dockerfile, and is passed over. In a fleet an empty file is an
    error of its own (REF003).

    Fix: begin it with the image to build in: `FROM image`.
    Source: Dockerfile reference of Docker, FROM.
    """
    text = dockerfile_text(review.object)
    if text is None or not (review.cluster.is_any or text.strip()):  # an empty file of a fleet is an error by itself
        return
    found = review.dockerfile or parse_dockerfile(text)
    words = [item.keyword for item in found.head]
    near = next((item for item in found.head if get_close_matches(item.keyword, ["FROM"], cutoff=_NEAR)), None)
    if found.stages or not (near or not words or set(words).intersection(_INSTRUCTIONS)):
        return
    if near is not None:
        yield Problem(_PATH, f"there is no FROM, and {near.keyword} is no instruction", "write FROM", line=near.line)
    else:
        what = "a Dockerfile without FROM" if words else "an empty Dockerfile"
        yield Problem(_PATH, f"{what}: no build can begin", "begin with FROM and the image to build in", line=1)
