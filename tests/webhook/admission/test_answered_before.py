"""An answer that was given before is given again only where it would be the same, byte by byte."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
from collections.abc import Hashable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import UNKNOWN, Object, SnapshotFacts, Unknown
from kmodgate.policy.config import Policy
from kmodgate.policy.findings import Mode
from kmodgate.policy.judged_before import JudgedBefore
from kmodgate.webhook.admission.admitter import Admitter, _Recorded
from kmodgate.webhook.admission.answered_before import AnsweredBefore
from kmodgate.webhook.admission.audit_record import record
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from kmodgate.webhook.cluster.questions import NotAnswered
from tests.bench import samples
from tests.conftest import ROOT
from tests.draws import drawn
from tests.objects.modules import TRAITS
from tests.policy.changed_objects import DAY, JOBS, MODULES, PODS, POLICIES, RELEASES, changed, exception
from tests.webhook.manifests import encoded, review
from tests.webhook.reviews import loading_container, module, named, pod

SIGNED, SECRET = yaml.safe_load_all((ROOT / "tests/rules/SGN302/fail-ends-soon-pem.yaml").read_text())
ITEMS = [*MODULES, *PODS, *[SIGNED] * 12]
EVERYTHING = json.loads(samples.cluster([*MODULES, *PODS]))["items"]
DUMPS = [
    Dump(EVERYTHING, {"Module", "Node"}),
    Dump(EVERYTHING[::2], {"Module", "Node", "Namespace", "Secret"}),
    Dump([*EVERYTHING[1::2], SECRET], {"Module", "Secret"}),
    Dump(),
]
SECRETS: list[Object | Unknown | None] = [UNKNOWN, None, SECRET]


class Changing(SnapshotCluster):
    """One of several clusters at a time; what a Secret holds is no fact, and is read for each review."""

    def __init__(self) -> None:
        super().__init__(DUMPS[0])
        self.found = SECRETS[0]
        self.is_silent = False
        self.live: Object | None = None

    @property
    def revision(self) -> Hashable:  # type: ignore[override]
        return id(self.facts)

    def become(
        self, dump: Dump, secret: Object | Unknown | None, *, is_silent: bool = False, live: Object | None = None
    ) -> None:
        self.facts, self.found, self.is_silent, self.live = dump.facts, secret, is_silent, live

    async def secret(self, namespace: str, name: str, *, seconds: float = 1.0) -> Object | Unknown | None:
        return self.found

    async def namespace(self, name: str, *, seconds: float = 1.0) -> Object | None:
        if self.is_silent:
            raise NotAnswered("nobody is there")
        return self.live or await super().namespace(name)

    async def may_override(self, user: Any, namespace: str, *, seconds: float = 1.0) -> bool:
        if self.is_silent:
            raise NotAnswered("nobody is there")
        return user.name == "alice"


CLUSTER = Changing()
JUDGED = JudgedBefore(orjson.dumps)


ENDINGS = ["bcdfg", "zzzzz", "0", "debug", "-debug-1"]


@st.composite
def asked(draw: st.DrawFn) -> list[bytes]:
    """Some reviews of one object, each of which differs from the first in a few respects."""
    item, found = draw(st.sampled_from(ITEMS)), []
    for _ in range(draw(st.integers(2, 4))):
        subject = draw(changed(item)) if draw(st.booleans()) else copy.deepcopy(item)
        if draw(st.integers(0, 3)) == 0:
            subject["metadata"] = {**subject["metadata"], "resourceVersion": "7", "uid": "b", "generation": 3}
        if (prefix := subject["metadata"].get("generateName")) and draw(st.booleans()):
            subject["metadata"] = {**subject["metadata"], "name": f"{prefix}{draw(st.sampled_from(ENDINGS))}"}
        operation = draw(st.sampled_from(["CREATE", "UPDATE", "UPDATE", "DELETE"]))
        old = draw(st.sampled_from([item, subject])) if operation == "UPDATE" else None
        user = draw(st.sampled_from(["alice", JOBS, "system:serviceaccount:kmm:kmm-operator-controller"]))
        body = review(item, operation, old=old, user=user)
        body["request"]["oldObject" if operation == "DELETE" else "object"] = subject
        body["request"] |= {"dryRun": draw(st.booleans()), "subResource": draw(st.sampled_from(["", "", "status"]))}
        found.append(encoded(body))
    return found


NAMED = Policy(
    modes={"PRV": Mode.ENFORCE},
    exceptions=tuple(
        exception(rule, item["metadata"]["name"]) for item in PODS for rule in ("PRV101", "PRV104", "PRV105", "PRV106")
    ),
)
RESTRICTED = named("Namespace", "drivers")
RESTRICTED["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
CHOICES: list[list[Any]] = [
    [*POLICIES, NAMED], RELEASES, [0, 1, 40], DUMPS, SECRETS, [False, True], [None, RESTRICTED]
]  # fmt: skip
"""Policy, release, day, cluster, what the Secret holds, whether the API server is silent, and a namespace that the
caches do not know yet."""


@st.composite
def moments(draw: st.DrawFn) -> list[list[Any]]:
    """Some moments, each of which differs from the first in few respects."""
    first = [draw(st.sampled_from(choices)) for choices in CHOICES]
    found = [first]
    for _ in range(2):
        changed = draw(st.integers(0, len(CHOICES) - 1))
        found.append([*first[:changed], draw(st.sampled_from(CHOICES[changed])), *first[changed + 1 :]])
    return found


@given(asked(), moments())
@settings(max_examples=drawn(100))
def test_what_was_answered_before_changes_no_answer(bodies: list[bytes], moments: list[list[Any]]) -> None:
    asyncio.run(compare(bodies, moments))


async def compare(bodies: list[bytes], moments: list[list[Any]]) -> None:
    for policy, release, days, dump, secret, is_silent, live in moments:
        CLUSTER.become(dump, secret, is_silent=is_silent, live=live)
        traits, now = replace(TRAITS, release=release), DAY + timedelta(days=days)
        before = AnsweredBefore(JUDGED, lambda: CLUSTER.revision)
        for body in bodies * 3:
            found = [
                await decide("/validate", body, admitter, CLUSTER, now)
                for admitter in (Admitter(policy, traits, before), Admitter(policy, traits))
            ]
            told = [(item.encoded("x"), record("/validate", item, body, "x", now, 0.0)) for item in found]
            assert told[0] == told[1]
            assert found[0].findings == found[1].findings


def answers(before: AnsweredBefore, bodies: list[bytes], policy: Policy | None = None, days: int = 0) -> None:
    admitter = Admitter(policy or Policy(), TRAITS, before)
    for body in bodies:
        asyncio.run(decide("/validate", body, admitter, CLUSTER, DAY + timedelta(days=days)))


@pytest.mark.parametrize("item", [*MODULES, *PODS], ids=lambda item: item["metadata"]["name"])
def test_the_same_object_is_judged_once_as_long_as_nothing_changes(item: dict[str, Any]) -> None:
    before = AnsweredBefore(JudgedBefore(orjson.dumps), lambda: CLUSTER.revision)
    CLUSTER.become(DUMPS[0], UNKNOWN)
    first, second = (encoded(review(item, "UPDATE", old=item)) for _ in range(2))
    answers(before, [first, first])
    was_kept = before.judged.bytes > 0
    answers(before, [second, second])
    assert before.hits == (2 if was_kept else 0)
    CLUSTER.become(DUMPS[1], UNKNOWN)
    answers(before, [second])
    assert before.hits == (2 if was_kept else 0)


def test_another_pod_of_a_workload_is_answered_with_its_own_name() -> None:
    before = AnsweredBefore(JudgedBefore(orjson.dumps), lambda: CLUSTER.revision)
    CLUSTER.become(DUMPS[0], UNKNOWN)
    pod = next(item for item in PODS if item["metadata"]["name"].startswith(item["metadata"].get("generateName", "-")))
    again = json.loads(json.dumps(pod))
    again["metadata"]["name"] = f"{pod['metadata']['generateName']}zzzzz"
    admitter = Admitter(Policy(), TRAITS, before)
    found = [asyncio.run(decide("/validate", encoded(review(item)), admitter, CLUSTER, DAY)) for item in (pod, again)]
    assert before.hits == 1
    assert [finding.object for finding in found[1].findings] == [
        f"Pod {pod['metadata']['namespace']}/{again['metadata']['name']}" for _ in found[0].findings
    ]


def told(before: AnsweredBefore | None, policy: Policy, item: Object, times: int = 1) -> list[bytes]:
    admitter = Admitter(policy, TRAITS, before)
    body = encoded(review(item, uid="a"))
    found = [asyncio.run(decide("/validate", body, admitter, CLUSTER, DAY)).encoded("x") for _ in range(times)]
    assert len(set(found)) == 1
    return found


def test_an_exception_that_names_a_pod_holds_for_no_other_pod_of_the_workload() -> None:
    excepted, other = (pod(f"web-{ending}", containers=[loading_container()]) for ending in ("bcdfg", "zzzzz"))
    for item in (excepted, other):
        item["metadata"]["generateName"] = "web-"
    policy = Policy(modes={"PRV": Mode.ENFORCE}, exceptions=(exception("PRV101", "web-bcdfg"),))
    for first, second in ((excepted, other), (other, excepted)):
        CLUSTER.become(DUMPS[0], UNKNOWN)
        before = AnsweredBefore(JudgedBefore(orjson.dumps), lambda: CLUSTER.revision)
        told(before, policy, first, 3)
        assert told(before, policy, second) == told(None, policy, second)


def test_an_answer_without_one_of_the_api_server_is_not_given_again() -> None:
    before = AnsweredBefore(JudgedBefore(orjson.dumps), lambda: CLUSTER.revision)
    CLUSTER.become(DUMPS[0], UNKNOWN, is_silent=True)
    silent = told(before, Policy(), module(), 3)
    CLUSTER.become(DUMPS[0], UNKNOWN, live=RESTRICTED)
    assert told(before, Policy(), module()) == told(None, Policy(), module()) != silent[:1]


def test_objects_that_were_read_count_among_the_bytes() -> None:
    big = named("Namespace", "drivers")
    big["metadata"]["annotations"] = {"kmodgate.io/note": "x" * 5000}
    sizes = []
    for live in (named("Namespace", "drivers"), big):
        before = AnsweredBefore(JudgedBefore(orjson.dumps), lambda: CLUSTER.revision)
        CLUSTER.become(DUMPS[0], UNKNOWN, live=live)
        told(before, Policy(), module(), 3)
        assert before.hits == 1
        sizes.append(before.judged.bytes)
    assert sizes[1] - sizes[0] > 4 * 5000


def test_a_certificate_is_looked_at_by_the_clock_each_time() -> None:
    before = AnsweredBefore(JudgedBefore(orjson.dumps), lambda: CLUSTER.revision)
    CLUSTER.become(DUMPS[3], SECRET)
    answers(before, [encoded(review(SIGNED))] * 4)
    assert (before.hits, before.judged.hits) == (0, 2)


def test_answers_count_among_the_bytes_that_are_kept_and_each_once() -> None:
    judged = JudgedBefore(orjson.dumps)
    before = AnsweredBefore(judged, lambda: CLUSTER.revision)
    CLUSTER.become(DUMPS[0], UNKNOWN)
    answers(before, [encoded(review(MODULES[0]))] * 2)
    counted = judged.bytes
    CLUSTER.become(DUMPS[1], UNKNOWN)
    answers(before, [encoded(review(MODULES[0]))])
    CLUSTER.become(DUMPS[0], UNKNOWN)
    answers(before, [encoded(review(MODULES[0]))])
    assert (before.hits, judged.bytes, len(judged)) == (0, counted, 1)
    small = AnsweredBefore(JudgedBefore(orjson.dumps, size=20_000), lambda: CLUSTER.revision)
    answers(small, [encoded(review({**item, "spec": MODULES[0]["spec"]})) for item in MODULES[:20]] * 2)
    assert 0 < small.judged.bytes <= 20_000


def test_rules_ask_for_the_time_in_the_way_that_is_noted() -> None:
    """`review.now` is for the gates: what a rule finds by it must not be kept."""
    rules = Path(ROOT / "policy" / "rules").rglob("*.py")
    reading = {path.name for path in rules if "review.now" in path.read_text().replace("review.now == NO_CLOCK", "")}
    assert reading == set()


def test_a_review_leaves_no_garbage_that_has_to_be_searched_for() -> None:
    async def scenario() -> int:
        cluster = SnapshotCluster(DUMPS[0])
        admitter = Admitter(Policy(), TRAITS, AnsweredBefore(JudgedBefore(orjson.dumps), lambda: 0))
        bodies = [encoded(review(item)) for item in (*MODULES, *PODS)]
        for body in bodies:  # what is kept from the first time on
            await decide("/validate", body, admitter, cluster, DAY)
        gc.collect()
        gc.disable()
        for body in bodies:
            await decide("/validate", body.replace(b"registry", b"registro"), admitter, cluster, DAY)
        return gc.collect()

    try:
        assert asyncio.run(scenario()) == 0
    finally:
        gc.enable()


class _WithOneMore(SnapshotFacts):
    def architectures(self) -> str:
        return "arm64"


def test_a_question_that_facts_learn_reaches_them_from_a_review() -> None:
    assert _Recorded(_WithOneMore([])).architectures() == "arm64"
