"""Regular expressions as KMM reads them: Go's dialect, on RE2, in linear time.

RE2 and Go's regexp agree but for `\\C` and names of groups beyond ASCII, which only RE2 knows, and for repetitions of
large classes, which need more memory than RE2's default. Source: regexp/syntax of Go; re2.h (max_mem, log_errors).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import re2

from policy.kept import kept

_MAX_MEMORY = 256 << 20  # an upper bound for one program; RE2 takes what it needs

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = _MAX_MEMORY

_QUOTED = re.compile(r"\\Q.*?(?:\\E|\Z)", re.DOTALL)
_BRACKETS = re.compile(r"\\.|\[\^?\]?[^\]]*\]|[()]", re.DOTALL)
_DEEPEST = 1000  # groups within groups that Go's parser takes

_ANY_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")


@dataclass(frozen=True, slots=True)
class BadPattern:
    """Why a text is no regular expression to Go."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled regular expression."""

    text: str
    _compiled: Any

    def searches(self, text: str) -> bool:
        """Whether it matches anywhere in the text; KMM never asks for a match of the whole."""
        return self._compiled.search(_encoded(text)) is not None


@kept
def compile_pattern(text: str) -> Pattern | BadPattern:
    """The expression as Go's regexp.Compile would take it, or why it would not."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        return BadPattern("invalid UTF-8")
    if _ANY_BYTE.search(_QUOTED.sub("", text)):
        return BadPattern("invalid escape sequence: `\\C`")
    if _depth(text) >= _DEEPEST:
        return BadPattern(f"expression nests too deeply: `{text[:20]}…`")
    try:
        compiled = re2.compile(_encoded(text), _OPTIONS)
        if not text.isascii() and (odd := next((name for name in compiled.groupindex if not name.isascii()), b"")):
            return BadPattern(f"invalid named capture: `{odd.decode()}`")
        return Pattern(text, compiled)
    except re2.error as error:
        reason = error.args[0] if error.args else "cannot be compiled"
        return BadPattern(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason))


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
