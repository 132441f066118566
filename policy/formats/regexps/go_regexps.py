"""Regular expressions as KMM reads them: Go's dialect, on RE2, in linear time.

RE2 and Go's regexp agree but for `\\C` and names of groups beyond ASCII, which only RE2 knows, and for repetitions of
large classes, which need more memory than RE2's default. To match takes linear time; to compile takes as long as what
is repeated is large, and so whoever judges what anybody may send compiles within bounds.
Source: regexp/syntax of Go; re2.h (max_mem, log_errors).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import re2

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept

BOUND = 64 << 10
"""Bytes that an expression may take: that is a list of two hundred kernels, and half a millisecond."""

_TOGETHER = 8 << 20  # for many expressions at once
_UNBOUND = 256 << 20  # RE2 takes what it needs
_KEPT = 512
_TOO_LARGE = b"pattern too large"


def _within(memory: int) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    return options


_BOUND_OPTIONS, _TOGETHER_OPTIONS, _UNBOUND_OPTIONS = _within(BOUND), _within(_TOGETHER), _within(_UNBOUND)

_QUOTED = lazy_regex(r"\\Q.*?(?:\\E|\Z)", re.DOTALL)
_BRACKETS = lazy_regex(r"\\.|\[\^?\]?[^\]]*(?:\]|\Z)|[()]", re.DOTALL)
_DEEPEST = 1000  # groups within groups that Go's parser takes

_ANY_BYTE = lazy_regex(r"(?<!\\)(?:\\\\)*\\C")


@dataclass(frozen=True, slots=True)
class BadPattern:
    """Why a text is no regular expression to Go."""

    reason: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """An expression that takes more memory than it may: Go may take it, and what it matches is not known."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled regular expression."""

    text: str
    _compiled: Any

    def searches(self, text: str) -> bool:
        """Whether it matches anywhere in the text; KMM never asks for a match of the whole."""
        return self._compiled.search(_encoded(text)) is not None


class PatternSet:
    """Expressions that are searched for all at once, in one pass over a text: each of them is one that compiles alone.

    Where they need too much memory together, nothing is found.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        self._set = re2.Set.SearchSet(_TOGETHER_OPTIONS)
        for text in expressions:
            self._set.Add(_encoded(text))
        self._set.Compile()

    def first(self, text: str) -> int | None:
        """The index of the first expression that matches anywhere in a text."""
        return min(self._set.Match(_encoded(text)) or (), default=None)


def whole_lines(expressions: Iterable[str], text: str) -> set[str] | None:
    """The lines of a text that one of the expressions matches in full; None where they are too large together.

    The expressions match no line break. They are compiled and searched for once, as alternatives.
    """
    found = _compiled(f"(?m)^(?:{'|'.join(expressions)})$", _TOGETHER_OPTIONS)
    if not isinstance(found, Pattern):
        return None
    return {match.decode("utf-8", "surrogatepass") for match in found._compiled.findall(_encoded(text))}


def _bounded(text: str) -> Pattern | BadPattern | TooLarge:
    """The expression as Go's regexp.Compile would take it, or why it would not, within BOUND."""
    return _compiled(text, _BOUND_OPTIONS) if len(text) <= BOUND else TooLarge()


compile_pattern = kept(_bounded, _KEPT)


def compile_any(text: str) -> Pattern | BadPattern:
    """The same however large it is: for expressions of one's own."""
    found = compile_pattern(text)
    if isinstance(found, TooLarge):
        found = _compiled(text, _UNBOUND_OPTIONS)
    return BadPattern("expression too large") if isinstance(found, TooLarge) else found


def _compiled(text: str, options: Any) -> Pattern | BadPattern | TooLarge:
    if any("\ud800" <= char <= "\udfff" for char in text):
        return BadPattern("invalid UTF-8")
    if _ANY_BYTE.search(_QUOTED.sub("", text)):
        return BadPattern("invalid escape sequence: `\\C`")
    if _depth(text) >= _DEEPEST:
        return BadPattern(f"expression nests too deeply: `{text[:20]}…`")
    try:
        compiled = re2.compile(_encoded(text), options)
        if not text.isascii() and (odd := next((name for name in compiled.groupindex if not name.isascii()), b"")):
            return BadPattern(f"invalid named capture: `{odd.decode()}`")
        return Pattern(text, compiled)
    except re2.error as error:
        reason = error.args[0] if error.args else b"cannot be compiled"
        if isinstance(reason, str):
            reason = reason.encode()
        return TooLarge() if reason.startswith(_TOO_LARGE) else BadPattern(reason.decode("utf-8", "replace"))


def _depth(text: str) -> int:
    """How many groups stand within each other; a rough count where there cannot be too many."""
    if text.count("(") < _DEEPEST:
        return 0
    depth = deepest = 0
    for match in _BRACKETS.finditer(text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
