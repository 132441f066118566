"""Large bodies: the process that takes them answers as the server would, and whatever becomes of it, calls get theirs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.config import Policy
from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.review import ClusterTraits
from kmodgate.webhook.admission.admission_review import Unreadable
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.cluster.dump_file import read_snapshot
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from kmodgate.webhook.large_bodies.pipe import Job
from kmodgate.webhook.large_bodies.pool import Pool
from tests.bench.load.hostile import with_secrets
from tests.objects.modules import TRAITS
from tests.webhook.manifests import config_map, encoded, large_module, mapped_module, module, review, small_cluster
from tests.webhook.program import Caller, Program, Reply, program
from tests.webhook.serving import run

pytestmark = pytest.mark.timing

MIB = 1024 * 1024
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
UID = "7b8f2f6e-0000-4000-8000-000000000001"
LARGE = encoded(review(large_module(3 * MIB), uid=UID))


def creation(manifest: dict[str, Any]) -> bytes:
    return encoded(review(manifest, uid=UID))


def deletion(manifest: dict[str, Any]) -> bytes:
    return encoded(review(manifest, "DELETE", uid=UID))


def refused_module() -> dict[str, Any]:
    """A large Module with something wrong in the object and in the cluster."""
    manifest = large_module(3 * MIB)
    manifest["spec"]["selector"] = {}
    manifest["spec"]["moduleLoader"]["container"]["kernelMappings"][0]["regexp"] = "("
    manifest["spec"]["imageRepoSecret"] = {"name": "not-there"}
    return manifest


def nested() -> bytes:
    """A large Module with a list in it that is nested deeper than JSON is decoded."""
    return LARGE.replace(b'"spec":', b'"deep":' + b"[" * 5000 + b"]" * 5000 + b',"spec":', 1)


# body, whether it is allowed, and what is in the answer
BODIES: dict[str, tuple[bytes, bool, str]] = {
    "a Module": (LARGE, True, ""),
    "a Module that changes": (
        encoded(review(large_module(3 * MIB), "UPDATE", old=large_module(3 * MIB - 1000), uid=UID)),
        True,
        "",
    ),
    "a Module with much that is wrong": (creation(refused_module()), False, "SEL101"),
    "a Module with 55,000 mappings": (creation(mapped_module(55_000)), False, "MAP301"),
    "a ConfigMap that a Module needs": (deletion(config_map("df", MIB)), False, "REF204"),
    "a Module that names 6,000 Secrets": (creation(with_secrets()), True, "REF101"),
    "a ConfigMap that nobody needs": (deletion(config_map("notes", MIB)), True, ""),
    "a body nested too deep": (nested(), False, "cannot be decoded"),
}


@pytest.mark.parametrize("case", BODIES)
def test_the_worker_answers_what_the_server_would(tmp_path: Path, case: str) -> None:
    body, is_allowed, words = BODIES[case]
    (tmp_path / "facts.json").write_text(small_cluster())
    cluster = SnapshotCluster(read_snapshot(str(tmp_path / "facts.json")))
    admitter = Admitter(Policy(), replace(TRAITS, topology="ha"))

    async def scenario() -> None:
        worker, loop = Pool(), asyncio.get_running_loop()
        await worker.start()
        job = Job("/validate", body, admitter.policy, admitter.traits, NOW)
        theirs = await worker.decide(job, cluster, loop.time() + 20)
        await worker.stop()
        ours = await decide("/validate", body, admitter, cluster, NOW)
        assert theirs.encoded(admitter.digest) == ours.encoded(admitter.digest)
        assert (theirs.uid, theirs.is_allowed) == (UID, is_allowed)
        assert words.encode() in theirs.encoded(admitter.digest)
        assert worker.losses == 0

    run(scenario())


def test_what_is_no_review_is_none_to_the_worker_either() -> None:
    async def scenario() -> None:
        worker, loop = Pool(), asyncio.get_running_loop()
        job = Job(
            "/validate", b'{"kind": "Secret"}', Policy(), ClusterTraits(release=Release("head"), topology="ha"), NOW
        )
        with pytest.raises(Unreadable):
            await worker.decide(job, SnapshotCluster(Dump()), loop.time() + 20)
        await worker.stop()

    run(scenario())


# -- the program -----------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    with program(tmp_path, "--drain", "0", is_forked=True) as running:
        yield running


async def posted(server: Program, body: bytes, seconds: int = 20) -> Reply:
    caller = await Caller.connect(server.reviews)
    reply = await caller.post(body, f"/validate?timeout={seconds}s")
    caller.leave()
    return reply


async def in_flight(server: Program, count: int) -> None:
    while await asyncio.to_thread(server.metric, "kmodgate_reviews_in_flight") != count:
        await asyncio.sleep(0.01)


async def arrived(server: Program, body: bytes) -> None:
    """Wait until the server has all of a body: it gives it to its worker before it answers anybody else."""
    while await asyncio.to_thread(server.metric, "kmodgate_review_bytes_in_flight") < len(body):
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("case", BODIES)
def test_a_large_body_is_answered_with_its_uid(server: Program, case: str) -> None:
    async def scenario() -> None:
        body, is_allowed, _ = BODIES[case]
        reply = await posted(server, body)
        assert (reply.status, reply.response["uid"], reply.response["allowed"]) == (200, UID, is_allowed)
        assert server.metric("kmodgate_worker_losses") == 0

    run(scenario())


def test_a_review_whose_worker_is_killed_is_denied_and_the_next_is_judged(server: Program) -> None:
    async def scenario() -> None:
        worker = server.worker()
        os.kill(worker, signal.SIGSTOP)
        call = asyncio.create_task(posted(server, LARGE))
        await arrived(server, LARGE)
        os.kill(worker, signal.SIGKILL)
        lost = (await call).response
        assert (lost["uid"], lost["allowed"], lost["status"]["code"]) == (UID, False, 500)
        assert (await posted(server, LARGE)).response["allowed"]
        assert server.worker() != worker
        assert server.metric("kmodgate_worker_losses") == 1

    run(scenario())


def test_a_worker_lets_the_server_go_first_and_leaves_the_interrupts_of_a_terminal_to_it(server: Program) -> None:
    own, worker = server.process.pid, server.worker()
    assert os.getpriority(os.PRIO_PROCESS, worker) > os.getpriority(os.PRIO_PROCESS, own)

    async def scenario() -> None:
        call = asyncio.create_task(posted(server, LARGE))
        await arrived(server, LARGE)
        os.killpg(os.getpgid(own), signal.SIGINT)
        assert (await call).response["allowed"]

    run(scenario())


def test_a_worker_that_was_killed_while_it_was_idle_costs_nobody_an_answer(server: Program) -> None:
    async def scenario() -> None:
        worker = server.worker()
        os.kill(worker, signal.SIGKILL)
        while worker in server.processes():
            await asyncio.sleep(0.01)
        reply = await posted(server, LARGE)
        assert (reply.response["uid"], reply.response["allowed"]) == (UID, True)

    run(scenario())


def test_a_review_that_is_not_judged_in_time_is_denied_before_the_api_server_gives_up(server: Program) -> None:
    async def scenario() -> None:
        worker = server.worker()
        os.kill(worker, signal.SIGSTOP)
        late = (await posted(server, LARGE, seconds=1)).response
        assert (late["uid"], late["allowed"], late["status"]["code"]) == (UID, False, 504)
        assert (await posted(server, LARGE)).response["allowed"]
        assert worker not in server.processes()

    run(scenario())


def test_several_large_bodies_at_once_are_each_answered_with_its_own_uid_while_small_ones_pass(server: Program) -> None:
    async def scenario() -> None:
        uids = [UID.replace("1", str(number)) for number in range(2, 8)]
        bodies = [LARGE.replace(UID.encode(), uid.encode()) for uid in uids]
        os.kill(worker := server.worker(), signal.SIGSTOP)
        calls = [asyncio.create_task(posted(server, body)) for body in bodies]
        await in_flight(server, len(bodies))
        small = await posted(server, encoded(review(module(0))))
        assert small.response["allowed"]
        os.kill(worker, signal.SIGCONT)
        assert [(await call).response["uid"] for call in calls] == uids

    run(scenario())
