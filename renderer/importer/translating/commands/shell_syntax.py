"""The text of a shell script → its simple commands, functions and `case` statements, none of which is run.

Conditions, loops and groups are only their commands. Here-documents that a shell reads are scripts of it; others are
left out, and so are comments.

Source: Shell Command Language of POSIX; arrays, `function`, `<<<` and `((…))` of bash.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import field
from itertools import pairwise
from typing import TypeAlias

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex

SHELLS = {"sh", "bash", "ash", "dash", "ksh"}
KEYWORDS = {"if", "then", "else", "elif", "while", "until", "do", "!", "{", "}", "(", ")", "fi", "done", "esac"}

_TOKEN = lazy_regex(
    r"[ \t\r]+|\n|\\.|&>>?|;;&?|;&|&&|\|\||\|&|[;&|]|\([ \t]*\)|[()]|<<<|<<-?|[<>]\(|<>|[<>]&|>[>|]|[<>]"
    r"|\$'|\$\(|\$\{|['\"`#]|[^\s\\;&|()<>$'\"`#]+|.",
    re.DOTALL,
)
_CLOSING = {"$(": ")", "<(": ")", ">(": ")", "${": "}", '"': '"', "`": "`", "'": "'", "$'": "'"}
"""What begins a part of a word that may hold blanks and separators, with what ends it."""
_INSIDE = lazy_regex(r"\\.|\$\(|\$\{|[()'\"`}]", re.DOTALL)
_SUBSTITUTION = lazy_regex(r"\\.|\$\(|[<>]\(|`", re.DOTALL)
_ESCAPED = lazy_regex(r"\\([$`\"\\])")
_ARITHMETIC = lazy_regex(r"\(\((?:[^()\n]|\([^()\n]{0,99}\)){0,256}\)\)")
_TWO_WORDS = lazy_regex(r"\w[ \t]+\w")
"""What no arithmetic has: a command with an argument."""
_END_WORD = lazy_regex(r"[ \t]*((?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s;&|()<>'\"\\])+)")
_ASSIGNED = lazy_regex(r"[A-Za-z_]\w*\+?=")
_ALL_ELEMENTS = lazy_regex(r"\$\{(\w+)\[[@*]\]\}")
_DEEPEST_SUBSTITUTION = 8


@dataclass(slots=True)
class Simple:
    """A simple command, and the files that its output is written to."""

    words: list[str]
    written: list[str]


@dataclass(slots=True)
class Substitution:
    """The commands of `$(…)`, whose output is part of the command behind it."""

    body: list[Statement]


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


Statement: TypeAlias = "Simple | Substitution | Function | Case"


def parse(text: str, *, depth: int = 0) -> list[Statement]:
    """Return what a script consists of, in its order."""
    parser = _Parser(depth)
    for piece in _Text(text).pieces():
        parser.take(piece)
    return parser.statements


@dataclass(slots=True)
class _Piece:
    """The words up to a separator, the files written, and the texts of command substitutions."""

    words: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    substitutions: list[str] = field(default_factory=list)
    separator: str = "\n"


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
    def __init__(self, depth: int) -> None:
        self.statements: list[Statement] = []
        self._open: list[_Open] = []
        self._depth = depth

    @property
    def _body(self) -> list[Statement]:
        return self._open[-1].body if self._open else self.statements

    def take(self, piece: _Piece) -> None:
        """Take the words up to a separator, and the separator."""
        words, separator = piece.words, piece.separator
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
        if self._depth < _DEEPEST_SUBSTITUTION:
            self._body.extend(Substitution(parse(text, depth=self._depth + 1)) for text in piece.substitutions)
        if words[:1] == ["case"] and "in" in words:
            place = words.index("in")
            self._begin_case(" ".join(words[1:place]), words[place + 1 :], separator)
            return
        if (words or piece.written) and not (name and words == [name]):
            self._end_unbraced()
            self._body.append(Simple(words, piece.written))
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
            self._end_branch(separator)
            return
        assert case.patterns is not None
        assert isinstance(case.statement, Case)
        case.patterns += words
        if separator == ")" and case.patterns:
            case.statement.branches.append((case.patterns, []))
            case.patterns = None

    def _end_branch(self, separator: str) -> None:
        if self._open and isinstance(self._open[-1].statement, Case) and separator in (";;", ";&", ";;&"):
            self._open[-1].patterns = []


def _function_name(words: list[str], separator: str) -> str:
    """The function that the words begin to define; empty where they define none."""
    if len(words) > 1 and words[0] == "function":
        return words[1]
    return words[0] if len(words) == 1 and separator.startswith("(") and separator != "(" else ""


# -- the text ---------------------------------------------------------------------------------------------------------


class _Text:
    """A script that is read from its begin to its end; from a quote that never ends on, as if it had no quotes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._is_broken = False
        self._piece = _Piece()
        self._word: str | None = None
        self._redirection = ""
        self._array: str | None = None
        self._elements: list[str] = []
        self._last_line = self._behind_documents = -1
        self._lines: dict[str, list[int]] = {}

    def pieces(self) -> Iterator[_Piece]:
        """The words up to each separator, and that."""
        while match := _TOKEN.match(self._text, self._at):
            token, self._at = match[0], match.end()
            if token in _CLOSING:
                self._take_quoted(token)
            elif token == "#" and self._word is None:
                self._at = self._end_of_line(self._at)
            elif token[0] in "<>" or token.startswith("&>"):
                self._take_redirection(token)
            elif token[0] in ";&|()\n":
                yield from self._take_separator(token)
            elif token[0] in " \t\r":
                self._end_word()
            else:
                self._add(token[1:] if token[0] == "\\" else token)
        yield self._ended("\n")

    def _add(self, text: str) -> None:
        self._word = (self._word or "") + text

    def _end_of_line(self, start: int) -> int:
        end = self._text.find("\n", start)
        return len(self._text) if end < 0 else end

    def _take_quoted(self, token: str) -> None:
        """Take a quote or substitution whole, which is part of a word."""
        end = 0 if self._is_broken else _end_of(self._text, self._at, _CLOSING[token])
        if not end:
            self._is_broken = True
            self._at -= token.endswith("(")
            self._add(token.rstrip("('\"`<>"))
            return
        inside = self._text[self._at : end - 1]
        self._at = end
        if token in ("'", "$'"):
            self._add(inside)
            return
        whole = inside if token == '"' else token + inside + _CLOSING[token]
        self._piece.substitutions += _substituted(whole)
        self._add(_ESCAPED.sub(r"\1", inside) if token == '"' else whole)

    def _take_separator(self, token: str) -> Iterator[_Piece]:
        if token[0] == "(" and self._is_before_array():
            if token == "(":
                self._array, self._word, self._elements = self._word, None, []
            return
        arithmetic = _ARITHMETIC.match(self._text, self._at - 1) if token == "(" and self._is_at_begin() else None
        if arithmetic and not _TWO_WORDS.search(arithmetic[0]):
            self._at = arithmetic.end()
            return
        self._end_word()
        is_within_array = self._array is not None and token in ")\n"
        if self._array is not None and token != "\n":
            self._end_array()
        if not is_within_array:
            yield self._ended(token)
        if token == "\n" and self._at - 1 == self._last_line:
            self._at = self._behind_documents

    def _is_before_array(self) -> bool:
        return self._array is None and self._word is not None and _ASSIGNED.fullmatch(self._word) is not None

    def _is_at_begin(self) -> bool:
        return self._word is None and KEYWORDS.issuperset(word for word in self._piece.words if word != "for")

    def _end_array(self) -> None:
        """End an array, which is a variable whose value is its elements between blanks."""
        assert self._array is not None
        blank = " " if "+" in self._array else ""
        self._piece.words.append(self._array + blank + " ".join(self._elements))
        self._array = None

    def _ended(self, separator: str) -> _Piece:
        self._end_word()
        if self._array is not None:
            self._end_array()
        piece, self._piece, self._redirection = self._piece, _Piece(), ""
        piece.separator = separator
        return piece

    def _end_word(self) -> None:
        if self._word is None:
            return
        word, self._word = _ALL_ELEMENTS.sub(r"${\1}", self._word), None
        operator, self._redirection = self._redirection, ""
        if not operator:
            (self._piece.words if self._array is None else self._elements).append(word)
        elif ">" in operator and not (operator.endswith("&") and re.fullmatch(r"\d*-?", word)):
            self._piece.written.append(word)
        elif operator in ("<", "<<<"):
            self._give_to_shell([word] if operator == "<" else ["-c", word, "sh"])

    def _take_redirection(self, token: str) -> None:
        if self._word is not None and self._word.isdecimal():  # the file descriptor
            self._word = None
        self._end_word()
        if token not in ("<<", "<<-"):
            self._redirection = token
        elif match := _END_WORD.match(self._text, self._at):
            self._at = match.end()
            body = self._here_document(re.sub(r"['\"\\]", "", match[1]), tabs=token == "<<-")
            if body is not None:
                self._give_to_shell(["-c", body, "sh"])

    def _here_document(self, end: str, *, tabs: bool) -> str | None:
        """The text of a here-document, which is left out behind this line; None where no line ends it."""
        line = self._end_of_line(self._at)
        begin = (self._behind_documents if line == self._last_line else line) + 1
        places = self._places_of_lines().get(end, [])
        first = bisect_left(places, begin)
        if first == len(places):
            return None
        body = self._text[begin : places[first]]
        if tabs:
            body = re.sub(r"^\t+", "", body, flags=re.MULTILINE).rstrip("\t")
        self._last_line, self._behind_documents = line, self._end_of_line(places[first])
        return body

    def _places_of_lines(self) -> dict[str, list[int]]:
        """Where each line begins, by its text."""
        if not self._lines:
            at = 0
            for line in self._text.split("\n"):
                self._lines.setdefault(line.strip("\t\r"), []).append(at)
                at += len(line) + 1
        return self._lines

    def _give_to_shell(self, script: list[str]) -> None:
        """Make what a shell reads from its input its script, if the command is such a shell."""
        words = self._piece.words
        place = next((place for place, word in enumerate(words) if word.rpartition("/")[2] in SHELLS), len(words))
        options = words[place + 1 :]
        arguments = [word for before, word in pairwise(words[place:])
                     if not word.startswith(("-", "+")) and not re.fullmatch(r"[-+]\w*o", before)]  # fmt: skip
        if place < len(words) and (not arguments or any(re.fullmatch(r"-\w*s", word) for word in options)):
            words[place + 1 :] = [*script, *arguments]


def _end_of(text: str, start: int, closing: str) -> int:
    """Where a quote or substitution has ended, behind its last character; 0 if it never ends."""
    if closing == "'":
        return text.find(closing, start) + 1
    opened = [closing]
    while opened and start:
        match = _INSIDE.search(text, start)
        if match is None:
            return 0
        token, start = match[0], match.end()
        if token == opened[-1]:
            opened.pop()
        elif token == "'" and opened[-1] != '"' and opened[-2:] != ['"', "}"]:
            start = text.find(token, start) + 1
        elif token in _CLOSING and token != "'":
            opened.append(_CLOSING[token])
        elif token == "(" and opened[-1] == ")":
            opened.append(")")
    return start


def _substituted(text: str) -> Iterator[str]:
    """The commands of the substitutions in a word; arithmetic has none."""
    at = 0
    while match := _SUBSTITUTION.search(text, at):
        at = match.end()
        if match[0][0] == "\\":
            continue
        end = _end_of(text, at, _CLOSING[match[0]])
        if not end:
            return
        inside, at = text[at : end - 1], end
        if not inside.startswith("(") or _TWO_WORDS.search(inside):
            yield inside
