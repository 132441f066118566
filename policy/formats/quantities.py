"""Amounts of resources, as Kubernetes writes them."""

from __future__ import annotations

import re
from fractions import Fraction

_QUANTITY = re.compile(r"\+?(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:([numkKMGTPE]i?)|[eE]([+-]?\d{1,2}))?")

_SUFFIXES = {
    **{
        suffix: Fraction(10) ** (3 * power)
        for suffix, power in zip("numkMGTPE", (-3, -2, -1, 1, 2, 3, 4, 5, 6), strict=True)
    },
    **{f"{suffix}i": Fraction(2) ** (10 * power) for power, suffix in enumerate("KMGTPE", 1)},
}


def cpus(value: object) -> Fraction | None:
    """How many CPUs a quantity is: `500m`, `2`, `0.5`, `1e1`; None for what is no amount of CPUs.

    Source: k8s.io/apimachinery pkg/api/resource/quantity.go.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    found = _QUANTITY.fullmatch(str(value))
    if found is None or found[2] not in (None, *_SUFFIXES):
        return None
    amount = Fraction(found[1])
    if found[3]:
        return amount * Fraction(10) ** int(found[3])
    return amount * _SUFFIXES[found[2]] if found[2] else amount
