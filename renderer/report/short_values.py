"""Values of objects in few letters."""

from __future__ import annotations

import difflib
import json

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.wording import printable

_LONGEST = 100
_AROUND = 24
"""Letters that are shown before and after what differs in a long text."""


def short(value: Json, longest: int = _LONGEST) -> str:
    """A value as JSON on one line, cut where it is long; a missing one is `-`."""
    if value is None:
        return "-"
    text = printable(value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def short_pair(before: Json, after: Json, longest: int = _LONGEST) -> tuple[str, str]:
    """Two values on one line each; of long ones the part that differs, with some letters around it."""
    old, new = short(before, 1 << 20), short(after, 1 << 20)
    if max(len(old), len(new)) <= longest or before is None or after is None:
        return short(before, longest), short(after, longest)
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    first = max(0, start - _AROUND)
    return _part(old, first, len(old) - end + _AROUND, longest), _part(new, first, len(new) - end + _AROUND, longest)


def _common(first: str, second: str) -> int:
    """How many letters two texts begin with alike."""
    differing = (index for index, (one, other) in enumerate(zip(first, second, strict=False)) if one != other)
    return next(differing, min(len(first), len(second)))


def _part(text: str, first: int, end: int, longest: int) -> str:
    piece = text[first:end]
    piece = piece if len(piece) <= longest else f"{piece[: longest - 1]}…"
    return f"{'…' if first else ''}{piece}{'…' if end < len(text) and not piece.endswith('…') else ''}"


def is_text(before: Json, after: Json) -> bool:
    """Whether a value is better shown line by line."""
    return all(value is None or isinstance(value, str) for value in (before, after)) and any(
        isinstance(value, str) and "\n" in value for value in (before, after)
    )


def line_diff(before: Json, after: Json, limit: int) -> list[str]:
    """The lines that differ, with two around them; what is beyond the limit is counted."""
    old, new = (value.splitlines() if isinstance(value, str) else [] for value in (before, after))
    lines = [printable(line) for line in list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]]
    return lines if len(lines) <= limit else [*lines[:limit], f"… {len(lines) - limit} more lines"]
