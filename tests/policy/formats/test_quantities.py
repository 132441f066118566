"""Amounts of resources, as Kubernetes reads them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from kmodgate.policy.formats.quantities import amount, corrected, cpus


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8", 8), ("500m", Fraction(1, 2)), ("0.5", Fraction(1, 2)), (".5", Fraction(1, 2)), ("2.", 2), ("+1", 1), ("1e1", 10),
        ("25E-1", Fraction(5, 2)), ("1k", 1000), ("1Ki", 1024), ("100u", Fraction(1, 10000)), (4, 4), (1.5, Fraction(3, 2)),
    ],
)  # fmt: skip
def test_a_quantity_is_read_exactly(text: object, expected: Fraction) -> None:
    assert cpus(text) == expected


@pytest.mark.parametrize(
    "text", ["", "-1", "8 ", "1mi", "1 m", "nan", "1e", "1e999", float("inf"), True, None, [], "9" * 400]
)
def test_what_is_no_amount_of_cpus_is_none(text: object) -> None:
    assert cpus(text) is None


@pytest.mark.parametrize(("text", "expected"), [("-1Gi", -(1 << 30)), ("-500m", Fraction(-1, 2)), ("--1", None)])
def test_an_amount_may_be_less_than_nothing(text: str, expected: Fraction | None) -> None:
    assert amount(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 Gi", "1Gi"),
        ("1gib", "1Gi"),
        ("64MB", "64M"),
        ("1.5 gi", "1.5Gi"),
        ("1K", "1k"),
        ("512 M", "512M"),
        ("500 m", "500m"),
        ("one Gi", ""),
        ("1 foot", ""),
    ],
)
def test_a_unit_as_people_write_it_is_corrected(text: str, expected: str) -> None:
    assert corrected(text) == expected
