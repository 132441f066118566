"""What answers have the cluster told: Events about the objects that something hangs on, and metrics with their names.

That is what the garbage collector is kept from deleting, and Jobs of DKMS work whose pods are refused.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from kmodgate.webhook.admission.reported import Collected, JobPod, Notice
from kmodgate.webhook.cluster.questions import NotAnswered
from kmodgate.webhook.telemetry.events import tell
from kmodgate.webhook.telemetry.metrics import Kept, Metrics

_AGAIN = 600.0
"""Seconds after which the same is told again: controllers try for as long as it takes."""

_MOST = 100
"""Refusals that are remembered, and shown as a metric: the latest."""

Key = tuple[str, ...]


class Refusals:
    """The latest refusals by their names, and how often each happened: of the last `seconds`."""

    def __init__(self, seconds: float = math.inf) -> None:
        self._seconds = seconds
        self._counts: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        self._metric: Kept | None = None

    def expose(self, metric: Kept) -> None:
        """Show them as a metric whose labels are the names."""
        self._metric = metric

    def add(self, key: Key) -> None:
        """Count one."""
        self._counts[key] = (self._count(key) or 0) + 1, time.monotonic()
        self._counts.move_to_end(key)
        if self._metric is not None:
            self._metric.read(lambda: self._count(key), *key)
        if len(self._counts) > _MOST:
            self._forget(next(iter(self._counts)))

    def forget(self, *names: str) -> None:
        """Show those no longer whose names begin with these."""
        for key in [key for key in self._counts if key[: len(names)] == names]:
            self._forget(key)

    def _count(self, key: Key) -> int | None:
        count, last = self._counts.get(key, (0, -math.inf))
        return count if time.monotonic() - last < self._seconds else None

    def _forget(self, key: Key) -> None:
        del self._counts[key]
        if self._metric is not None:
            self._metric.forget(*key)


class Reports:
    """Tells the cluster; `post` writes an Event into a namespace."""

    def __init__(self, post: Callable[[str, Mapping[str, Any]], Awaitable[None]]) -> None:
        self._post = post
        self._collections = Refusals()
        self._jobs = Refusals(_AGAIN)
        self._told: OrderedDict[Key, float] = OrderedDict()

    def expose(self, metrics: Metrics) -> None:
        """Show the refusals by the names of what was refused."""
        self._collections.expose(metrics.collections)
        self._jobs.expose(metrics.job_pods)

    async def tell(self, report: Collected | JobPod) -> None:
        """Count a refusal, and write its Events unless that was done lately."""
        if isinstance(report, Collected):
            self._collections.add(report.key)
        elif report.refusing:
            self._jobs.add(report.key)
        else:
            self._jobs.forget(report.namespace, report.job.name)
            return
        if not self._is_due(report.key):
            return
        for notice in report.notices:
            try:
                await self._post(report.namespace, _event(report.namespace, notice))
            except NotAnswered as error:
                tell("warning", "an Event was not written", namespace=report.namespace, error=str(error))

    def _is_due(self, key: Key) -> bool:
        """Whether the Events of a refusal were not written lately; they count as written from now on."""
        now = time.monotonic()
        if now - self._told.get(key, -_AGAIN) < _AGAIN:
            return False
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > _MOST:
            self._told.popitem(last=False)
        return True


def _event(namespace: str, notice: Notice) -> dict[str, Any]:
    """An Event of the type core/v1, which every client shows."""
    target = notice.target
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    involved = {
        "apiVersion": target.api_version,
        "kind": target.kind,
        "namespace": namespace,
        "name": target.name,
        "uid": target.uid,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "kmodgate-", "namespace": namespace},
        "involvedObject": {key: value for key, value in involved.items() if value},
        "reason": notice.reason,
        "message": notice.message,
        "type": "Warning",
        "source": {"component": "kmodgate-webhook"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
