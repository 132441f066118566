"""The condition under which the API server asks about a Secret or ConfigMap: it may be of no use any more.

CEL cannot decode base64, so what a pull secret says is looked for as base64 has it, in each of the three ways in which
a text may lie in it. What is asked in vain waits for the webhook; what is not asked is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_lowercase, ascii_uppercase, digits

from kmodgate.policy.webhook_entries.conditions import Condition

_SHORTEST = 24
"""Characters of base64, or of text, below which a value may say nothing."""

_LONGEST_OF_REGISTRIES = 1368
"""Characters of base64 up to which a pull secret may name registries without a password: 1,024 bytes."""

_LONGEST_BLANK = 4096
"""Characters up to which a value is looked through: the API server's budget for conditions is the same for all keys."""

_SPACES = r"^\s*$"
_SPACES_IN_BASE64 = "^([ACDI][ACQSgi][Ako0=][AJKNg=])*$"
"""Nothing but spaces, ends of lines and zero bytes, three by three."""

_ALPHABET = ascii_uppercase + ascii_lowercase + digits + "+/"


def _in_base64(*bytes_: str) -> Iterator[str]:
    """Yield the expressions for a text in base64, by where it begins; each of `bytes_` is the characters of one."""
    for offset in range(3):
        known: list[Sequence[int]] = [range(256)] * offset + [[ord(item) for item in one] for one in bytes_]
        known += [range(256)] * (-len(known) % 3)
        groups = (known[start : start + 3] for start in range(0, len(known), 3))
        yield "".join(_class(group, place) for group in groups for place in range(4)).strip(".")


def _class(group: Sequence[Sequence[int]], place: int) -> str:
    """The characters that may stand at one of the four places for three bytes."""
    one, two, three = group
    left, right = (
        ({byte >> 2 for byte in one}, {0}),
        ({(byte & 3) << 4 for byte in one}, {byte >> 4 for byte in two}),
        ({(byte & 15) << 2 for byte in two}, {byte >> 6 for byte in three}),
        ({byte & 63 for byte in three}, {0}),
    )[place]
    found = sorted({high | low for high in left for low in right})
    if len(found) == len(_ALPHABET):
        return "."
    text = "".join(_ALPHABET[index] for index in found)
    return text if len(text) == 1 else f"[{text}]"


_LETTERS = ascii_uppercase + ascii_lowercase
_NO_USER = ('"', "a", "u", "t", "h", '"', ":", '"', "O", "ghijklmnopqrstuv")
_NO_PASSWORD = (
    ("O", "g", "=", "="),
    ("O", "g", '"'),
    ("DTjz", "o", '="'),
    (_ALPHABET[::4], "6", '"'),
)
"""How the base64 of a user and password ends that has nothing after the colon."""

_CREDENTIALS = "|".join(_in_base64(*'"auth":"', _LETTERS))
"""`"auth":"` and the letter after it, as base64 has them by where they begin: what rotates them goes on."""

_OF_NOBODY = "|".join(pattern for text in (_NO_USER, *_NO_PASSWORD) for pattern in _in_base64(*text))

_BEGINNING = "eyJhdXRocyI6"
"""`{"auths":` in base64."""


def _loses_a_key(field: str) -> str:
    """That a key of the field is gone, or has a value that may say nothing."""
    value, size = f"object.{field}[key]", f"size(object.{field}[key])"
    is_blank = " || ".join(f"{value}.matches(r'{pattern}')" for pattern in (_SPACES, _SPACES_IN_BASE64))
    is_little = (
        f"{size} < {_SHORTEST} || "
        f"(key in ['.dockerconfigjson', '.dockercfg'] && {size} <= {_LONGEST_OF_REGISTRIES} && "
        f"(!{value}.matches('{_CREDENTIALS}') || {value}.matches('{_OF_NOBODY}') || "
        f"(key == '.dockerconfigjson' && !{value}.startsWith('{_BEGINNING}')))) || "
        f"({size} < {_LONGEST_BLANK} && ({is_blank}))"
    )
    is_short = f"{value} != oldObject.{field}[key] && ({is_little})"
    is_lost = f"oldObject.{field}.exists(key, !(key in object.{field}) || ({is_short}))"
    return f"(has(oldObject.{field}) && (!has(object.{field}) || {is_lost}))"


LOSES_A_KEY = Condition("loses-a-key", f"{_loses_a_key('data')} || {_loses_a_key('binaryData')}", otherwise="Ignore")
