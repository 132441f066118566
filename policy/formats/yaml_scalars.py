"""Plain YAML scalars → values, by a table of our own: YAML 1.2's core schema where all readers agree with it.

What PyYAML, Go's parser and editors would read differently is no value but a reason. Sources: YAML 1.2.2 §10.3 (core
schema), YAML 1.1 type repository, resolve.go of go-yaml v3 as sigs.k8s.io/yaml uses it.
"""

from __future__ import annotations

import json
import math
import re

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept

Scalar = str | int | float | bool | None

_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A plain scalar that YAML readers disagree on, or that JSON cannot hold."""

    why: str
    fix: str = ""


_WORDS: dict[str, Scalar | Ambiguous] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "=": Ambiguous("a special value to some YAML readers and a string to others"),
    "<<": Ambiguous("a merge key to some YAML readers and a string to others"),
}  # fmt: skip
for _word in ("y", "n", "yes", "no", "on", "off"):
    for _form in {_word, _word.capitalize(), _word.upper()}:
        _WORDS[_form] = Ambiguous("a boolean to kubectl and a string to others")

_MAY_BE_NUMBER = lazy_regex(r"[-+]?\.?[0-9]|[-+]?\.(?:inf|nan)", re.IGNORECASE)
_INTEGER = lazy_regex(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = lazy_regex(r"[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?)|\.[0-9]+(?:[eE][-+][0-9]+)?")
_HEX = lazy_regex(r"0x[0-9a-fA-F]+")
_NOT_FINITE = lazy_regex(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_OCTAL = lazy_regex(r"[-+]?0o?[0-7_]+")
_DATE = lazy_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9].*)?")
_DISPUTED = lazy_regex(
    r"[-+]?(?:[0-9_]+"  # underscores, leading zeros
    r"|0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7_]+"
    r"|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"  # base 60
    r"|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?)"  # exponents, signed fractions
)
_LONGEST_INTEGER = len("-0b") + 64
_GO_INTEGER = lazy_regex(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)")
_GO_FLOAT = lazy_regex(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


@kept  # the files of a fleet have most words in common, and share them then
def resolve(text: str) -> Scalar | Ambiguous:
    """The value of a plain scalar on which all readers agree, or why they do not."""
    if text in _WORDS:
        return _WORDS[text]
    if not _MAY_BE_NUMBER.match(text):
        return text
    return _resolve_number(text)


def _resolve_number(text: str) -> Scalar | Ambiguous:
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 20 and -_INT64 <= int(text) < _INT64 else Ambiguous("a number beyond 64 bits")
    if _FLOAT.fullmatch(text):
        return float(text) if float(text) not in (float("inf"), float("-inf")) else Ambiguous("a number beyond 64 bits")
    if _HEX.fullmatch(text):
        return int(text, 16) if len(text) <= 17 else Ambiguous("a number beyond 64 bits")
    if _NOT_FINITE.fullmatch(text):
        return Ambiguous("a number that Kubernetes cannot hold")
    if _OCTAL.fullmatch(text):
        value = re.sub(r"[-+_o]", "", text)
        fix = f"write {int(value, 8)} for the number, or quote it: {quoted(text)}" if len(value) < 20 else ""
        return Ambiguous("an octal number to kubectl and something else to others", fix)
    if _DATE.fullmatch(text):
        return Ambiguous("a date to some YAML readers and a string to others")
    if _DISPUTED.fullmatch(text):
        return Ambiguous("a number to some YAML readers and a string to others")
    return text


def as_kubectl(text: str) -> Scalar:
    """What kubectl makes of a plain scalar that readers disagree on.

    Source: resolve.go of the go-yaml that sigs.k8s.io/yaml carries.
    """
    if isinstance(_WORDS.get(text), Ambiguous) and text.isalpha():
        return text.lower() in ("y", "yes", "on")
    plain = text.replace("_", "")
    if len(plain) <= _LONGEST_INTEGER and _GO_INTEGER.fullmatch(plain):
        value = int(re.sub(r"^([-+]?)0(?=[0-7])", r"\g<1>0o", plain), 0)
        if -_INT64 <= value < 2 * _INT64:
            return value
    if _GO_FLOAT.fullmatch(plain) and math.isfinite(number := float(plain)):
        return int(number) if number.is_integer() and abs(number) < _INT64 else number
    return text


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
