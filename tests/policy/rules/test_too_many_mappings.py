"""A Module with more mappings than the policy allows: that is all that is said of it, and none of them is compiled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Gate, Policy, PolicyException, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.formats.regexps.go_regexps import compile_pattern
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Operation, Review
from tests.objects.modules import TRAITS
from tests.webhook.manifests import mapped_module

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FEW = 3


def policy(**spec: Any) -> Policy:
    return read_policy({"parameters": {"maxMappings": FEW}, **spec})


def review(count: int, operation: Operation = "CREATE") -> Review:
    manifest = mapped_module(count)
    manifest["spec"]["selector"] = {}  # which another rule refuses
    for mapping in manifest["spec"]["moduleLoader"]["container"]["kernelMappings"]:
        mapping["regexp"] = f"({mapping['regexp']}"  # and so does another this
    subject = defaulted(manifest)
    return Review(subject, operation=operation, cluster=TRAITS, facts=SnapshotFacts([]), now=NOW)


def rules(engine: Engine, review: Review) -> set[str]:
    return {finding.rule for finding in engine.evaluate(review)}


@pytest.mark.parametrize("gate", ["check", "render", "admit"])
def test_nothing_else_is_said_at_any_gate(gate: Gate) -> None:
    engine = Engine(policy(), gate)
    assert rules(engine, review(FEW + 1)) == {"MAP301"}
    assert "MAP301" not in rules(engine, review(FEW))
    assert len(rules(engine, review(FEW))) > 1


def test_no_expression_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(text: str) -> None:
        raise AssertionError(f"{text} is compiled")

    monkeypatch.setattr("kmodgate.policy.views.kernel_mapping.compile_pattern", refused)
    monkeypatch.setattr("kmodgate.policy.views.node_placement.compile_pattern", refused)
    assert rules(Engine(policy(), "admit"), review(FEW + 1)) == {"MAP301"}
    assert "report this bug" in str(Engine(policy(), "admit").evaluate(review(FEW)))
    assert compile_pattern("a") is not None


BORNE = PolicyException("MAP301", "", "", "", "alice", "T-1", date(2026, 2, 1))


@pytest.mark.parametrize(
    "lenient",
    [
        policy(modes={"MAP301": "warn"}),
        policy(modes={"MAP301": "audit"}),
        policy(modes={"MAP301": "disabled"}),
        replace(policy(), exceptions=(BORNE,)),
    ],
    ids=["warned of", "noted", "disabled", "borne"],
)
def test_a_long_list_that_is_let_through_is_no_way_around_the_other_rules(lenient: Policy) -> None:
    engine = Engine(lenient, "admit")
    assert rules(engine, review(FEW + 1)) - {"MAP301"} == rules(Engine(policy(), "admit"), review(FEW))


def test_a_deletion_is_judged_by_all_its_rules() -> None:
    engine = Engine(policy(), "admit")
    assert rules(engine, review(FEW + 1, "DELETE")) == rules(engine, review(FEW, "DELETE"))
