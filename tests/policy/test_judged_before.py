"""What was found about an object before never changes an answer, and takes a bounded place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Problem, Severity
from kmodgate.policy.judged_before import JudgedBefore
from kmodgate.policy.review import ClusterTraits, Review
from kmodgate.policy.rule import RULES, Rule, load_rules
from tests.draws import drawn
from tests.objects.modules import TRAITS
from tests.policy.changed_objects import DAY, FACTS, JOBS, MODULES, PODS, POLICIES, RELEASES, Object, changed
from tests.webhook.reviews import dkms_pod, pod


@st.composite
def reviews(draw: st.DrawFn) -> Iterator[Review]:
    """Some reviews of one object, each of which differs from the first in a few respects."""
    item = draw(st.sampled_from([*MODULES, *PODS]))
    found = []
    for _ in range(draw(st.integers(2, 4))):
        subject = draw(changed(item)) if draw(st.booleans()) else item
        old = draw(st.sampled_from([None, item, subject]))
        traits = replace(TRAITS, release=draw(st.sampled_from(RELEASES)))
        user = draw(st.sampled_from(["alice", JOBS, "system:serviceaccount:kmm:kmm-operator-controller"]))
        review = Review(
            subject,
            old,
            "CREATE" if old is None else draw(st.sampled_from(["UPDATE", "DELETE"])),
            traits if draw(st.booleans()) else replace(traits, platform="openshift"),
            facts=draw(st.sampled_from([None, FACTS])),
            user=user,
            groups=draw(st.sampled_from([(), ("system:masters",)])),
            dry_run=draw(st.booleans()),
            subresource=draw(st.sampled_from(["", "status"])),
            now=DAY + timedelta(days=draw(st.integers(0, 1))),
        )
        found.append(review)
    return found  # type: ignore[return-value]


BEFORE = JudgedBefore(orjson.dumps)


@given(reviews(), st.lists(st.sampled_from(POLICIES), min_size=4, max_size=4))
@settings(max_examples=drawn(120))
def test_it_changes_no_answer(reviews: list[Review], policies: list[Policy]) -> None:
    for review, policy in zip(reviews * 3, policies * 3, strict=False):
        assert judged(policy, review, BEFORE) == judged(policy, review)


def judged(policy: Policy, review: Review, before: JudgedBefore | None = None) -> list[Finding]:
    return Engine(policy, "admit", before=before).evaluate(replace(review))


@pytest.mark.parametrize(
    "item",
    [item for item in (*MODULES, *PODS) if Review(item).kind in ("Module", "ManagedClusterModule", "Pod")],
    ids=lambda item: item["metadata"]["name"],
)
def test_what_an_update_changes_by_itself_is_no_other_object(item: Object) -> None:
    before, again = JudgedBefore(orjson.dumps), copy.deepcopy(item)
    again["metadata"] |= {"resourceVersion": "2", "uid": "b", "generation": 2}
    found = [judged(Policy(), Review(value, cluster=TRAITS, facts=FACTS), before) for value in (item, item, again)]
    assert found[0] == found[1] == found[2]
    key = before.key_of(Review(item))
    assert key is not None
    assert before.hits == (2 if key.left_out else 1)  # of a pod with a generated name more are to come


def test_an_object_that_comes_once_takes_no_place() -> None:
    before = JudgedBefore(orjson.dumps, entries=3)
    for number in [*range(50), *range(50)]:
        item = copy.deepcopy(MODULES[0])
        item["metadata"]["name"] = f"m{number}"
        judged(Policy(), Review(item, cluster=TRAITS, facts=FACTS), before)
        assert len(before) == 0


def test_another_pod_of_a_workload_is_no_other_object() -> None:
    before, pods = JudgedBefore(orjson.dumps), 0
    for item in PODS:
        if "generateName" in item["metadata"] and json.dumps(item).count(f'"{item["metadata"]["name"]}"') == 1:
            again = json.loads(json.dumps(item).replace("kube-api-access-x7k2p", "kube-api-access-q9w8e"))
            again["metadata"]["name"] = f"{again['metadata']['generateName']}zzzzz"
            hits, pods = before.hits, pods + 1
            assert judged(Policy(), Review(item, cluster=TRAITS, facts=FACTS), before) is not None
            found = judged(Policy(), Review(again, cluster=TRAITS, facts=FACTS), before)
            assert before.hits == hits + 1
            assert found == judged(Policy(), Review(again, cluster=TRAITS, facts=FACTS))
    assert pods > 10


def test_a_prefix_that_is_no_word_leaves_the_name_as_it_is() -> None:
    pod = copy.deepcopy(PODS[0])
    digests = set()
    for name in ("web-debux", "web-debug"):
        pod["metadata"] |= {"generateName": "web-debu", "name": name}
        digests.add(digest(pod))
    assert len(digests) == 2


def digest(item: Object, user: str = "") -> bytes:
    key = JudgedBefore(orjson.dumps).key_of(Review(item, user=user))
    assert key is not None
    return key.digest


def test_a_volume_of_the_tokens_name_that_is_another_counts() -> None:
    pod = copy.deepcopy(PODS[0])
    pod["spec"]["volumes"].append({"name": "kube-api-access-aaaaa", "hostPath": {"path": "/dev"}})
    other = copy.deepcopy(pod)
    other["spec"]["containers"][0]["volumeMounts"][0]["name"] = "kube-api-access-aaaaa"
    assert digest(pod) != digest(other)


@pytest.mark.parametrize("field", ["serviceAccountName", "nodeName", "hostname"])
@pytest.mark.parametrize("has_token", [False, True])
def test_what_is_called_like_a_tokens_volume_and_is_none_counts(field: str, has_token: bool) -> None:
    names = ("kube-api-access-x7k2p", "kube-api-access-zzzzz")
    volumes = PODS[0]["spec"]["volumes"][-1:] if has_token else []
    assert digest(pod(volumes=volumes, **{field: names[0]})) != digest(pod(volumes=volumes, **{field: names[1]}))
    assert digest(pod(volumes=volumes), names[0]) != digest(pod(volumes=volumes), names[1])


@pytest.mark.parametrize("names", [("node-debugger", "nodes"), ("x-debug-1", "x-7")])
def test_a_name_that_says_something_counts(names: tuple[str, str]) -> None:
    first, second = (pod(name) for name in names)
    for item in (first, second):
        item["metadata"]["generateName"] = names[0][:2]
    assert digest(first) != digest(second)


def test_a_generated_name_that_stands_elsewhere_too_counts() -> None:
    first, second = (pod(f"web-{number}") for number in (1, 2))
    for item in (first, second):
        item["metadata"] |= {"generateName": "web-", "labels": {"pod": "web-1"}}
    assert digest(first) != digest(second)


def test_where_rules_without_facts_ask_for_some_nothing_is_kept() -> None:
    before = JudgedBefore(orjson.dumps)
    for _ in range(2):
        judged(Policy(), Review(dkms_pod(), cluster=TRAITS, facts=FACTS), before)
    assert (before.hits, len(before)) == (0, 0)


def of_the_day(review: Review) -> Iterator[Problem]:
    """Reports the day."""
    yield Problem(("spec",), f"it is the {review.time().day}th", "wait")


def test_where_a_rule_asks_for_the_time_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    load_rules()
    monkeypatch.setitem(RULES, "XXX101", Rule("XXX101", Severity.WARNING, ("Module",), ("CREATE",), of_the_day))
    before = JudgedBefore(orjson.dumps)
    for day in (DAY, DAY, DAY + timedelta(days=1)):
        review = Review(MODULES[0], cluster=TRAITS, facts=FACTS, now=day)
        assert f"it is the {day.day}th" in [finding.message for finding in judged(Policy(), review, before)]
    assert len(before) == 0


def test_it_is_bounded_in_entries_and_bytes() -> None:
    few, small = JudgedBefore(orjson.dumps, entries=3), JudgedBefore(orjson.dumps, size=5000)
    for number in range(50):
        item = copy.deepcopy(MODULES[0])
        item["metadata"]["name"] = f"m{number}"
        for before in (few, small) * 2:
            judged(Policy(), Review(item, cluster=TRAITS, facts=FACTS), before)
            assert before.bytes <= 8 << 20
    assert len(few) == 3
    assert 0 < small.bytes <= 5000
    assert small.misses == 100


def test_keys_of_maps_that_paths_hold_count_among_the_bytes() -> None:
    before = JudgedBefore(orjson.dumps)
    for letter in "abab":
        item = copy.deepcopy(MODULES[0])
        item["metadata"]["labels"] = {letter * 4000: 1}
        assert judged(Policy(), Review(item, cluster=TRAITS, facts=FACTS), before)
    assert len(before) == 2
    assert before.bytes > 2 * 4 * 4000


def test_an_object_with_thousands_of_problems_is_not_kept() -> None:
    item = copy.deepcopy(MODULES[0])
    item["spec"]["moduleLoader"]["container"]["kernelMappings"] = [{"regexp": "("}] * 300
    before = JudgedBefore(orjson.dumps)
    for _ in range(2):
        judged(Policy(), Review(item, cluster=ClusterTraits(), facts=FACTS), before)
    assert len(before) == 0
