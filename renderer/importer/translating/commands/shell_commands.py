"""Commands of containers → the simple commands that they run, as far as a text tells without being run.

A script is followed from line to line: variables that it sets, loops over written words, functions with their
arguments, the branch of a `case` whose word is known, and what `sh -c` and `trap` hold. What depends on the node
(`$(lspci …)`) stays as it is written.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from fnmatch import fnmatchcase

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.importer.translating.commands.shell_syntax import (
    KEYWORDS,
    SHELLS,
    Case,
    Function,
    Simple,
    Statement,
    Substitution,
    parse,
)

LOADERS = ("modprobe", "insmod", "rmmod", "kmod")

RUNNING_KERNEL = "${KERNEL_FULL_VERSION}"
"""What stands for `uname -r` in a command that was read."""

_PREFIXES = {"exec", "sudo", "nohup", "command", "time", "busybox", "tini", "dumb-init", "catchsegv", "--"}
_WITH_OPTIONS = {
    "env": {"-u", "-C"},
    "timeout": {"-k", "-s"},
    "xargs": {"-n", "-I", "-L", "-P", "-d", "-s", "-a", "-E"},
}
"""Programs that run another one behind their options, with those that have a value."""
_ELSEWHERE = {"chroot", "nsenter"}

_UNAME = lazy_regex(r"\$\(\s*uname\s+-r\s*\)|`\s*uname\s+-r\s*`")
_ASSIGNMENT = lazy_regex(r"([A-Za-z_]\w*)(\+?)=(.*)", re.DOTALL)
_VARIABLE = lazy_regex(r"\$\{(\w+)(?::?-([^}]{0,256}))?\}|\$\((\w+)\)|\$(\w+|[@*])")
_POSITIONAL = lazy_regex(r"\d+|[@*]")
_MOST_WORDS = 64
"""Of a loop, or of the combinations of variables in one command."""
_LONGEST_SCRIPT = 1 << 18
_MOST_SCRIPTS = 8
"""Or functions, that run each other, one in another."""
_MOST_STEPS = 1 << 14
"""Statements of scripts that are followed for one container."""

Variables = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command, and the files that its output is written to.

    `on_node`: it runs in the root of the node; `at_end`: when the shell ends.
    """

    words: list[str]
    on_node: bool = False
    at_end: bool = False
    written: tuple[str, ...] = ()

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
    written: tuple[str, ...] = ()
    depth: int = 0
    running: frozenset[str] = frozenset()
    functions: dict[str, Function] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    unresolved: list[str] = field(default_factory=list)
    steps: Iterator[int] = field(default_factory=lambda: iter(range(_MOST_STEPS)))


def commands_of(vector: Iterable[str], env: Mapping[str, str], files: Mapping[str, str]) -> list[Command]:
    """Return the commands that a container runs by an `exec` vector.

    `env` are its variables, `files` the texts of files in it, by their paths.
    """
    reader = _Reader({name: [text] for name, text in env.items()}, files)
    return [*_vector(list(vector), reader), *_uncalled(reader)]


def _uncalled(reader: _Reader) -> Iterator[Command]:
    """What functions run that a word may call which only the node knows, such as `"$1"`."""
    if reader.unresolved:
        for function in [item for name, item in reader.functions.items() if name not in reader.called]:
            yield from _called(function.body, reader)


def _vector(words: list[str], reader: _Reader) -> Iterator[Command]:
    words = _without_prefixes(words)
    if not words and not reader.written:
        return
    program = words[0].rpartition("/")[2] if words else ""
    script = _script_of_shell(words) if program in (*SHELLS, "eval") else None
    file = next((place for place, word in enumerate(words[:4]) if word in reader.files), None)
    if script is not None:
        yield from _script(script[0], reader, script[2:])
    elif file is not None and (not file or program in (*SHELLS, ".", "source")):
        yield from _script(reader.files[words[file]], reader, words[file + 1 :])
    elif program in _ELSEWHERE:
        yield from _vector(_behind(program, words), replace(reader, on_node=True))
    elif program == "trap" and len(words) > 1:
        yield from _script(words[1], replace(reader, at_end=True))
    else:
        for chosen in _expanded(words, reader.variables):
            yield Command(chosen, reader.on_node, reader.at_end, reader.written)


def _function(function: Function, words: list[str], reader: _Reader) -> Iterator[Command]:
    reader.called.add(function.name)
    for chosen in list(_expanded(words[1:], reader.variables)):
        yield from _called(function.body, replace(reader, running=reader.running | {function.name}), chosen)


def _without_prefixes(words: list[str]) -> list[str]:
    """The words without keywords, assignments and programs that only run another one."""
    place = 0
    while place < len(words):
        program = words[place].rpartition("/")[2]
        if program in _WITH_OPTIONS:
            place = _behind_options(words, place + 1, _WITH_OPTIONS[program]) + (program == "timeout")
        elif program in _PREFIXES or _is_passed_over(words[place]):
            place += 1
        else:
            break
    return words[place:]


def _behind_options(words: list[str], place: int, with_value: set[str]) -> int:
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in with_value else 1
    return place


def _script_of_shell(words: list[str]) -> list[str] | None:
    """The script of `sh -c` or `eval` and the words behind it; None where the shell runs a file."""
    if words[0] == "eval":
        return [" ".join(words[1:])]
    for place, word in enumerate(words[1:], 1):
        if re.fullmatch(r"-[a-zA-Z]*c", word):
            rest = words[place + 1 :]
            while rest and re.fullmatch(r"-[a-z]+|--", rest[0]):
                rest = rest[1:]
            return rest or [""]
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
    return words[_behind_options(words, 1, {"-t", "--target", "-S", "-G"}) :]


