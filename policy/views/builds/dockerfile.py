"""The Dockerfile of a ConfigMap, and what its RUN instructions call."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.dockerfiles import Dockerfile, Instruction, Line, parse_dockerfile
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.part import Map, map_in

KEY = "dockerfile"
"""The key of a ConfigMap under which KMM reads a Dockerfile."""

BUILD_ARGUMENTS = ("KERNEL_VERSION", "KERNEL_FULL_VERSION", "MOD_NAME", "MOD_NAMESPACE", "DTK_AUTO")
"""The build arguments that KMM sets itself. Source: internal/buildsign/resource of Kernel Module Management."""

_LONGEST = 256 << 10
"""Characters of a Dockerfile that is still read; the longest known has some thousand."""

_LONGEST_KEPT = 8 << 10
"""Characters of a Dockerfile that is kept for the next question; who sends longer ones does not fill the memory."""

_FLAGS = lazy_regex(r"\s*(?:--[a-z]+(?:=\S+)?\s+)*")
_WORDS = lazy_regex(
    r"(?P<word>(?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|\$\{[^}]{0,256}\}|\\.|[^\s;|&()<>\"'`#$\\]|(?<=\S)#|\$(?!\())+)"
    r"|(?P<end>\$?\(|[;|&)`\n]+)|(?P<comment>#[^\n]*)|.",
    re.DOTALL,
)
_PREFIX = lazy_regex(r"[A-Za-z_]\w*=.*|sudo|env|exec|time|nice|command|then|do|else|if|while|!|\{", re.DOTALL)


SUBSTITUTION = "$("
"""The last word of a command that goes on with the output of another one: what follows that is not told."""


@dataclass(frozen=True, slots=True)
class Command:
    """One call of a program in a RUN: its words without quotes, and the line where it begins."""

    words: tuple[str, ...]
    line: int

    @property
    def program(self) -> str:
        """The name of the program without its folder."""
        return self.words[0].rpartition("/")[2]


def dockerfile_of(config_map: Map) -> Dockerfile | None:
    """Return the Dockerfile that a ConfigMap holds for KMM; None where it holds none, or one too long to be read."""
    text = dockerfile_text(config_map)
    if text is None or "FROM" not in text.upper():
        return None
    return _parsed(text) if len(text) <= _LONGEST_KEPT else parse_dockerfile(text)


@lru_cache(maxsize=64)
def _parsed(text: str) -> Dockerfile:
    """Several rules ask for a Dockerfile, of several clusters and of the Modules that are built from it."""
    return parse_dockerfile(text)


def dockerfile_text(config_map: Map) -> str | None:
    """Return the text that a ConfigMap holds where KMM reads a Dockerfile; None where it is none, or too long."""
    text = map_in(config_map, "data").get(KEY)
    return text if type(text) is str and len(text) <= _LONGEST else None


def script(item: Instruction) -> tuple[str, list[int], list[int]]:
    """Return what a shell is given by a RUN as one text, with the places where its lines begin and their numbers."""
    parts = item.lines
    first = parts[0].text
    parts = (Line(parts[0].number, first[_end_of_flags(first) :]), *parts[1:])
    text, starts, numbers = "", [], []
    for index, part in enumerate((*parts, *item.heredocs)):
        if index >= len(parts):
            text += "\n"  # lines of a here-document are commands of their own
        starts.append(len(text))
        numbers.append(part.number)
        text += part.text
    return text, starts, numbers


def calls(dockerfile: Dockerfile, program: str) -> Iterator[Command]:
    """Yield the calls of one program in all RUN instructions."""
    for stage in dockerfile.stages:
        for item in stage.instructions:
            if item.keyword == "RUN" and item.may_hold(program):
                yield from (command for command in commands(item) if command.program == program)


def commands(item: Instruction) -> Iterator[Command]:
    """Yield the programs that a RUN calls, those in `$(…)` too, as far as its text shows them."""
    text, starts, numbers = script(item)
    words: list[str] = []
    place = 0
    for match in _WORDS.finditer(_without_list(text)):
        if match["word"]:
            if not words:
                place = match.start()
            if words or not _PREFIX.fullmatch(match["word"]):
                words.append(match["word"].strip("\"'"))
        elif match["end"] and words:
            words += [SUBSTITUTION] if match["end"].startswith(("$(", "`")) else []
            yield Command(tuple(words), numbers[bisect_right(starts, place) - 1])
            words = []
    if words:
        yield Command(tuple(words), numbers[bisect_right(starts, place) - 1])


def _end_of_flags(text: str) -> int:
    match = _FLAGS.match(text)
    return match.end() if match else 0


def _without_list(text: str) -> str:
    """The JSON form of a RUN, `["depmod", "-a"]`, with spaces for what is not a word, which keeps all places."""
    return re.sub(r"[\[\],]", " ", text) if text.lstrip().startswith("[") and text.rstrip().endswith("]") else text
