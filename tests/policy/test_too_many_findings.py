"""A rule that finds more in one object than anybody reads: what is left out is said, and the same at every gate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmodgate.policy.config import Gate, Policy
from kmodgate.policy.engine import MOST_FINDINGS, Engine
from kmodgate.policy.findings import NOT_CHECKED, Finding, Mode, Problem
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from kmodgate.policy.rule import RULES, rule
from tests.webhook.manifests import module

GATES: tuple[Gate, ...] = ("render", "check", "admit")


@pytest.fixture
def counting() -> Iterator[None]:
    """A rule that finds as much as the annotations say, after what it could not check."""

    @rule("TST901")
    def counted(review: Review) -> Iterator[Problem]:
        annotations = review.object["metadata"]["annotations"]
        for number in range(int(annotations["unchecked"])):
            yield Problem(("spec", number), f"{NOT_CHECKED}: {number}", "give it")
        for number in range(int(annotations["found"])):
            yield Problem(("spec", number), f"wrong: {number}", "mend it")

    yield
    del RULES["TST901"]


def found(gate: Gate, wrong: int, unchecked: int = 0) -> list[Finding]:
    item = module(0)
    item["metadata"]["annotations"] = {"found": str(wrong), "unchecked": str(unchecked)}
    return Engine(Policy(), gate, only=("TST901",)).evaluate(Review(defaulted(item)))


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("gate", GATES)
def test_as_many_findings_as_are_shown_are_shown_without_a_word(gate: Gate) -> None:
    messages = [finding.message for finding in found(gate, MOST_FINDINGS)]
    assert messages == [f"wrong: {number}" for number in range(MOST_FINDINGS)]


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("more", [1, 5000])
def test_what_is_left_out_is_said_where_it_begins(gate: Gate, more: int) -> None:
    *shown, last = found(gate, MOST_FINDINGS + more)
    assert len(shown) == MOST_FINDINGS
    assert (last.rule, last.field, last.mode) == ("TST901", f"spec[{MOST_FINDINGS}]", Mode.ENFORCE)
    assert "more than 1000 findings" in last.message
    assert last.fix


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("gate", GATES)
def test_what_could_not_be_checked_is_bounded_and_hides_nothing_that_was_found(gate: Gate) -> None:
    findings = found(gate, 2, unchecked=5000)
    assert [finding.message for finding in findings if not finding.is_unchecked] == ["wrong: 0", "wrong: 1"]
    assert len(findings) == MOST_FINDINGS + 2