def _script(text: str, reader: _Reader, arguments: Iterable[str] = ()) -> Iterator[Command]:
    if len(text) > _LONGEST_SCRIPT:
        return
    statements = parse(_UNAME.sub(RUNNING_KERNEL, text.replace("\\\n", " ")))
    for statement in statements:  # a trap may name a function before it is there
        if isinstance(statement, Function):
            reader.functions[statement.name] = statement
    yield from _called(statements, reader, arguments)


def _called(statements: list[Statement], reader: _Reader, arguments: Iterable[str] = ()) -> Iterator[Command]:
    """What a script or function runs that is called with arguments."""
    if reader.depth >= _MOST_SCRIPTS:
        return
    outer = _arguments(reader.variables)
    _set_arguments(reader.variables, arguments)
    yield from _statements(statements, replace(reader, depth=reader.depth + 1))
    _set_arguments(reader.variables, outer)


def _arguments(variables: Variables) -> list[str]:
    return [variables[key][0] for key in itertools.takewhile(variables.__contains__, map(str, itertools.count(1)))]


def _set_arguments(variables: Variables, arguments: Iterable[str]) -> None:
    for key in [key for key in variables if _POSITIONAL.fullmatch(key)]:
        del variables[key]
    words = list(arguments)
    variables.update({str(place): [word] for place, word in enumerate(words, 1)})
    if words:
        variables["@"] = variables["*"] = [" ".join(words)]


def _statements(statements: list[Statement], reader: _Reader) -> Iterator[Command]:
    for statement in statements:
        if next(reader.steps, None) is None:
            return
        if isinstance(statement, Function):
            reader.functions[statement.name] = statement
        elif isinstance(statement, Substitution):
            yield from (item for item in _statements(statement.body, reader) if item.program in LOADERS)
        elif isinstance(statement, Case):
            yield from _case(statement, reader)
        else:
            yield from _redirected(statement, reader)


def _case(case: Case, reader: _Reader) -> Iterator[Command]:
    """What the branches run that a `case` takes; behind it, variables have the values that any of them gave."""
    before = dict(reader.variables)
    results = []
    for body in _branches(case, reader):
        variables = dict(before)
        yield from _statements(body, replace(reader, variables=variables))
        results.append(variables)
    reader.variables.clear()
    for name in dict.fromkeys(name for variables in results or [before] for name in variables):
        values = (value for variables in results or [before] for value in variables.get(name, ()))
        reader.variables[name] = list(dict.fromkeys(values))[:_MOST_WORDS]


def _branches(case: Case, reader: _Reader) -> list[list[Statement]]:
    """The branches that a `case` takes, as far as its word is known; else all of them."""
    values = [" ".join(words) for words in _expanded([case.word], reader.variables)]
    every: list[list[Statement]] = [body for _, body in case.branches]
    if any("$" in value or "`" in value for value in values):
        return every if any("*" in patterns for patterns, _ in case.branches) else [*every, []]
    chosen = [_branch(case, value) for value in values]
    return [body for body in chosen if body is not None] or every


def _branch(case: Case, value: str) -> list[Statement] | None:
    return next(
        (body for patterns, body in case.branches if any(fnmatchcase(value, pattern) for pattern in patterns)), None
    )


def _redirected(statement: Simple, reader: _Reader) -> Iterator[Command]:
    written = [word for words in _expanded(statement.written, reader.variables) for word in words]
    if written:
        reader = replace(reader, written=tuple(dict.fromkeys(written)))
    yield from _simple_command(statement.words, reader)


def _simple_command(words: list[str], reader: _Reader) -> Iterator[Command]:
    words = _without_loop(words, reader.variables)
    if words and words[0] in ("export", "local", "readonly", "declare"):
        words = [word for word in words[1:] if _ASSIGNMENT.fullmatch(word)]
    if words and all(_ASSIGNMENT.fullmatch(word) for word in words):
        _assign(words, reader.variables)
    elif words[:1] == ["shift"]:
        count = int(words[1]) if len(words) > 1 and words[1].isdecimal() else 1
        _set_arguments(reader.variables, _arguments(reader.variables)[count:])
    else:
        yield from _call(words, reader)


def _call(words: list[str], reader: _Reader) -> Iterator[Command]:
    """What a function runs, or another command; a bare word alone names a function, which does not run in itself."""
    place = next((place for place, word in enumerate(words) if not _is_passed_over(word)), len(words))
    for chosen in list(_expanded(words[place : place + 1], reader.variables)):
        called = [*chosen, *words[place + 1 :]]
        name = called[0] if called else ""
        if name in reader.functions and name not in reader.running:
            yield from _function(reader.functions[name], called, reader)
            continue
        if "$" in name or "`" in name:
            reader.unresolved.append(name)
        yield from _vector(called, reader)


def _is_passed_over(word: str) -> bool:
    return word in KEYWORDS or _ASSIGNMENT.fullmatch(word) is not None


def _without_loop(words: list[str], variables: Variables) -> list[str]:
    """The words without `for NAME in WORDS`, which becomes a variable with several values."""
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
            values = [" ".join(texts) for texts in _expanded([match[3]], variables)]
            before = (variables.get(match[1]) or [""])[0] if match[2] else ""
            variables[match[1]] = [before + value for value in values]


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
