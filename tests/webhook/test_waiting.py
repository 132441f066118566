"""How long a review waits for the cluster: until the API server's time is up, and not at all for what is at hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from policy.config import Policy
from policy.dump import Dump
from policy.facts import Facts, Object, SnapshotFacts, Unknown
from policy.kmm.versions import Release
from tests.bench.evaluate import module
from tests.webhook.manifests import encoded, namespace, review
from tests.webhook.serving import run
from webhook.admit import Admitter
from webhook.answer import Answer
from webhook.cluster import Until
from webhook.decide import decide
from webhook.live import SnapshotCluster

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
COMPLETE = ("Module", "NodeModulesConfig", "Namespace")


@dataclass
class Silent:
    """A cluster of which something is known, and that never answers what it is asked."""

    facts: Facts = field(default_factory=lambda: SnapshotFacts([namespace("empty")], COMPLETE))
    asked: list[str] = field(default_factory=list)

    async def fresh(self, namespace: str) -> Facts:
        return await self._never("fresh")

    async def may_override(self, user: str, groups: tuple[str, ...], namespace: str) -> bool:
        return await self._never("may_override")

    async def secret(self, namespace: str, name: str) -> Object | Unknown | None:
        return await self._never("secret")

    async def _never(self, question: str) -> Facts:  # type: ignore[return]
        self.asked.append(question)
        await asyncio.Event().wait()


async def answered(body: bytes, cluster: Silent | SnapshotCluster) -> Answer:
    deadline = asyncio.get_running_loop().time() + 0.2
    return await decide("/validate", body, Admitter(Policy(), Release("head")), Until(cluster, deadline), NOW)


def test_a_question_that_is_not_answered_in_time_denies_what_depends_on_it() -> None:
    async def scenario() -> None:
        for body, question in (
            (encoded(review(module(0), uid="a")), "secret"),
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
        answer = await answered(encoded(review(module(0))), cluster)
        assert cluster.asked == []
        assert "SGN301" in {finding.rule for finding in answer.findings}

    run(scenario())


def test_a_cluster_that_answers_at_once_is_not_timed() -> None:
    async def scenario() -> None:
        cluster = SnapshotCluster(Dump([namespace("empty")], set(COMPLETE)))
        late = Until(cluster, asyncio.get_running_loop().time() - 1)
        body = encoded(review(namespace("empty"), "UPDATE", old=namespace("empty")))
        assert (await decide("/validate", body, Admitter(Policy(), Release("head")), late, NOW)).is_allowed

    run(scenario())
