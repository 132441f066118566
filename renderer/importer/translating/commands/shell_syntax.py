"""The text of a shell script → its simple commands, functions and `case` statements, none of which is run.

Conditions, loops and groups are only their commands. Here-documents that a shell reads are scripts of it; others are
left out, and so are comments.

Source: Shell Command Language of POSIX; arrays and `function` of bash.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import field
from typing import TypeAlias

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex

SHELLS = {"sh", "bash", "ash", "dash", "ksh"}
KEYWORDS = {"if", "then", "else", "elif", "while", "until", "do", "!", "{", "}", "(", ")", "fi", "done", "esac"}

_DESCRIPTORS = lazy_regex(r"\d?[<>]&[\d-]|&(?=>)")
_COMMENT = lazy_regex(r"(?:^|(?<=[\s;]))#")
_SEPARATORS = set(";&|()\n")
_HERE_DOCUMENT = lazy_regex(r"(?<!<)<<(?P<tabs>-?)\s*(?P<quote>['\"]?)(?P<end>\w+)(?P=quote)")
_ARRAY = lazy_regex(r"(\b[A-Za-z_]\w*\+?=)\(([^()]*)\)")
_ALL_ELEMENTS = lazy_regex(r"\$\{(\w+)\[[@*]\]\}")


@dataclass(slots=True)
class Function:
    """A function, which runs where it is called."""

    name: str
    body: list[Statement] = field(default_factory=list)


@dataclass(slots=True)
class Case:
    """The `case` of a word: the patterns of each branch, and what it runs."""

    word: str
    branches: list[tuple[list[str], list[Statement]]] = field(default_factory=list)


Statement: TypeAlias = "list[str] | Function | Case"


def parse(text: str) -> list[Statement]:
    """Return what a script consists of, in its order."""
    parser = _Parser()
    for words, separator in _pieces(_without_arrays(_without_comments(_without_here_documents(text)))):
        parser.take(words, separator)
    return parser.statements


@dataclass(slots=True)
class _Open:
    """A function or `case` that has not ended. `braces`: how many are open in a function."""

    statement: Function | Case
    braces: int = 0
    patterns: list[str] | None = None

    @property
    def body(self) -> list[Statement]:
        return self.statement.body if isinstance(self.statement, Function) else self.statement.branches[-1][1]


class _Parser:
    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self._open: list[_Open] = []

    @property
    def _body(self) -> list[Statement]:
        return self._open[-1].body if self._open else self.statements

    def take(self, words: list[str], separator: str) -> None:
        """Take the words up to a separator, and the separator."""
        top = self._open[-1] if self._open else None
        if top is not None and top.patterns is not None:
            self._take_pattern(top, words, separator)
            return
        words = self._without_keywords(words)
        name = _function_name(words, separator)
        if name:
            function = Function(name)
            self._body.append(function)
            self._open.append(_Open(function))
            words = self._without_keywords(words[2:])
        if words[:1] == ["case"] and "in" in words:
            place = words.index("in")
            self._begin_case(" ".join(words[1:place]), words[place + 1 :], separator)
            return
        if words and not (name and words == [name]):
            self._end_unbraced()
            self._body.append(words)
        self._end_branch(separator)

    def _without_keywords(self, words: list[str]) -> list[str]:
        """The words behind keywords, some of which begin or end a function or `case`."""
        place = 0
        while place < len(words) and words[place] in KEYWORDS:
            if words[place] in "{}":
                self._count_brace(words[place])
            elif words[place] == "esac" and self._open and isinstance(self._open[-1].statement, Case):
                self._open.pop()
            place += 1
        return words[place:]

    def _count_brace(self, brace: str) -> None:
        places = [place for place, item in enumerate(self._open) if isinstance(item.statement, Function)]
        if places:
            function = self._open[places[-1]]
            function.braces += 1 if brace == "{" else -1
            if function.braces <= 0:
                del self._open[places[-1] :]

    def _end_unbraced(self) -> None:
        """End a function whose body stands in no braces: what follows is read as if there were none."""
        while self._open and isinstance(self._open[-1].statement, Function) and not self._open[-1].braces:
            self._open.pop()

    def _begin_case(self, word: str, words: list[str], separator: str) -> None:
        self._end_unbraced()
        case = Case(word)
        self._body.append(case)
        self._open.append(_Open(case, patterns=[]))
        self._take_pattern(self._open[-1], words, separator)

    def _take_pattern(self, case: _Open, words: list[str], separator: str) -> None:
        if words[:1] == ["esac"]:
            self._open.pop()
            return
        assert case.patterns is not None
        assert isinstance(case.statement, Case)
        case.patterns += words
        if separator.startswith(")") and case.patterns:
            case.statement.branches.append((case.patterns, []))
            case.patterns = None
            self._end_branch(separator)

    def _end_branch(self, separator: str) -> None:
        if self._open and isinstance(self._open[-1].statement, Case) and (";;" in separator or ";&" in separator):
            self._open[-1].patterns = []


def _function_name(words: list[str], separator: str) -> str:
    """The function that the words begin to define; empty where they define none."""
    if len(words) > 1 and words[0] == "function":
        return words[1]
    return words[0] if len(words) == 1 and separator.startswith("()") else ""


# -- the text ---------------------------------------------------------------------------------------------------------


def _pieces(text: str) -> Iterator[tuple[list[str], str]]:
    """The words up to each separator, and that; of a quote that never ends, what a split at blanks gives."""
    lexer = shlex.shlex(_DESCRIPTORS.sub(" ", text), posix=True, punctuation_chars=";&|()\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    try:
        for token in lexer:
            if token and set(token) <= _SEPARATORS:
                yield words, token
                words = []
            else:
                words.append(token)
    except ValueError:
        for line in re.split(r"[;&|\n]+", text):
            yield line.replace('"', "").replace("'", "").split(), "\n"
        return
    yield words, "\n"


def _without_comments(text: str) -> str:
    """The text without comments, as far as the quotes of a line tell."""
    lines = (_COMMENT.search(line) for line in text.split("\n"))
    return "\n".join(
        line[: match.start()] if match and line[: match.start()].count('"') % 2 == 0 else line
        for line, match in zip(text.split("\n"), lines, strict=True)
    )


def _without_here_documents(text: str) -> str:
    """The text without here-documents; one that a shell reads becomes the script of its `-c`."""
    lines = iter(text.split("\n"))
    result = []
    for line in lines:
        match = _HERE_DOCUMENT.search(line)
        if match and not line.lstrip().startswith("#"):
            body = _here_document(lines, match)
            inner = f"-c {shlex.quote(body)}" if _is_read_by_shell(line[: match.start()]) else ""
            line = line[: match.start()] + inner + line[match.end() :]
        result.append(line)
    return "\n".join(result)


def _here_document(lines: Iterator[str], match: re.Match[str]) -> str:
    body = []
    for line in lines:
        text = line.lstrip("\t") if match["tabs"] else line
        if text.rstrip("\r") == match["end"]:
            break
        body.append(text)
    return "\n".join(body)


def _is_read_by_shell(before: str) -> bool:
    words = [word for word in re.split(r"[;&|]", before)[-1].split() if not word.startswith("-")]
    return bool(words) and words[-1].rpartition("/")[2] in SHELLS


def _without_arrays(text: str) -> str:
    """The text with arrays as variables whose value is their elements between blanks."""
    text = _ARRAY.sub(lambda match: match[1] + shlex.quote(" ".join(re.sub(r"[\"']", "", match[2]).split())), text)
    return _ALL_ELEMENTS.sub(r"${\1}", text)
