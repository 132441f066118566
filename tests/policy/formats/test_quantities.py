"""Amounts of CPUs, as Kubernetes reads them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from kmodgate.policy.formats.quantities import cpus


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8", 8), ("500m", Fraction(1, 2)), ("0.5", Fraction(1, 2)), (".5", Fraction(1, 2)), ("2.", 2), ("+1", 1), ("1e1", 10),
        ("25E-1", Fraction(5, 2)), ("1k", 1000), ("1Ki", 1024), ("100u", Fraction(1, 10000)), (4, 4), (1.5, Fraction(3, 2)),
    ],
)  # fmt: skip
def test_a_quantity_is_read_exactly(text: object, amount: Fraction) -> None:
    assert cpus(text) == amount


@pytest.mark.parametrize(
    "text", ["", "-1", "8 ", "1mi", "1 m", "nan", "1e", "1e999", float("inf"), True, None, [], "9" * 400]
)
def test_what_is_no_amount_of_cpus_is_none(text: object) -> None:
    assert cpus(text) is None
