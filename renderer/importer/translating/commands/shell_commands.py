"""Commands of containers → the simple commands that they run, as far as a text tells without being run.

A script is read line by line: variables that it sets, loops over written words, and what `sh -c`, `trap` and functions
hold. What depends on the node (`$(lspci …)`) stays as it is written.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from kmodgate.policy.data_class import dataclass

RUNNING_KERNEL = "${KERNEL_FULL_VERSION}"
"""What stands for `uname -r` in a command that was read."""

_SHELLS = {"sh", "bash", "ash", "dash", "ksh"}
_PREFIXES = {"exec", "sudo", "nohup", "command", "time", "busybox", "tini", "dumb-init", "catchsegv", "--"}
_KEYWORDS = {"if", "then", "else", "elif", "while", "until", "do", "!", "{", "}", "(", ")", "fi", "done", "esac"}
_ELSEWHERE = {"chroot", "nsenter"}

_UNAME = re.compile(r"\$\(\s*uname\s+-r\s*\)|`\s*uname\s+-r\s*`")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]{0,256}))?\}|\$\((\w+)\)|\$(\w+)")
_DESCRIPTORS = re.compile(r"\d?[<>]&[\d-]|&(?=>)")
_COMMENT = re.compile(r"(?:^|(?<=[\s;]))#")
_SEPARATORS = set(";&|()\n")
_MOST_WORDS = 64
"""Of a loop, or of the combinations of variables in one command."""
_LONGEST_SCRIPT = 1 << 18
_MOST_SCRIPTS = 8
"""That run each other, one in another."""

Variables = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command. `on_node`: it runs in the root of the node; `at_end`: when the shell ends."""

    words: list[str]
    on_node: bool = False
    at_end: bool = False

    @property
    def program(self) -> str:
        """The name of the program, without its folder."""
        return self.words[0].rpartition("/")[2] if self.words else ""


@dataclass(slots=True)
class _Reader:
    variables: Variables
    files: Mapping[str, str]
    on_node: bool = False
    at_end: bool = False
    depth: int = 0


def commands_of(vector: Iterable[str], env: Mapping[str, str], files: Mapping[str, str]) -> list[Command]:
    """Return the commands that a container runs by an `exec` vector.

    `env` are its variables, `files` the texts of files in it, by their paths.
    """
    return list(_vector(list(vector), _Reader({name: [text] for name, text in env.items()}, files)))


def _vector(words: list[str], reader: _Reader) -> Iterator[Command]:
    words = _without_prefixes(words)
    if not words:
        return
    program = words[0].rpartition("/")[2]
    script = _script_of_shell(words) if program in _SHELLS else None
    file = next((word for word in words[:4] if word in reader.files), "")
    if script is not None:
        yield from _script(script, reader)
    elif file and (file == words[0] or program in (*_SHELLS, ".", "source")):
        yield from _script(reader.files[file], reader)
    elif program in _ELSEWHERE:
        yield from _vector(_behind(program, words), replace(reader, on_node=True))
    elif program == "trap" and len(words) > 1:
        yield from _script(words[1], replace(reader, at_end=True))
    else:
        for chosen in _expanded(words, reader.variables):
            yield Command(chosen, reader.on_node, reader.at_end)


def _without_prefixes(words: list[str]) -> list[str]:
    """The words without keywords, assignments and programs that only run another one."""
    place = 0
    while place < len(words):
        program = words[place].rpartition("/")[2]
        if program == "timeout":
            place += 1
            while place < len(words) and words[place].startswith("-"):
                place += 1
        elif program == "env":
            while place + 1 < len(words) and words[place + 1].startswith("-"):
                place += 1
        elif program not in _PREFIXES and program not in _KEYWORDS and not _ASSIGNMENT.fullmatch(words[place]):
            break
        place += 1
    return words[place:]


def _script_of_shell(words: list[str]) -> str | None:
    """The script of `sh -c`; None where the shell runs a file."""
    for place, word in enumerate(words[1:], 1):
        if re.fullmatch(r"-[a-zA-Z]*c", word):
            rest = [item for item in words[place + 1 :] if not re.fullmatch(r"-[a-z]+|--", item)]
            return rest[0] if rest else ""
        if not word.startswith(("-", "+")) and words[place - 1] != "-o":
            return None
    return None


