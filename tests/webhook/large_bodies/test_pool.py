"""The pool: who comes next, how many processes there are, and what becomes of a review that never ends."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.config import Policy
from kmodgate.webhook.admission.admission_review import asker_in, decode
from kmodgate.webhook.admission.cost import is_costly
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from kmodgate.webhook.large_bodies.fair_queue import Asker, FairQueue
from kmodgate.webhook.large_bodies.pipe import Job
from kmodgate.webhook.large_bodies.pool import Pool, cores
from tests.objects.modules import TRAITS
from tests.webhook.large_bodies.test_process import NOW
from tests.webhook.manifests import encoded, large_module, mapped_module, module, review
from tests.webhook.program import Caller, Program, program
from tests.webhook.reviews import pod
from tests.webhook.reviews import review as reviewed
from tests.webhook.serving import run

# -- who comes next ---------------------------------------------------------------------------------


def anybody(_group: str) -> bool:
    return True


def order(queue: FairQueue[str]) -> list[str]:
    found = []
    while taken := queue.take(anybody):
        found.append(taken[1])
    return found


def test_a_user_with_many_reviews_does_not_come_before_one_with_few() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(6):
        queue.put(Asker("mallory", "a"), f"m{number}")
    queue.put(Asker("alice", "b"), "alice")
    assert order(queue) == ["m0", "alice", "m1", "m2", "m3", "m4", "m5"]
    assert len(queue) == 0


def test_the_namespaces_of_a_user_take_turns() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(3):
        queue.put(Asker("argocd", "a"), f"a{number}")
    queue.put(Asker("argocd", "b"), "b")
    assert order(queue) == ["a0", "b", "a1", "a2"]


def test_the_service_accounts_of_a_namespace_are_one_user() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(4):
        queue.put(Asker(f"system:serviceaccount:tenant:{number}", "a"), f"t{number}")
    queue.put(Asker("system:serviceaccount:argocd:sync", "b"), "sync")
    assert order(queue)[:2] == ["t0", "sync"]


def test_who_waits_no_longer_is_taken_out() -> None:
    queue: FairQueue[str] = FairQueue()
    alice = Asker("alice", "a")
    queue.put(alice, "first")
    queue.put(alice, "second")
    queue.remove(alice, "first")
    queue.remove(alice, "never there")
    assert order(queue) == ["second"]
    queue.remove(alice, "second")
    assert len(queue) == 0


def test_a_group_that_may_not_run_is_passed_over() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put(Asker("mallory", "a"), "m")
    queue.put(Asker("alice", "b"), "alice")
    assert queue.take(lambda group: group != "mallory") == (Asker("alice", "b"), "alice")
    assert queue.take(lambda group: group != "mallory") is None


def test_who_asks_is_read_from_the_beginning_of_a_body_that_is_not_decoded() -> None:
    item = large_module(1 << 20)
    asked = reviewed("CREATE", "Module", item)
    asked["request"] = {"namespace": item["metadata"]["namespace"]} | asked["request"]  # as the API server writes it
    assert asker_in(encoded(asked)) == ("alice", item["metadata"]["namespace"])
    assert asker_in(b'{"request": {"object": {"userInfo": {"username": "mallory"}}}}') == ("", "")
    assert asker_in(b"no review") == ("", "")


# -- what goes there --------------------------------------------------------------------------------


def costs(item: dict[str, object], kind: str = "Module") -> bool:
    body = encoded(reviewed("CREATE", kind, item))
    return is_costly(decode(body), len(body))


def with_expressions(*expressions: str) -> dict[str, object]:
    item = module(0)
    mappings = [{"regexp": text, "containerImage": ""} for text in expressions]
    item["spec"]["moduleLoader"]["container"]["kernelMappings"] = mappings
    return item


def test_ordinary_objects_are_judged_at_once() -> None:
    assert not costs(module(0))
    assert not costs(mapped_module(40))
    assert not costs(with_expressions(*[r"^5\\.14\\.0-[0-9]{1,3}\\..*$"]))
    assert not costs(pod(), "Pod")


def test_many_or_large_expressions_cost_however_they_are_spelt() -> None:
    assert costs(mapped_module(100))
    body = encoded(reviewed("CREATE", "Module", mapped_module(100))).replace(b'"regexp"', b'"\\u0072egexp"')
    assert is_costly(decode(body), len(body))
    assert costs(with_expressions(*[f"^{n}.{{1,900}}$" for n in range(4)]))
    assert costs(with_expressions(*["((a{9}){9}){9}"] * 4))
    assert costs(with_expressions(*[r"\\pL+"] * 4))
    assert costs(with_expressions("|".join(f"5[.]{n}" for n in range(1000))))


def test_an_object_of_many_parts_costs() -> None:
    assert costs(pod(containers=[{"name": f"c{n}", "env": [{"name": "a"}] * 9} for n in range(200)]), "Pod")


def test_a_changed_definition_of_kmms_costs_for_the_expressions_in_its_schema() -> None:
    for name, expected in (("modules.kmm.sigs.x-k8s.io", True), ("widgets.example.com", False)):
        item = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}}
        for operation in ("UPDATE", "DELETE"):
            body = encoded(reviewed(operation, "CustomResourceDefinition", item, item))
            assert is_costly(decode(body), len(body)) is (expected and operation == "UPDATE")


# -- processes --------------------------------------------------------------------------------------

LARGE = encoded(review(large_module(300 * 1024)))
SMALL = encoded(review(module(0)))


def job(body: bytes = LARGE) -> Job:
    return Job("/validate", body, Policy(), TRAITS, NOW)


@pytest.mark.parametrize(("quota", "most"), [("max 100000", 4), ("50000 100000", 1), ("150000 100000", 2), ("?", 4)])
def test_there_are_no_more_processes_than_processors(tmp_path: Path, quota: str, most: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    there = min(4, len(os.sched_getaffinity(0)))
    assert cores(tmp_path / "cpu.max") == min(most, there)
    assert cores(tmp_path / "missing") == there


@pytest.mark.timing
def test_the_pool_grows_while_reviews_wait_and_shrinks_when_they_are_done() -> None:
    async def scenario() -> None:
        pool, loop, cluster = Pool(most=3, idle=0.2), asyncio.get_running_loop(), SnapshotCluster(Dump())
        await pool.start()
        assert pool.processes == 1
        askers = [Asker(f"user-{number}", "a") for number in range(6)]
        answers = await asyncio.gather(*(pool.decide(job(), cluster, loop.time() + 100, asker) for asker in askers))
        assert all(answer.is_allowed for answer in answers)
        assert pool.losses == 0
        while pool.processes > 1:
            await asyncio.sleep(0.01)
        assert (await pool.decide(job(), cluster, loop.time() + 100)).is_allowed
        await pool.stop()

    run(scenario())


@pytest.mark.timing
def test_a_review_that_never_ends_is_denied_with_the_reason_and_the_next_ones_are_judged() -> None:
    async def scenario() -> None:
        pool, loop, cluster = Pool(most=1), asyncio.get_running_loop(), SnapshotCluster(Dump())
        await pool.start()
        stopped = pool._idle[0]._process
        assert stopped is not None
        os.kill(stopped.pid, signal.SIGSTOP)
        stuck = asyncio.create_task(pool.decide(job(), cluster, loop.time() + 1, Asker("mallory")))
        await asyncio.sleep(0)
        late = asyncio.create_task(pool.decide(job(), cluster, loop.time() + 0.5, Asker("bob")))
        sound = asyncio.create_task(pool.decide(job(), cluster, loop.time() + 100, Asker("alice")))
        waited, ended = await late, await stuck
        assert waited.problem is not None
        assert ended.problem is not None
        assert (waited.problem[0], ended.problem[0]) == (504, 504)
        assert "no process" in waited.problem[2]
        assert "its process was ended" in ended.problem[2]
        assert (await sound).is_allowed
        assert pool.losses == 1
        await pool.stop()

    run(scenario())


@pytest.mark.timing
def test_a_user_never_has_the_last_process() -> None:
    async def scenario() -> None:
        pool, loop, cluster = Pool(most=2), asyncio.get_running_loop(), SnapshotCluster(Dump())
        await pool.start()
        stopped = pool._idle[0]._process
        assert stopped is not None
        os.kill(stopped.pid, signal.SIGSTOP)
        stuck = [
            asyncio.create_task(pool.decide(job(), cluster, loop.time() + 100, Asker("mallory", f"n{number}")))
            for number in range(6)
        ]
        await asyncio.sleep(0)  # they ask first
        assert (await pool.decide(job(), cluster, loop.time() + 100, Asker("alice", "a"))).is_allowed
        assert not any(task.done() for task in stuck)
        os.kill(stopped.pid, signal.SIGCONT)
        assert all(answer.is_allowed for answer in await asyncio.gather(*stuck))
        await pool.stop()

    run(scenario())


async def sent(server: Program, body: bytes, seconds: int) -> bool:
    caller = await Caller.connect(server.reviews)
    reply = await caller.post(body, f"/validate?timeout={seconds}s")
    caller.leave()
    return bool(reply.response["allowed"])


@pytest.mark.timing
def test_a_canary_is_answered_while_a_review_that_never_ends_sits_in_the_pool(tmp_path: Path) -> None:
    async def scenario(server: Program) -> None:
        os.kill(server.worker(), signal.SIGSTOP)
        stuck = asyncio.create_task(sent(server, LARGE, 30))
        while await asyncio.to_thread(server.metric, "kmodgate_reviews_in_flight") < 1:
            await asyncio.sleep(0.01)
        for _ in range(20):
            assert await sent(server, SMALL, 10)
        assert not stuck.done()
        stuck.cancel()

    with program(tmp_path, "--drain", "0", is_forked=True) as server:
        run(scenario(server))
