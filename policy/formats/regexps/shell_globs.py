"""Globs of the shell for the name of one file → regular expressions.

`*` and `?` match no slash, as in a path. Source: Shell Command Language of POSIX, 2.13 Pattern Matching Notation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kmodgate.policy.lazy import lazy_regex

_GLOB = lazy_regex(r"[*?\[]")
_CLASS = r"\[:[a-z]+:\]"
_PIECE = lazy_regex(rf"\*+|\?|\[[!^]?+\]?+(?:{_CLASS}|[^\]/\n])*\]|.", re.DOTALL)
_OUTSIDE = lazy_regex(r"\*+|\?|.", re.DOTALL)
_NAMES = lazy_regex(r"[^/\n]+|[/\n]+")
_ESCAPED = lazy_regex(rf"({_CLASS})|([\\\[\]^&~|])")
_NONE_OF = "[^/\n"
_ANY = f"{_NONE_OF}]"


def is_glob(text: str) -> bool:
    """Return whether the shell would look for files instead of taking the text as it stands."""
    return _GLOB.search(text) is not None


def as_expression(glob: str, stand_ins: Mapping[str, str] | None = None, *, kernel_names: bool = False) -> str:
    """Return the expression of a glob, without anchors; it matches no line break.

    `stand_ins` are single characters that stand for an expression of their own. With `kernel_names` it is for names as
    the kernel writes them, in which a `-` of the glob is `_`.
    """
    return "".join([_expression(piece, stand_ins or {}, kernel_names=kernel_names) for piece in _pieces(glob)])


def _pieces(glob: str) -> Iterator[str]:
    """Split a glob into its signs, brackets and characters.

    After the last `]` of a name no bracket is looked for: each that begins would be followed to the end of the name.
    """
    for name in _NAMES.findall(glob):
        end = name.rfind("]") + 1
        yield from _PIECE.findall(name[:end])
        yield from _OUTSIDE.findall(name, end)


def _expression(piece: str, stand_ins: Mapping[str, str], *, kernel_names: bool) -> str:
    if piece.startswith("*"):
        return f"{_ANY}*"
    if piece == "?":
        return _ANY
    if len(piece) > 1:
        return _bracket(piece, kernel_names=kernel_names)
    return stand_ins.get(piece) or re.escape("_" if kernel_names and piece == "-" else piece)


def _bracket(piece: str, *, kernel_names: bool) -> str:
    """Return a bracket expression; a `-` at an end of it is the character, and any other one makes a range."""
    is_negated = piece[1] in "!^"
    content = piece[2 if is_negated else 1 : -1]
    dash = "\\-" if content[:1] == "-" or content[-1:] == "-" else ""
    more = "_" if dash and kernel_names else ""
    escaped = _ESCAPED.sub(lambda match: match[1] or f"\\{match[2]}", content.strip("-"))
    return f"{_NONE_OF if is_negated else '['}{dash}{more}{escaped}]"