def _behind(program: str, words: list[str]) -> list[str]:
    """The command that `chroot DIR` or `nsenter … --` runs in another root."""
    if program == "chroot":
        rest = [word for word in words[1:] if not word.startswith("--")]
        return rest[1:]
    if "--" in words:
        return words[words.index("--") + 1 :]
    place = 1
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in ("-t", "--target", "-S", "-G") else 1
    return words[place:]


def _script(text: str, reader: _Reader) -> Iterator[Command]:
    if len(text) > _LONGEST_SCRIPT or reader.depth >= _MOST_SCRIPTS:
        return
    reader = replace(reader, depth=reader.depth + 1)
    for words in _simple_commands(_UNAME.sub(RUNNING_KERNEL, text.replace("\\\n", " "))):
        words = _without_loop(words, reader.variables)
        while words and words[0] in _KEYWORDS:
            words = words[1:]
        if words and words[0] in ("export", "local", "readonly", "declare"):
            words = [word for word in words[1:] if not word.startswith("-")]
        if words and all(_ASSIGNMENT.fullmatch(word) for word in words):
            _assign(words, reader.variables)
        else:
            yield from _vector(words, reader)


def _without_loop(words: list[str], variables: Variables) -> list[str]:
    """The words without `for NAME in WORDS`, which becomes a variable with several values."""
    while words and words[0] in _KEYWORDS:
        words = words[1:]
    if len(words) > 3 and words[0] == "for" and words[2] == "in":
        chosen = [
            text for word in words[3:] for texts in _expanded([word], variables) for text in " ".join(texts).split()
        ]
        variables[words[1]] = chosen[:_MOST_WORDS]
        return []
    return words


def _assign(words: list[str], variables: Variables) -> None:
    for word in words:
        if match := _ASSIGNMENT.fullmatch(word):
            variables[match[1]] = [" ".join(texts) for texts in _expanded([match[2]], variables)]


def _simple_commands(text: str) -> Iterator[list[str]]:
    """The words of each simple command; of a line with a quote that never ends, what a split at blanks gives."""
    lexer = shlex.shlex(_DESCRIPTORS.sub(" ", _without_comments(text)), posix=True, punctuation_chars=";&|()\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    try:
        for token in lexer:
            if token and set(token) <= _SEPARATORS:
                yield words
                words = []
            else:
                words.append(token)
    except ValueError:
        for line in re.split(r"[;&|\n]+", text):
            yield line.replace('"', "").replace("'", "").split()
        return
    yield words


def _without_comments(text: str) -> str:
    """The text without comments, as far as the quotes of a line tell."""
    lines = (_COMMENT.search(line) for line in text.split("\n"))
    return "\n".join(
        line[: match.start()] if match and line[: match.start()].count('"') % 2 == 0 else line
        for line, match in zip(text.split("\n"), lines, strict=True)
    )


def _expanded(words: list[str], variables: Variables) -> Iterator[list[str]]:
    """The words with the values of variables; several times where one has several values."""
    names = {name for word in words for match in _VARIABLE.finditer(word) if (name := _name(match)) in variables}
    ordered = sorted(names)
    combinations = itertools.product(*(variables[name] for name in ordered))
    for values in itertools.islice(combinations, _MOST_WORDS):
        chosen = dict(zip(ordered, values, strict=True))
        yield [part for word in words for part in _with_values(word, chosen)]


def _with_values(word: str, chosen: Mapping[str, str]) -> list[str]:
    replaced = _VARIABLE.sub(lambda match: _value(match, chosen), word)
    return replaced.split() if replaced != word and _is_bare(word) else [replaced]


def _is_bare(word: str) -> bool:
    """Whether a word is nothing but a variable, whose value may be several words."""
    return _VARIABLE.fullmatch(word) is not None


def _name(match: re.Match[str]) -> str:
    return match[1] or match[3] or match[4] or ""


def _value(match: re.Match[str], chosen: Mapping[str, str]) -> str:
    name = _name(match)
    return chosen.get(name, match[2] if match[2] is not None else match[0])
