"""Templates as KMM fills them: `$NAME`, `${NAME}`, `$$`, and the shell's defaults and alternatives.

An unknown variable becomes empty. KMM leaves the work to a library, whose reading of odd templates differs from a
shell's and is followed here: an operand is a text or one variable, it ends at the first `}`, and only a brace that is
never closed is an error. Source: parse/lex.go, parse.go and node.go of github.com/a8m/envsubst 1.4.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Generator, Iterator, Mapping
from typing import Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept

_Piece = Generator["_Token", None, bool | None]
"""Tokens, and then whether an expression goes on; None at the end of the template."""

_Kind = Literal["text", "variable", "open", "close", "operator", "error", "end"]
_OPERATORS = ("+", "-", "=", ":+", ":-", ":=")


class BadTemplate(ValueError):
    """A template that cannot be filled, in the library's words."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: _Kind
    text: str


def substitute(template: str, values: Mapping[str, str]) -> str:
    """The template with its variables replaced. Raises BadTemplate for a brace that is not closed."""
    if "$" not in template:
        return template
    if template.isascii() and _SIMPLE.fullmatch(template):  # as nearly all are; the other way takes long
        return _WHOLE.sub(lambda match: values.get(match[1] or match[2], ""), template)
    tokens = _Tokens(template)
    result: list[str] = []
    while (token := tokens.next()).kind != "end":
        if token.kind == "error":
            raise BadTemplate(token.text)
        if token.kind == "variable":
            result.append(values.get(token.text.removeprefix("$"), ""))
        elif token.kind == "open" and tokens.peek().kind == "variable":
            result.append(_expression(tokens, values))
        else:
            result.append(token.text)
    return "".join(result)


def _expression(tokens: _Tokens, values: Mapping[str, str]) -> str:
    """The value of `${NAME…}`; its opening brace has been read."""
    name, operator = tokens.next().text, ""
    operand: str | None = None
    while (token := tokens.next()).kind != "close":
        if token.kind in ("error", "end"):
            raise BadTemplate(token.text)
        if token.kind == "variable":
            operand = values.get(token.text.removeprefix("$"), "")
        elif token.kind == "text":
            operand = token.text
            while tokens.peek().kind not in ("close", "error", "end"):
                operand += tokens.next().text
        else:
            operator = token.text
    return _applied(operator, values.get(name), operand)


def _applied(operator: str, value: str | None, operand: str | None) -> str:
    if operator not in _OPERATORS or operand is None:
        return value or ""
    if operator in (":-", ":="):
        return value or operand
    if operator in ("+", ":+"):
        return operand if value is not None else ""
    return operand if value is None else value


class _Tokens:
    """The tokens of a template, one ahead."""

    def __init__(self, template: str) -> None:
        self._source = _Lexer(template).tokens()
        self._ahead: _Token | None = None

    def next(self) -> _Token:
        token = self.peek()
        self._ahead = None
        return token

    def peek(self) -> _Token:
        if self._ahead is None:
            self._ahead = next(self._source, _Token("end", ""))
        return self._ahead


class _Lexer:
    """Cuts a template into tokens. It is in the text between expressions, or inside the braces of one."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.start = 0  # of the token that is being read
        self.position = 0
        self.after_brace = False  # whether the last token began with `${`: a name may follow
        self.depth = 0

    def tokens(self) -> Iterator[_Token]:
        inside = False
        while True:
            inside_next = yield from self._inside() if inside else self._outside()
            if inside_next is None:
                return
            inside = inside_next

    def _outside(self) -> _Piece:
        """Text up to a variable or an expression."""
        while (char := self._char()) != "":
            if char != "$":
                self.position += 1
                continue
            if self.position > self.start:
                yield self._emit("text")
            self.position += 1
            after = self._char()
            if after == "$":
                self.start = self.position
                self.position += 1
                yield self._emit("text")
            elif after == "{":
                self.position += 1
                self.depth += 1
                yield self._emit("open")
                return (yield from self._operator())
            elif _is_name(after):
                return (yield from self._variable())
        if self.position > self.start:
            yield self._emit("text")
        return None

    def _operator(self) -> _Piece:
        """What may stand at the start of an expression and after its variable: an operator, or none."""
        char = self._char()
        ended = self._end_of_expression(char)
        if ended is not None:
            yield ended
            return False if ended.kind == "close" else None
        if _is_name(char) and self.after_brace:
            return (yield from self._variable())
        self.position += 1
        if char == ":":
            char += self._char()
            self.position += len(char) - 1
        if char in _OPERATORS:
            yield self._emit("operator")
        return True

    def _inside(self) -> _Piece:
        """One more piece of an expression."""
        char = self._char()
        ended = self._end_of_expression(char)
        if ended is not None:
            yield ended
            return False if ended.kind == "close" else None
        if char == "$" or (_is_name(char) and self.after_brace):
            self.position += 1
            return (yield from self._variable())
        self.position += 1
        yield self._emit("text")
        return True

    def _variable(self) -> _Piece:
        """A name; one that is only `_` is text."""
        while _is_name(self._char()):
            self.position += 1
        if self.template[self.start : self.position] in ("_", "$_"):
            return False
        yield self._emit("variable")
        if self.depth > 0:
            return (yield from self._operator())
        return False

    def _end_of_expression(self, char: str) -> _Token | None:
        if char in ("", "\r", "\n"):
            return _Token("error", "closing brace expected")
        if char != "}":
            return None
        self.position += 1
        self.depth -= 1
        return self._emit("close")

    def _char(self) -> str:
        return self.template[self.position : self.position + 1]

    def _emit(self, kind: _Kind) -> _Token:
        token = _Token(kind, self.template[self.start : self.position])
        self.after_brace = self.template.startswith("${", self.start)
        self.start = self.position
        return token


def _is_name(char: str) -> bool:
    """Letters and decimal digits of any script, as Go's unicode tables have them, and `_`."""
    if char.isascii():
        return char == "_" or char.isalnum()
    category = unicodedata.category(char)
    return category.startswith("L") or category == "Nd"


class _Recorder(Mapping[str, str]):
    """Values that note which names were asked for."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def get(self, name: str, default: object = None) -> str:
        self.names.append(name)
        return ""

    def __getitem__(self, name: str) -> str:
        return self.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


_SIMPLE = lazy_regex(r"[^$]*(?:\$(?:\{[A-Za-z0-9][A-Za-z0-9_]*\}|[A-Za-z0-9][A-Za-z0-9_]*)[^$]*)*")
_NAME = lazy_regex(r"\$\{?([A-Za-z0-9_]+)")
_WHOLE = lazy_regex(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")


_KEPT = 512
"""Templates whose variables are kept: one of the longest that are kept may ask for two hundred."""


def _names(template: str) -> frozenset[str]:
    """The variables that a template asks for. Raises BadTemplate."""
    if template.isascii() and _SIMPLE.fullmatch(template):
        return frozenset(_NAME.findall(template))
    recorder = _Recorder()
    substitute(template, recorder)
    return frozenset(recorder.names)


names = kept(_names, _KEPT)
