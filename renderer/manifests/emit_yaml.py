"""Manifest → YAML text that every reader reads back alike.

No YAML library quotes for Go's parser, which kubectl and Argo CD use, so plain text is an allow-list here and
everything else is double-quoted. Dockerfiles and other texts of several lines become literal blocks where nothing in
them can be misread. Long lines are never folded, sequences are not indented, there are no anchors.

Sources: YAML 1.2.2 §7 and §8; resolve.go and scannerc.go of go-yaml v3; PyYAML's scanner (simple keys of at most
1,024 characters).
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.lazy import lazy_regex

_PLAIN = lazy_regex(r"[A-Za-z/](?:[A-Za-z0-9_./-]|:(?=[A-Za-z0-9_./-]))*")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))
_MAX_PLAIN = 512

_BLOCK = lazy_regex(r"(?=[^\s])(?:[^\n]*\n)+[^\n]*")
_MAX_SIMPLE_KEY = 200


class CannotEmit(ValueError):
    """A value that YAML or JSON cannot hold: a lone surrogate, a number that is not finite or beyond 64 bits."""


class AsWritten(str):
    """A string for another program, such as a Jinja expression: it is quoted, and nothing of it is escaped."""

    __slots__ = ()


class Quoted(str):
    """A string that is quoted, whether it needs it or not."""

    __slots__ = ()


def emit(value: Json) -> str:
    """The YAML document of a value, with a final newline. Raises CannotEmit."""
    lines: list[str] = []
    if isinstance(value, dict) and value:
        _emit_map(value, "", lines)
    elif isinstance(value, list) and value:
        _emit_list(value, "", lines)
    else:
        lines.append(_inline(value, ""))
    lines.append("")
    return "\n".join(lines)


def _emit_map(value: dict[str, Json], indent: str, lines: list[str], first: str | None = None) -> None:
    """The entries of a map; `first` replaces the indent of the first one, after the dash of a list."""
    prefix = indent if first is None else first
    for key, item in value.items():
        head = prefix + scalar(key)
        if len(key) > _MAX_SIMPLE_KEY:
            lines.append(f"{prefix}? {scalar(key)}")
            head = indent
        prefix = indent
        if isinstance(item, dict) and item:
            lines.append(head + ":")
            _emit_map(item, indent + "  ", lines)
        elif isinstance(item, list) and item:
            lines.append(head + ":")
            _emit_list(item, indent, lines)
        else:
            lines.append(f"{head}: {_inline(item, indent)}")


def _emit_list(value: list[Json], indent: str, lines: list[str], first: str | None = None) -> None:
    prefix = indent if first is None else first
    for item in value:
        if isinstance(item, dict) and item:
            _emit_map(item, indent + "  ", lines, prefix + "- ")
        elif isinstance(item, list) and item:
            _emit_list(item, indent + "  ", lines, prefix + "- ")
        else:
            lines.append(f"{prefix}- {_inline(item, indent)}")
        prefix = indent


def _inline(value: Json, indent: str) -> str:
    if isinstance(value, AsWritten):
        return _as_written(value)
    if isinstance(value, Quoted):
        return quoted_scalar(value)
    if isinstance(value, str):
        return _block(value, indent) if "\n" in value and _may_be_block(value) else scalar(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    return _number(value)


def _as_written(text: str) -> str:
    quote = '"' if "'" in text and '"' not in text and "\\" not in text else "'"
    return f"{quote}{text.replace(quote, quote * 2)}{quote}"


def _number(value: int | float) -> str:
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise CannotEmit(f"{value} is beyond 64 bits")
        return str(value)
    if value != value or value in (float("inf"), float("-inf")):
        raise CannotEmit(f"{value} is not a number that JSON can hold")
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text  # 1e+16 has no dot, YAML 1.1 wants one


@lru_cache(maxsize=1 << 12)
def scalar(text: str) -> str:
    """A string as one line of YAML, quoted unless no reader can take it for something else. Raises CannotEmit."""
    if _PLAIN.fullmatch(text) and len(text) <= _MAX_PLAIN and text.lower() not in _WORDS:
        return text
    return quoted_scalar(text)


def quoted_scalar(text: str) -> str:
    """A string between quotes, on one line. Raises CannotEmit."""
    plain = _is_printable(text)
    if plain and ("\\" in text or '"' in text):
        return "'" + text.replace("'", "''") + "'"  # a regular expression stays readable
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted if plain else _unprintable().sub(_escape, quoted)


def _is_printable(text: str) -> bool:
    """Whether the text may stand between quotes, or as a line of a block, as it is."""
    return (text.isascii() and text.isprintable()) or not _unprintable().search(text)


@cache
def _unprintable() -> re.Pattern[str]:
    """Control characters, and what is a line break to some version of YAML. Slow to compile, and rarely needed."""
    return re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:
        raise CannotEmit(f"the text holds a lone surrogate, U+{code:04X}")
    return f"\\u{code:04x}"


def _may_be_block(text: str) -> bool:
    printable = _is_printable(text.replace("\n", "").replace("\t", ""))
    return printable and not text.endswith("\n\n") and _BLOCK.fullmatch(text) is not None


def _block(text: str, indent: str) -> str:
    """A literal block: the first line starts with a visible character, at most one newline ends the text."""
    head = "|" if text.endswith("\n") else "|-"
    lines = text.removesuffix("\n").split("\n")
    return "\n".join([head, *(f"{indent}  {line}" if line else "" for line in lines)])
