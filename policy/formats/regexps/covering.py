"""Expressions that match all that another one matches, as far as it shows in how both begin or end."""

from __future__ import annotations

from kmodgate.policy.formats.regexps.regexp_alternatives import alternatives
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept

_PLAIN = r"((?:[A-Za-z0-9_-]|\\[.+-])+)"
_BEGINNING = lazy_regex(rf"\^{_PLAIN}(?:(\.\+)|\.\*)?\$?")
_END = lazy_regex(rf"\^\.[*+]{_PLAIN}\$")
_ONE_MORE = lazy_regex(r"(?:[A-Za-z0-9_-]|\\[.+-]|\.|\[[^\]\\\[]+\])(?![?*{])")
_OTHERWISE = lazy_regex(r"\(\?|\\[xpPQ]")
"""Flags, and what hides the characters that stand for a text."""


def covers(first: str, second: str) -> bool:
    """Whether one expression matches every kernel that another one matches: `^5\\.14\\..+$` and `^5\\.14\\.0-427.+$`.

    Found is what begins, or ends, with the same plain text; False says nothing.
    """
    return _is_behind(first, second) or _is_before(first, second)


def _is_behind(first: str, second: str) -> bool:
    """Whether the second goes on behind the plain text that the first begins with."""
    found = _beginning(first)
    if found is None or not second.startswith(f"^{found[0]}") or not _is_plain(second):
        return False
    rest = second[len(found[0]) + 1 :]
    return _ONE_MORE.match(rest) is not None if found[1] else not rest.startswith(("?", "*", "{"))


def _is_before(first: str, second: str) -> bool:
    """Whether the second has something before the plain text that the first ends with."""
    end = _end(first)
    if not end or not second.endswith(end) or not _is_plain(second):
        return False
    before = second[: -len(end)]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 0


@kept
def _beginning(text: str) -> tuple[str, bool] | None:
    """The plain text that an expression begins with before it takes anything, and whether it takes one at least."""
    found = _BEGINNING.fullmatch(text)
    if found is None or (text.endswith("$") and not text.endswith((".+$", ".*$"))):
        return None
    return found[1], found[2] is not None


@kept
def _end(text: str) -> str:
    """The plain text that an expression ends with after it took anything, with the `$`; or nothing."""
    found = _END.fullmatch(text)
    return f"{found[1]}$" if found else ""


@kept
def _is_plain(text: str) -> bool:
    """Whether an expression is one alternative, and nothing in it hides what its characters stand for."""
    return _OTHERWISE.search(text) is None and len(alternatives(text)) == 1
