"""Invariant I4: what KMM's own webhooks say of an object, the profile `parity` says, for every case of the oracle."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate import schemas
from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding
from kmodgate.policy.json_schema.schema import Schema
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import ClusterTraits, Operation, Review
from tests.oracle import lines

PARITY = Engine(Policy("parity"))
SCHEMAS = {
    name: Schema(schemas.read(name))
    for name in (*schemas.KINDS.values(), "kmm.sigs.x-k8s.io/preflightvalidation_v1beta1")
}


def judged(engine: Engine, object: Any, old: Any = None, operation: Operation = "CREATE") -> list[Finding]:
    schema = SCHEMAS[schemas.name_of(object["apiVersion"], object["kind"])]
    before = None if old is None else defaulted(old)
    return engine.evaluate(Review(defaulted(object), before, operation, ClusterTraits(schema_of=lambda _: schema)))


@pytest.mark.shared
@pytest.mark.parametrize("stage", ["schema", "webhook", None])
def test_modules_are_refused_as_the_api_server_and_kmm_refuse_them(stage: str | None) -> None:
    cases = [case for case in lines("modules-create") if case.get("stage") == stage]
    assert len(cases) > 200
    for case in cases:
        found = judged(PARITY, case["object"])
        assert bool(found) is not case["allowed"], (case, found)
        if stage == "webhook":
            assert any(finding.rule.startswith("KMM") for finding in found), (case, found)
        if stage == "schema":
            assert any(finding.rule.startswith("SCH") for finding in found), (case, found)


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["Module", "ManagedClusterModule", "PreflightValidation"])
def test_updates_and_other_kinds_get_kmms_verdict(kind: str) -> None:
    cases = [case for case in lines("other-verdicts") if case["object"]["kind"] == kind]
    assert len(cases) > 60
    for case in cases:
        found = judged(PARITY, case["object"], case["oldObject"], case["operation"])
        assert bool(found) is not case["allowed"], (case, found)


WORDS = {
    "combined length": "KMM101", "is not a valid DNS subdomain": "KMM10", "driverName is required": "KMM103",
    "is a duplicate": "KMM104", "hostPath": "KMM105", "mutually exclusive": "KMM201", "regexp or literal must": "KMM202",
    "invalid regexp": "KMM203", "explicitely set a tag": "KMM205",
    "InTreeModule": "KMM206", "invalid key": "KMM301", "when key is empty": "KMM301", "invalid value": "KMM302",
    "value must be empty": "KMM302", "invalid operator": "KMM303", "invalid effect": "KMM304", "effect must be": "KMM304",
    "rawArgs cannot be set": "KMM401", "rawArgs must be set": "KMM402", "loading order": "KMM403",
    "filesToSign is required": "KMM501", "must be under dirName": "KMM502", "empty version": "KMM601", "kernelVersion": "KMM801",
}  # fmt: skip


@pytest.mark.shared
def test_the_reason_is_kmms_reason_too() -> None:
    seen = set()
    cases = [*lines("modules-create"), *lines("other-verdicts")]
    for case in cases:
        if case["allowed"] or case.get("stage") == "schema":
            continue
        rule = next(rule for words, rule in WORDS.items() if words in case["message"])
        found = judged(PARITY, case["object"], case.get("oldObject"), case.get("operation", "CREATE"))
        assert any(finding.rule.startswith(rule) for finding in found), (case["message"], found)
        seen.add(rule)
    assert seen == set(WORDS.values())


@pytest.mark.shared
def test_a_module_that_is_being_deleted_may_be_updated_except_under_parity() -> None:
    case = next(case for case in lines("other-verdicts") if not case["allowed"] and case["object"]["kind"] == "Module")
    object = {**case["object"], "metadata": {**case["object"]["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    strict = judged(Engine(Policy("strict")), object, case["oldObject"], "UPDATE")
    parity = judged(PARITY, object, case["oldObject"], "UPDATE")
    assert parity
    assert {finding.mode for finding in parity} == {"enforce"}
    assert strict
    assert {finding.mode for finding in strict} == {"warn"}


BROKEN = {
    "MAP101": "a literal with a trailing + is never compared with anything equal",
    "MAP102": "no kernel has such a letter: the mapping never matches",
    "IMG103": "a push cannot be told its digest",
    "IMG104": "capitals in the path: every pull fails with InvalidImageName",
    "IMG201": "the variable becomes nothing, and the name of the image or file with it",
    "IMG202": "KMM fails at every reconcile",
    "SGN101": "KMM has no image to sign",
    "SGN103": "the file lies outside of what KMM copies",
    "SGN106": "two volumes of one name: the build pod is refused",
    "SEL104": "no node can carry the version as a label",
    "INJ101": "the text runs in a shell beside the private key",
    "INJ105": "modprobe and cp look in the wrong place",
    "LDR101": "modprobe runs without arguments",
    "PLG108": "the API server takes no host path with `..` in a DaemonSet",
}
"""Rules that refuse objects which KMM accepts, and why none of these is a sound driver."""


@pytest.mark.shared
def test_what_kmm_accepts_and_works_is_not_refused_by_default() -> None:
    default, used, sound = Engine(Policy("default")), set(), 0
    for case in lines("modules-create"):
        if case["allowed"]:
            refusing = {finding.rule for finding in judged(default, case["object"]) if finding.mode == "enforce"}
            assert refusing <= BROKEN.keys(), (case["object"], refusing)
            used |= refusing
            sound += not refusing
    assert used == BROKEN.keys()
    assert sound > 100
