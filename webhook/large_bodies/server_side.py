"""The server's side of a process that takes large bodies: a job at a time, and the questions that it has."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import Any

from kmodgate.policy.cluster.facts import QUESTIONS, Facts
from kmodgate.webhook.admission.admission_review import Unreadable, uid_in
from kmodgate.webhook.cluster.questions import (
    ACCESS_SECONDS,
    FRESH_SECONDS,
    MACHINE_SECONDS,
    NAMESPACE_SECONDS,
    OVERRIDE_SECONDS,
    OWNER_SECONDS,
    SECRET_SECONDS,
    Cluster,
    NotAnswered,
    time_to_ask,
)
from kmodgate.webhook.large_bodies.pipe import HEADER, Done, Job, Question, Reply, length, packed, unpacked

_NICE = 5
"""How much a process that judges large bodies yields to the server of its container: it gets what the server leaves of
a core, and a quarter at least. With as much for each, ordinary reviews wait for large ones; with less, these are late.

On a host with sched_autogroup it has no effect: there each session gets the same, and this one is its own.
"""


class Lost(Exception):
    """A process that ended in the middle of a review."""


class Worker:
    """One process, which judges one review at a time."""

    def __init__(self) -> None:
        self.unavailable = ""
        """Why the cluster did not answer the last question of the review, which may have no time left to tell."""
        self._process: asyncio.subprocess.Process | None = None
        self._is_killed = False

    @property
    def is_alive(self) -> bool:
        """Whether the process can take a review, asked of the kernel: the loop hears of the end of a process later."""
        process = self._process
        if process is None or self._is_killed:
            return False
        return process.returncode is None and not _has_ended(process.pid)

    async def start(self) -> None:
        """Raises OSError."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "kmodgate.webhook.large_bodies.process",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # an interrupt from a terminal is for the server, which then ends this
        )  # fmt: skip
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)

    async def judge(self, job: Job, cluster: Cluster, deadline: float) -> Done:
        """The end of a job. Raises Lost where the process ends before.

        It is ended where the caller stops waiting, and where its question ends in an error: it still waits for a reply,
        and would take the next job for one.
        """
        try:
            return await self._exchange(job, cluster, deadline)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.kill()
            raise Lost(f"{type(error).__name__} in the middle of a review") from None
        except (Exception, asyncio.CancelledError):
            self.kill()  # it could not be told to stop otherwise
            raise

    async def _exchange(self, job: Job, cluster: Cluster, deadline: float) -> Done:
        assert self._process is not None
        incoming, outgoing = self._process.stdout, self._process.stdin
        assert incoming is not None
        assert outgoing is not None
        facts, self.unavailable = cluster.facts, ""
        await _send(outgoing, packed(job))
        while True:
            message = unpacked(await incoming.readexactly(length(await incoming.readexactly(HEADER))))
            if isinstance(message, Done):
                return message
            if message.method == "fresh":
                reply, facts = await _refreshed(message, cluster, facts, deadline)
            else:
                reply = await _reply(message, cluster, facts, deadline)
            self.unavailable = reply.unavailable or ""
            await _send(outgoing, packed(reply))

    def kill(self) -> None:
        """End the process at once, whatever it does; `stop` waits for its end."""
        self._is_killed = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> None:
        """End the process, which is idle, or works for nobody any more, and wait for its end."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 0.5)
        finally:
            self.kill()  # which it may have forestalled at this very moment
            with suppress(TimeoutError):  # asyncio's own loop waits for a pipe, too, that nobody reads any more
                await asyncio.wait_for(self._process.wait(), 0.5)


async def _send(outgoing: asyncio.StreamWriter, data: bytes) -> None:
    """Write to a process. Raises ConnectionError where it has ended."""
    try:
        outgoing.write(data)
        await outgoing.drain()
    except RuntimeError as error:  # what uvloop says of a pipe that it has closed already
        raise ConnectionResetError(str(error)) from None


def _has_ended(pid: int) -> bool:
    """Whether a child has ended, without taking its exit code away from the loop, which waits for it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # the loop has it
        return True


async def _refreshed(question: Question, cluster: Cluster, facts: Facts, deadline: float) -> tuple[Reply, Facts]:
    try:
        return Reply(None), await cluster.fresh(*question.arguments, seconds=time_to_ask(deadline, FRESH_SECONDS))
    except NotAnswered as error:
        return Reply(None, str(error)), facts


async def _reply(question: Question, cluster: Cluster, facts: Facts, deadline: float) -> Reply:
    method, arguments = question.method, question.arguments
    if method in ("loading", "making", "dra"):
        return Reply([view.object for view in getattr(facts.neighbours(), method)(*arguments)])
    if method == "find_all":
        return Reply([facts.find(*key) for key in arguments[0]])
    if method in QUESTIONS:
        return Reply(getattr(facts, method)(*arguments))
    try:
        return Reply(await _asked(method, cluster, arguments, deadline))
    except NotAnswered as error:
        return Reply(None, str(error))


_SECONDS = {
    "may_override": OVERRIDE_SECONDS,
    "owner": OWNER_SECONDS,
    "secret": SECRET_SECONDS,
    "namespace": NAMESPACE_SECONDS,
    "access": ACCESS_SECONDS,
    "machine_configs": MACHINE_SECONDS,
}
"""The questions to the cluster itself, and the longest that each is waited for."""


async def _asked(method: str, cluster: Cluster, arguments: tuple[Any, ...], deadline: float) -> Any:
    return await getattr(cluster, method)(*arguments, seconds=time_to_ask(deadline, _SECONDS[method]))


def uid_of(body: bytes) -> str:
    """The uid of a body that was not decoded here. Raises Unreadable where it has none."""
    if uid := uid_in(body):
        return uid
    raise Unreadable("the review has no request with a uid")
