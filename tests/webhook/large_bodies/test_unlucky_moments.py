"""The pool when a process ends, or time is up, at an unlucky moment: no process and no answer is lost by it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import QUESTIONS, Facts, with_answers
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from kmodgate.webhook.large_bodies.pipe import Done
from kmodgate.webhook.large_bodies.pool import Pool
from tests.webhook.large_bodies.test_pool import job
from tests.webhook.serving import run

pytestmark = pytest.mark.timing


def test_a_review_that_has_waited_for_the_cluster_names_it_as_the_reason() -> None:
    async def scenario() -> None:
        pool, loop, cluster = Pool(most=1), asyncio.get_running_loop(), SnapshotCluster(Dump())
        await pool.start()
        worker = pool._idle[0]

        async def silent(*_: object) -> Done:
            worker.unavailable = "etcd is gone"
            await asyncio.sleep(100)
            raise AssertionError

        worker.judge = silent  # type: ignore[method-assign]
        answer = await pool.decide(job(), cluster, loop.time() + 0.1)
        assert answer.problem is not None
        assert (answer.problem[0], "etcd is gone" in answer.problem[2]) == (503, True)
        await pool.stop()

    run(scenario())


def test_a_question_that_ends_in_an_error_spoils_no_other_review() -> None:
    class Broken(SnapshotCluster):
        @property
        def facts(self) -> Facts:  # type: ignore[override]
            return with_answers(None, **dict.fromkeys(QUESTIONS, broken))

        @facts.setter
        def facts(self, _: Facts) -> None: ...

    def broken(*_: object) -> None:
        raise ValueError("a bug")

    async def scenario() -> None:
        pool, loop = Pool(most=1), asyncio.get_running_loop()
        await pool.start()
        with pytest.raises(ValueError, match="a bug"):
            await pool.decide(job(), Broken(Dump()), loop.time() + 60)
        answer = await pool.decide(job(), SnapshotCluster(Dump()), loop.time() + 60)
        assert answer.problem is None
        await pool.stop()

    run(scenario())


def wait_for_end(pid: int) -> None:
    """Until the kernel has ended a process, while the loop hears nothing of it."""
    with suppress(FileNotFoundError, ProcessLookupError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.001)


@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
@pytest.mark.parametrize("turns", [0, 1])
def test_a_process_that_ends_while_it_is_idle_costs_nobody_an_answer(loop_name: str, turns: int) -> None:
    async def scenario() -> None:
        pool, loop, cluster = Pool(most=1), asyncio.get_running_loop(), SnapshotCluster(Dump())
        await pool.start()
        ended = pool._idle[0]._process
        assert ended is not None
        os.kill(ended.pid, signal.SIGKILL)
        wait_for_end(ended.pid)
        for _ in range(turns):
            await asyncio.sleep(0)
        assert (await pool.decide(job(), cluster, loop.time() + 100)).is_allowed
        await ended.wait()
        await pool.stop()

    run(scenario(), loop_name)


def test_who_stops_waiting_at_the_moment_in_which_a_process_is_free_gives_it_back() -> None:
    async def scenario() -> None:
        pool, loop, cluster = Pool(most=1), asyncio.get_running_loop(), SnapshotCluster(Dump())
        await pool.start()
        worker = pool._idle.pop()
        pool._busy[worker] = "another"
        waiting = asyncio.create_task(pool.decide(job(), cluster, loop.time() + 0.05))
        await asyncio.sleep(0)
        loop.call_soon(pool._release, worker)
        time.sleep(0.1)  # the loop is busy: the process is free, and the time is up, in one turn of it
        answer = await waiting
        assert answer.problem is not None
        assert answer.problem[0] == 504
        assert (pool._idle, pool._busy) == ([worker], {})
        await pool.stop()

    run(scenario())


def test_a_process_that_ends_at_the_moment_in_which_it_is_killed_is_no_error() -> None:
    async def scenario() -> None:
        pool = Pool(most=1)
        await pool.start()
        process = pool._idle[0]._process
        assert process is not None
        end = process.wait

        async def late() -> int:
            while process.returncode is None:
                with suppress(asyncio.CancelledError):
                    await end()
            process.wait = end  # type: ignore[method-assign]
            raise TimeoutError

        process.wait = late  # type: ignore[method-assign]
        await pool.stop()
        assert process.returncode == 0

    run(scenario())


@pytest.mark.parametrize("loop_name", ["asyncio", "uvloop"])
@pytest.mark.parametrize("is_given_up", [False, True])
def test_a_process_that_has_to_be_killed_is_waited_for(loop_name: str, is_given_up: bool) -> None:
    async def scenario() -> None:
        pool, loop, cluster = Pool(most=1), asyncio.get_running_loop(), SnapshotCluster(Dump())
        await pool.start()
        process = pool._idle[0]._process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        if is_given_up:
            assert not (await pool.decide(job(), cluster, loop.time() + 0.1)).is_allowed
        await pool.stop()
        assert process.returncode == -signal.SIGKILL

    run(scenario(), loop_name)
