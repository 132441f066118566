"""What is worked out when it is first used is worked out once, and is what it would have been at once."""

from __future__ import annotations

import copy
import pickle
import re
from unittest.mock import patch

import pytest

from kmodgate.policy.lazy import compile_expressions, lazy_regex


def test_an_expression_is_compiled_when_it_is_first_used_and_once_a_method() -> None:
    expression = lazy_regex("(a+)b", re.IGNORECASE)
    with patch("re.compile", wraps=re.compile) as compile:
        assert compile.call_count == 0
        assert [expression.sub(r"<\1>", "AAb") for _ in range(3)] == ["<AA>"] * 3
        assert compile.call_count == 1


def test_an_expression_has_all_that_a_compiled_one_has() -> None:
    expression, compiled = lazy_regex("(?P<x>a)"), re.compile("(?P<x>a)")
    assert (expression.pattern, expression.flags, dict(expression.groupindex)) == ("(?P<x>a)", compiled.flags, {"x": 1})
    with pytest.raises(AttributeError):
        expression.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_an_expression_can_be_copied_and_sent_used_or_not() -> None:
    for used in (False, True):
        expression = lazy_regex("a+")
        assert not used or expression.fullmatch("aa")
        for other in (copy.copy(expression), copy.deepcopy(expression), pickle.loads(pickle.dumps(expression))):
            assert other.fullmatch("aa")


def test_a_server_compiles_all_expressions_before_anybody_asks() -> None:
    expression = lazy_regex("a+b")
    compile_expressions()
    with patch("re.compile", wraps=re.compile) as compile:
        assert expression.fullmatch("aab")
        assert expression.split("1ab2") == ["1", "2"]
        assert compile.call_count == 0
