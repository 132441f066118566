"""Globs of the shell as regular expressions: Python's own matching of file names is the oracle."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.formats.regexps.go_regexps import Pattern, compile_pattern
from kmodgate.policy.formats.regexps.shell_globs import as_expression, is_glob


def matches(glob: str, name: str, *, kernel_names: bool = False) -> bool:
    compiled = compile_pattern(f"^(?:{as_expression(glob, {'#': '[0-9]+'}, kernel_names=kernel_names)})$")
    return isinstance(compiled, Pattern) and compiled.searches(name)


@given(
    st.lists(
        st.sampled_from(["a", "-", ".", "+", "*", "?", "[ab]", "[!a]", "[a-c]", "[.]", "[^a]", "]", "[]a]", "[a-]"])
    ),
    st.text("ab-.+]^", max_size=5),
)
def test_globs_match_what_the_shell_matches(pieces: list[str], name: str) -> None:
    glob = "".join(pieces)
    # fnmatch knows no [^: POSIX leaves it open, and the shells read it as [!
    assert matches(glob, name) == fnmatch.fnmatchcase(name, glob.replace("[^", "[!"))


@pytest.mark.parametrize(
    ("glob", "name", "expected"),
    [
        ("nic*", "nic/x", False),
        ("nic?", "nic/", False),
        ("nic[!a]", "nic/", False),
        ("nic*", "nic\nx", False),
        ("nic[!a]", "nic\n", False),
        ("nic#.ko", "nic15.ko", True),
        ("nic#.ko", "nicx.ko", False),
        ("nic[[:digit:]]", "nic7", True),
        ("nic[[:digit:]]", "nicx", False),
        ("nic[z-a]", "nicz", False),
        ("nic[0-9", "nic[0-9", True),
    ],
)
def test_no_glob_goes_beyond_one_name(glob: str, name: str, expected: bool) -> None:
    assert matches(glob, name) is expected


@pytest.mark.parametrize(
    ("glob", "name", "expected"),
    [
        ("my-nic", "my_nic", True),
        ("my-*", "my_nic", True),
        ("nic[0-9]", "nic5", True),
        ("nic[0-9]", "nic_", False),
        ("nic[a-]", "nic_", True),
        ("nic[-a]", "nic_", True),
        ("nic[-a]", "nicb", False),
    ],
)
def test_a_dash_is_an_underscore_where_names_are_the_kernels(glob: str, name: str, expected: bool) -> None:
    assert matches(glob, name, kernel_names=True) is expected


def test_only_three_characters_make_a_glob() -> None:
    assert [text for text in ("a", "a*", "a?", "[a", "a]", "$x") if is_glob(text)] == ["a*", "a?", "[a"]


@pytest.mark.parametrize("unit", ["[", "[!", "[[:a", "[]", "é[", "[\n", "[/"])
@pytest.mark.parametrize("end", ["", "]", "\n]", "/]"])
def test_brackets_that_never_end_take_no_longer_than_others(unit: str, end: str) -> None:
    """A Module of 16 KB held up the webhook for half a minute with one such name."""
    began = time.process_time()
    as_expression(unit * 16_000 + end)
    assert time.process_time() - began < 1
