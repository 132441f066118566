"""The processes that judge large or costly reviews: one at first, more while there is work for them, up to the cores.

A review waits until a process is free, and no longer than its caller does. A process that works past the deadline of
its review is ended, and the review denied; the next one goes on with another process. Users take turns, and no user
has all processes while there are several.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from kmodgate.webhook.admission.admission_review import Unreadable
from kmodgate.webhook.admission.answer import Answer, unavailable
from kmodgate.webhook.admission.fail_closed import too_slow
from kmodgate.webhook.cluster.questions import Cluster
from kmodgate.webhook.large_bodies.fair_queue import Asker, FairQueue
from kmodgate.webhook.large_bodies.pipe import Job
from kmodgate.webhook.large_bodies.server_side import Lost, Worker, uid_of
from kmodgate.webhook.telemetry.events import tell
from kmodgate.webhook.telemetry.metrics import Metrics

MOST_PROCESSES = 4
IDLE_SECONDS = 60.0
"""After which a process that has nothing to do ends, unless it is the last one."""

_WAITED = "no process for large or costly reviews was free in time; make the object smaller, or try again"
_WORKED = "it took longer to judge than the API server waits, and its process was ended; make the object smaller"
_LOST = "the process that judges large objects was lost; make the object smaller, or try again"

NOBODY = Asker()

_Turn = asyncio.Future[Worker]


_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores(quota: Path = _QUOTA) -> int:
    """The processors that this process may use, MOST_PROCESSES at most; a limit of its container counts.

    Source: Control Group v2 of Linux, cpu.max.
    """
    found = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        share, period = quota.read_text().split()
        found = min(found, math.ceil(int(share) / int(period)))  # no number is no limit
    return max(1, min(MOST_PROCESSES, found))


class Pool:
    """Some processes and the reviews that wait for one; `most` is how many processes there may be."""

    def __init__(self, most: int | None = None, idle: float = IDLE_SECONDS) -> None:
        self.losses = 0
        self.most = most or cores()
        self._idle_seconds = idle
        self._queue: FairQueue[_Turn] = FairQueue()
        self._idle: list[Worker] = []
        self._busy: dict[Worker, str] = {}
        self._starting = 0
        self._timers: dict[Worker, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def expose(self, metrics: Metrics) -> None:
        """Show processes, waiting reviews and losses as metrics."""
        metrics.worker_losses.read(lambda: self.losses)
        metrics.worker_processes.read(lambda: self.processes)
        metrics.worker_waiting.read(lambda: len(self._queue))

    @property
    def processes(self) -> int:
        """How many there are, those included that are starting."""
        return len(self._idle) + len(self._busy) + self._starting

    async def start(self) -> None:
        """Start the first process, before a body comes for it. Raises OSError."""
        worker = Worker()
        await worker.start()
        self._idle.append(worker)

    async def decide(self, job: Job, cluster: Cluster, deadline: float, asker: Asker = NOBODY) -> Answer:
        """The answer to a review, by `deadline` (`loop.time()`) at the latest. Raises Unreadable."""
        turn: _Turn = asyncio.get_running_loop().create_future()
        self._queue.put(asker, turn)
        self._dispatch()
        try:
            async with asyncio.timeout_at(deadline):
                worker = await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():  # a process was given to the one who stopped waiting just then
                self._release(turn.result())
            if isinstance(error, TimeoutError):
                return too_slow(uid_of(job.body), reason=_WAITED)
            raise
        finally:
            self._queue.remove(asker, turn)
        return await self._judged(worker, job, cluster, deadline)

    async def _judged(self, worker: Worker, job: Job, cluster: Cluster, deadline: float) -> Answer:
        try:
            async with asyncio.timeout_at(deadline):
                done = await worker.judge(job, cluster, deadline)
        except TimeoutError:
            self._lost("a review took longer than the API server waits")
            if worker.unavailable:
                return Answer(uid_of(job.body), problem=unavailable(worker.unavailable))
            return too_slow(uid_of(job.body), reason=_WORKED)
        except Lost as error:
            self._lost(str(error))
            return Answer(uid_of(job.body), problem=(500, "InternalError", _LOST))
        finally:
            self._release(worker)
        if done.answer is None:
            raise Unreadable(done.unreadable)
        return done.answer

    def _lost(self, why: str) -> None:
        self.losses += 1
        tell("warning", "a process for large objects is ended", reason=why)

    def _dispatch(self) -> None:
        """Give waiting reviews to idle processes, and start another one where that is not enough."""
        while len(self._queue):
            worker = self._next_idle()
            if worker is None:
                if self.processes < self.most:
                    self._start_another()
                return
            taken = self._queue.take(self._may_run)
            if taken is None:
                self._rest(worker)
                return
            asker, turn = taken
            if turn.done():  # its caller has gone
                self._rest(worker)
                continue
            self._busy[worker] = asker.group
            turn.set_result(worker)

    def _may_run(self, group: str) -> bool:
        """Whether a group has not all processes but one: the last is for the others, where there are several."""
        return Counter(self._busy.values())[group] < max(1, self.most - 1)

    def _next_idle(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if timer := self._timers.pop(worker, None):
                timer.cancel()
            if worker.is_alive:
                return worker
            self._in_background(worker.stop())
        return None

    def _release(self, worker: Worker) -> None:
        """Take a process back from a review; one that was ended is replaced if it was the only one."""
        self._busy.pop(worker, None)
        if worker.is_alive:
            self._rest(worker)
        else:
            self._in_background(worker.stop())
            if not self.processes:
                self._start_another()
        self._dispatch()

    def _rest(self, worker: Worker) -> None:
        self._idle.append(worker)
        self._timers[worker] = asyncio.get_running_loop().call_later(self._idle_seconds, self._retire, worker)

    def _retire(self, worker: Worker) -> None:
        self._timers.pop(worker, None)
        if worker in self._idle and self.processes > 1:
            self._idle.remove(worker)
            self._in_background(worker.stop())

    def _start_another(self) -> None:
        self._starting += 1
        self._in_background(self._grow())

    async def _grow(self) -> None:
        worker = Worker()
        try:
            await worker.start()
        except OSError as error:
            tell("error", "a process for large objects cannot be started", error=str(error))
            return
        finally:
            self._starting -= 1
        self._rest(worker)
        self._dispatch()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End the processes, which are idle, or work for nobody any more, and wait for their end."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for timer in self._timers.values():
            timer.cancel()
        await asyncio.gather(*(worker.stop() for worker in (*self._idle, *self._busy)))
