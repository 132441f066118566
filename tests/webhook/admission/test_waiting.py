"""How long a review waits for the cluster: until the API server's time is up, and not at all for what is at hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import Facts, Object, SnapshotFacts, Unknown
from kmodgate.policy.config import Policy
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from kmodgate.webhook.cluster.questions import NotAnswered, Until, UserInfo, time_to_ask
from kmodgate.webhook.cluster.shared_read import Shared
from tests.objects.modules import TRAITS
from tests.webhook.manifests import encoded, module, namespace, review
from tests.webhook.serving import run

pytestmark = pytest.mark.timing

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
COMPLETE = ("Module", "NodeModulesConfig", "Namespace")


@dataclass
class Silent:
    """A cluster of which something is known, and that never answers what it is asked."""

    facts: Facts = field(default_factory=lambda: SnapshotFacts([namespace("empty")], COMPLETE))
    asked: list[str] = field(default_factory=list)

    async def fresh(self, namespace: str, *, seconds: float = 0.0) -> Facts:
        return await self._never("fresh")

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = 0.0) -> bool:
        return await self._never("may_override")

    async def secret(self, namespace: str, name: str, *, seconds: float = 0.0) -> Object | Unknown | None:
        return await self._never("secret")

    async def namespace(self, name: str, *, seconds: float = 0.0) -> Object | None:
        return await self._never("namespace")

    async def access(self, namespace: str, *, seconds: float = 0.0) -> list[Object]:
        return await self._never("access")

    async def machine_configs(self, *, seconds: float = 0.0) -> list[Object]:
        return await self._never("machine_configs")

    async def _never(self, question: str) -> Any:
        self.asked.append(question)
        await asyncio.Event().wait()


async def answered(body: bytes, cluster: Silent | SnapshotCluster) -> Answer:
    deadline = asyncio.get_running_loop().time() + 0.2
    return await decide("/validate", body, Admitter(Policy(), TRAITS), Until(cluster, deadline), NOW)


def test_a_question_that_is_not_answered_in_time_denies_what_depends_on_it() -> None:
    async def scenario() -> None:
        for body, question in (
            (encoded(review(module(0), uid="a")), "namespace"),
            (encoded(review(module(0), "UPDATE", uid="a", old=module(0))), "secret"),
            (encoded(review(namespace("empty"), "DELETE", uid="a")), "fresh"),
        ):
            cluster = Silent()
            answer = await answered(body, cluster)
            assert cluster.asked == [question]
            assert (answer.uid, answer.is_allowed) == ("a", False)
            assert answer.problem is not None
            assert answer.problem[:2] == (504, "Timeout")

    run(scenario())


def test_a_secret_that_a_fact_tells_of_is_not_asked_for() -> None:
    async def scenario() -> None:
        cert = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert", "namespace": "drivers"}}
        cluster = Silent(SnapshotFacts([cert], ("Module", "Namespace")))
        answer = await answered(encoded(review(module(0), "UPDATE", old=module(0))), cluster)
        assert cluster.asked == []
        assert "SGN301" in {finding.rule for finding in answer.findings}

    run(scenario())


def test_a_cluster_that_answers_at_once_is_not_timed() -> None:
    async def scenario() -> None:
        cluster = SnapshotCluster(Dump([namespace("empty")], set(COMPLETE)))
        late = Until(cluster, asyncio.get_running_loop().time() - 1)
        body = encoded(review(namespace("empty"), "UPDATE", old=namespace("empty")))
        assert (await decide("/validate", body, Admitter(Policy(), TRAITS), late, NOW)).is_allowed

    run(scenario())


def test_a_question_that_waits_more_than_once_is_answered() -> None:
    class Slow(SnapshotCluster):
        async def secret(self, namespace: str, name: str, *, seconds: float = 0.0) -> Object | Unknown | None:
            for _ in range(3):
                await asyncio.sleep(0)
            try:
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            except TimeoutError:
                return {"kind": "Secret"}

    async def scenario() -> None:
        cluster = Until(Slow(Dump()), asyncio.get_running_loop().time() + 100)
        assert await cluster.secret("drivers", "pair") == {"kind": "Secret"}

    run(scenario())


def test_a_question_may_take_what_is_left_but_for_the_time_to_tell_that_it_was_not_answered() -> None:
    async def scenario() -> None:
        now = asyncio.get_running_loop().time()
        assert 4.0 < time_to_ask(now + 4.6, 30.0) <= 4.1
        assert 0.7 < time_to_ask(now + 0.95, 30.0) <= 0.76
        assert time_to_ask(now + 9.0, 2.0) == 2.0
        assert time_to_ask(now - 1, 2.0) == 0.0

    run(scenario())


# --- what is not known ---


@dataclass
class Recovering(Silent):
    """A cluster whose caches know nothing, and that answers, or says why it does not."""

    facts: Facts = field(default_factory=lambda: SnapshotFacts([], ()))
    answer: Facts | None = None

    async def fresh(self, namespace: str, *, seconds: float = 0.0) -> Facts:
        self.asked.append(namespace)
        if self.answer is None:
            raise NotAnswered("modules: forbidden", 403)
        return self.answer


HOLDING = SnapshotFacts([module(0)], COMPLETE)


def test_what_the_caches_do_not_know_is_asked_for_and_decides() -> None:
    async def scenario() -> None:
        home = module(0)["metadata"]["namespace"]
        for answer, denied in ((HOLDING, "REF201"), (SnapshotFacts([], COMPLETE), "")):
            cluster = Recovering(answer=answer)
            found = await answered(encoded(review(namespace(home), "DELETE")), cluster)
            assert (cluster.asked, found.outcome.annotations.get("denied-by", ""), found.is_allowed) == (
                [home],
                denied,
                not denied,
            )

    run(scenario())


def test_what_neither_the_caches_nor_the_cluster_tell_is_refused_for_now_with_the_reason() -> None:
    async def scenario() -> None:
        found = await answered(encoded(review(namespace("empty"), "DELETE")), Recovering())
        assert found.problem is not None
        assert found.problem[0] == 503
        assert "forbidden" in found.problem[2]

    run(scenario())


# --- reads that are shared ---


def test_calls_share_a_read_that_began_after_each_of_them() -> None:
    async def scenario() -> None:
        begun: list[asyncio.Event] = []

        async def read() -> int:
            begun.append(asyncio.Event())
            number = len(begun)
            await begun[-1].wait()
            return number

        shared = Shared(read)
        early = [asyncio.create_task(shared.get()) for _ in range(5)]
        await asyncio.sleep(0)
        while not begun:
            await asyncio.sleep(0)
        late = [asyncio.create_task(shared.get()) for _ in range(5)]
        late[0].cancel()
        begun[0].set()
        assert await asyncio.gather(*early) == [1] * 5
        while len(begun) == 1:
            await asyncio.sleep(0)
        begun[1].set()
        assert await asyncio.gather(*late[1:]) == [2] * 4
        assert len(begun) == 2

    run(scenario())


def test_a_read_that_does_not_end_holds_up_no_other() -> None:
    async def scenario() -> None:
        ends = iter([asyncio.Event().wait(), asyncio.sleep(0)])
        shared = Shared(lambda: next(ends))
        stuck = asyncio.create_task(shared.get())
        await asyncio.sleep(0.01)
        await shared.get()
        assert not stuck.done()
        stuck.cancel()

    run(scenario())


def test_the_error_of_a_read_is_everybodys_and_not_the_next_ones() -> None:
    async def scenario() -> None:
        outcomes = [NotAnswered("gone"), None]

        async def read() -> str:
            if error := outcomes.pop(0):
                raise error
            return "there"

        shared = Shared(read)
        first = await asyncio.gather(shared.get(), shared.get(), return_exceptions=True)
        assert [str(error) for error in first] == ["gone", "gone"]
        assert await shared.get() == "there"

    run(scenario())
