"""Whether an expression matches all that another one matches."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.policy.formats.regexps.covering import covers
from tests.draws import drawn

PARTS = (
    "5",
    r"\.",
    "14",
    ".",
    ".+",
    ".*",
    "[0-9]",
    "[0-9]+",
    "-",
    "el9",
    "(a|b)",
    "x86_64",
    "?",
    "*",
    "|",
    r"\\d",
    r"\\",
)
KERNELS = (
    "5.14.0-427.13.1.el9_4.x86_64",
    "5.14",
    "5.141",
    "5.1",
    "5-14",
    "55.14",
    "514",
    "5.14.x86_64",
    "5ax86_64",
    "5.14el9",
)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (r"^5\.14\..+$", r"^5\.14\.0-427.+$", True),
        (r"^5\.14", r"^5\.14\.0-427.+$", True),
        (r"^5\.14\..*$", r"^5\.14\..+\.el9.*$", True),
        (r"^.+\.x86_64$", r"^5\.14\..+\.x86_64$", True),
        (r"^5\.14\.0-427.+$", r"^5\.14\..+$", False),
        (r"^5\.1.+$", r"^5\.1$", False),
        (r"^5\.1$", r"^5\.14.+$", False),
        (r"^5\.1.+$", r"^5\.1?4.+$", False),
        (r"^5\.14.+$", r"^5\.14.+$|^6.+$", False),
        (r"^5\.14.+$", r"5\.14\.0.+$", False),
        (r"^.+\.x86_64$", r"^.+x86_64$", False),
    ],
)
def test_the_more_general_expression_covers_the_other(first: str, second: str, expected: bool) -> None:
    assert covers(first, second) is expected


@settings(max_examples=drawn(300), deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=5), st.lists(st.sampled_from(PARTS), max_size=6), st.booleans())
def test_what_is_covered_matches_nothing_else(one: list[str], other: list[str], is_open: bool) -> None:
    first, second = f"^{''.join(one)}{'' if is_open else '.+$'}", f"^{''.join(other)}"
    try:
        patterns = re.compile(first), re.compile(second)
    except re.error:
        return
    if covers(first, second):
        assert not [name for name in KERNELS if patterns[1].search(name) and not patterns[0].search(name)]
