"""Amounts of resources, as Kubernetes writes them."""

from __future__ import annotations

from fractions import Fraction

from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept

_QUANTITY = lazy_regex(r"\+?(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:([numkKMGTPE]i?)|[eE]([+-]?\d{1,2}))?")

PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
"""The expression for quantities in definitions of custom resources, as Kubernetes generates it."""

_SUFFIXES = {
    **{
        suffix: Fraction(10) ** (3 * power)
        for suffix, power in zip("numkMGTPE", (-3, -2, -1, 1, 2, 3, 4, 5, 6), strict=True)
    },
    **{f"{suffix}i": Fraction(2) ** (10 * power) for power, suffix in enumerate("KMGTPE", 1)},
}


def amount(value: object) -> Fraction | None:
    """Return how much a quantity is: `500m`, `2`, `-1`, `1e1`, `1Gi`; None for what is no quantity.

    Source: k8s.io/apimachinery pkg/api/resource/quantity.go.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return _amount(str(value))


@kept
def _amount(text: str) -> Fraction | None:
    found = _QUANTITY.fullmatch(text.removeprefix("-"))
    if found is None or found[2] not in (None, *_SUFFIXES):
        return None
    number = Fraction(found[1]) * (-1 if text.startswith("-") else 1)
    if found[3]:
        return number * Fraction(10) ** int(found[3])
    return number * _SUFFIXES[found[2]] if found[2] else number


def cpus(value: object) -> Fraction | None:
    """Return how many CPUs a quantity is: `500m`, `2`, `0.5`; None for what is no amount of CPUs."""
    found = amount(value)
    return found if found is None or found >= 0 else None


def corrected(text: str) -> str:
    """Return the quantity that a text means: `1Gi` for `1 GiB` or `1gi`, `1G` for `1GB`; empty if unsure."""
    found = _SPOKEN.fullmatch(text.strip())
    if found is None:
        return ""
    number, unit = found[1], found[2]
    if unit in ("m", "M"):  # thousandths, and millions
        return number + unit
    return number + _UNITS[unit.lower()] if unit.lower() in _UNITS else ""


_SPOKEN = lazy_regex(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")
_UNITS = {
    **{f"{unit}{end}": f"{unit.upper()}i" for unit in "kmgtpe" for end in ("i", "ib")},
    **{f"{unit}b": "k" if unit == "k" else unit.upper() for unit in "kmgtpe"},
    **{unit: unit.upper() for unit in "gtpe"},
    "k": "k",
}
"""Units as people write them, in small letters, and as Kubernetes does."""
