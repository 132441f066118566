"""Every rule has its examples below tests/rules/ID: `fail-*.yaml` says at its end what is found, `pass-*.yaml` nothing.

Of two documents in a file the first is the object as it was. `# kubernetes: 1.33` gives the version of the API server, `# kmm: 2.6` that of KMM,
`# cluster: {…}` other traits of the cluster, `# parameters: {…}` the parameters of the policy, `# review: {…}` what else is known of the request; what follows
`# facts:` are all objects of their kinds in the cluster, and `# none of: Module` says of which kinds there are none. Last
come, after `# before:`, objects as they were before the change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Policy, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Problem
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.policy.rule import RULES, Rule, load_rules, rule
from tests.fleets import REPOSITORY
from tests.objects.modules import TRAITS

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
Past = SnapshotFacts  # always of whole objects: a gate that prunes them knows nothing of the past
FOLDER = REPOSITORY / "tests" / "rules"
EXAMPLES = sorted(FOLDER.rglob("*.yaml"))

load_rules()


def judged(path: Path) -> list[Finding]:
    policy, review = example(path)
    return Engine(policy).evaluate(review)


def why_not_asked(rule: Rule, policy: Policy, review: Review) -> str:
    """Return what keeps the engine from asking a rule about a review; empty if it asks."""
    if review.kind not in rule.kinds:
        return f"`kinds` has no {review.kind}"
    if review.operation not in rule.operations:
        return f"`operations` has no {review.operation}"
    if rule.facts and review.facts is None:
        return "it needs facts, and the example has none: add `# facts:`"
    if rule.parameter and not getattr(policy.parameters, rule.parameter):
        return f"the policy does not set {rule.parameter}: add `# parameters:`"
    if not rule.applies_to(review.cluster.release):
        return f"{review.cluster.release} is outside `since` and `until`"
    if rule.needs is not None and not rule.needs(replace(review, parameters=policy.parameters)):
        return "its `needs` returns something false for this object"
    return ""


def example(path: Path) -> tuple[Policy, Review]:
    text = path.read_text()
    kubernetes = re.search(r"^# kubernetes: (\S+)$", text, re.MULTILINE)
    given, _, known_text = text.partition("# facts:\n")
    text_of_facts, _, text_of_before = known_text.partition("# before:\n")
    *before, object = [defaulted(document) for document in yaml.safe_load_all(given)]
    known = [document for document in yaml.safe_load_all(text_of_facts) if document]
    complete = {document["kind"] for document in known}
    kmm = re.search(r"^# kmm: (\S+)$", text, re.MULTILINE)
    release = Release(kmm[1] if kmm else "head", kubernetes=kubernetes[1] if kubernetes else "")
    old = before[0] if before else None
    cluster = re.search(r"^# cluster: (.+)$", text, re.MULTILINE)
    traits = replace(TRAITS, release=release, **(json.loads(cluster[1]) if cluster else {}))
    review = Review(object, old, "UPDATE" if old else "CREATE", traits)
    review = replace(review, in_tree="# not in a tree" not in text)
    complete |= set(re.findall(r"^# none of: (\S+)$", text_of_facts, re.MULTILINE))
    if text_of_facts:
        review = replace(review, facts=SnapshotFacts(known, complete))
    if text_of_before:
        review = replace(review, before=Past(yaml.safe_load_all(text_of_before)))
    if asked := re.search(r"^# review: (.+)$", text, re.MULTILINE):
        review = replace(review, now=NOW, **json.loads(asked[1]))
    parameters = re.search(r"^# parameters: (.+)$", text, re.MULTILINE)
    policy = read_policy({"profile": "strict", "parameters": json.loads(parameters[1]) if parameters else {}})
    return policy, review


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_example_gives_what_it_expects(path: Path) -> None:
    id = path.parent.name
    expected = re.findall(r"^# expect: (\S+) (.+)$", path.read_text(), re.MULTILINE)
    found = [(finding.rule, finding.field) for finding in judged(path) if finding.rule == id]
    assert found == expected, f"{id} was not asked: {why}" if (why := why_not_asked(RULES[id], *example(path))) else id
    assert bool(expected) is path.name.startswith("fail-")


@pytest.mark.parametrize("id", sorted(RULES))
def test_a_rule_has_a_page_and_an_example_of_each_kind(id: str) -> None:
    documentation = RULES[id].documentation
    assert RULES[id].title.endswith(".")
    assert "\n\nFix: " in documentation
    assert "\nSource: " in documentation
    assert {path.name.split("-")[0] for path in EXAMPLES if path.parent.name == id} == {"fail", "pass"}


def test_there_is_no_example_of_a_rule_that_is_gone() -> None:
    assert {path.parent.name for path in EXAMPLES} == set(RULES)


def test_a_finding_says_where_and_how_to_mend_it() -> None:
    for path in EXAMPLES:
        for finding in judged(path):
            assert finding.object
            assert finding.field
            assert finding.message
            assert finding.fix


@pytest.fixture
def more_rules() -> Iterator[None]:
    """Takes the rules that a test registers away again."""
    before = dict(RULES)
    yield
    RULES.clear()
    RULES.update(before)


@pytest.mark.usefixtures("more_rules")
def test_a_rule_that_raises_denies() -> None:

    @rule("TST001", kinds=("Module",))
    def broken(review: Review):  # type: ignore[no-untyped-def]
        """Raises."""
        raise KeyError("boom")
        yield

    object = yaml.safe_load((FOLDER / "SCH101/pass-known-fields.yaml").read_text())
    (finding,) = Engine(Policy("parity", {"TST": "warn"})).evaluate(Review(defaulted(object)))  # type: ignore[dict-item]
    assert (finding.rule, finding.mode) == ("TST001", "enforce")
    assert "KeyError('boom')" in finding.message


def test_two_rules_cannot_share_an_id() -> None:
    with pytest.raises(ValueError, match="KMM101"):
        rule("KMM101")(lambda review: iter(()))


@pytest.mark.usefixtures("more_rules")
def test_a_rule_holds_from_one_version_of_kmm_until_another() -> None:

    @rule("TST002", kinds=("Module",), since="2.3", redhat="2.2", until=("2.5", "2.4"))
    def always(review: Review) -> Iterator[Problem]:
        """Finds something."""
        yield Problem(("spec",), "there", "take it away")

    object = defaulted(yaml.safe_load((FOLDER / "SCH101/pass-known-fields.yaml").read_text()))

    def holds(release: Release) -> bool:
        found = Engine(Policy()).evaluate(Review(object, cluster=ClusterTraits(release)))
        return "TST002" in {finding.rule for finding in found}

    assert [holds(Release(version)) for version in ("2.2", "2.3", "2.4", "2.5")] == [False, True, True, False]
    assert [holds(Release(version, redhat=True)) for version in ("2.1", "2.2", "2.3", "2.4")] == [
        False,
        True,
        True,
        False,
    ]


def plugin(path: str) -> dict[str, Any]:
    value = yaml.safe_load((FOLDER / "SCH101/pass-known-fields.yaml").read_text())
    volume = {"name": "v", "hostPath": {"path": path}}
    value["spec"]["devicePlugin"] = {"container": {"image": "quay.io/acme/plugin:1"}, "volumes": [volume]}
    return defaulted(value)


@pytest.mark.parametrize("profile", ["parity", "default", "strict"])
@pytest.mark.parametrize(
    ("version", "path", "expected"),
    [
        ("2.5.1", "/etc/acme", None),
        ("2.6.0", "/run/acme", None),
        ("2.4.9", "/etc/acme", None),
        ("2.6.1", "/var/lib/acme", None),
        ("2.7", "/run/acme", None),
        ("", "/run/acme", None),
        ("2.5", "/run/acme", "warn"),
        ("2.6", "/etc/acme", "warn"),
        ("2.5.2", "/run/acme", "enforce"),
        ("2.6.4", "/etc/acme", "enforce"),
        ("2.7.0", "/etc/acme", "enforce"),
        ("", "/etc/acme", "enforce"),
    ],
)
def test_a_check_that_a_patch_brought_refuses_from_that_patch_on(
    profile: Any, version: str, path: str, expected: str | None
) -> None:
    cluster = replace(TRAITS, release=Release(version, redhat=True))
    found = [
        item
        for item in Engine(Policy(profile)).evaluate(Review(plugin(path), cluster=cluster))
        if item.rule == "KMM105"
    ]
    assert [item.mode for item in found] == ([expected] if expected else [])
    if expected == "warn":
        assert f"Red Hat KMM {version} refuses it from {version}." in found[0].message
        assert found[0].severity == "warning"


@pytest.mark.parametrize("tolerations", ["x", 1, [None], [1], {"key": "a"}])
def test_tolerations_of_another_shape_are_none(tolerations: object) -> None:
    policy, review = example(next(path for path in EXAMPLES if path.match("SEL210/fail-tainted.yaml")))
    review.object["spec"]["tolerations"] = tolerations
    assert not [item for item in Engine(policy).evaluate(review) if "failed" in item.message]
