"""What the garbage collector is kept from deleting, told by Events on its owners and on the Modules that need it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from kmodgate.webhook.admission.collected import Collected
from kmodgate.webhook.cluster.questions import NotAnswered
from kmodgate.webhook.telemetry.events import tell
from kmodgate.webhook.telemetry.metrics import Kept, Metrics

_AGAIN = 600.0
"""Seconds after which the same is told again: the garbage collector tries for as long as it takes."""

_MOST = 100
"""Objects that are remembered, and shown as a metric: the latest."""

_MOST_EVENTS = 10
"""Of one refusal: an object has one or two owners and Modules, and may be given hundreds."""


class Collections:
    """The latest refusals, and the Events about them, which `post` writes into a namespace."""

    def __init__(self, post: Callable[[str, Mapping[str, Any]], Awaitable[None]]) -> None:
        self._post = post
        self._counts: OrderedDict[tuple[str, str, str, str], int] = OrderedDict()
        self._told: OrderedDict[tuple[str, str, str, str], float] = OrderedDict()
        self._metric: Kept | None = None

    def expose(self, metrics: Metrics) -> None:
        """Show the refusals by the names of what was refused."""
        self._metric = metrics.collections

    async def tell(self, found: Collected) -> None:
        """Count a refusal, and write its Events unless that was done lately."""
        key = found.key
        self._count(key)
        now = time.monotonic()
        if now - self._told.get(key, -_AGAIN) < _AGAIN:
            return
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > _MOST:
            self._told.popitem(last=False)
        for event in _events(found):
            try:
                await self._post(found.namespace, event)
            except NotAnswered as error:
                tell("warning", "an Event was not written", namespace=found.namespace, error=str(error))

    def _count(self, key: tuple[str, str, str, str]) -> None:
        self._counts[key] = self._counts.get(key, 0) + 1
        self._counts.move_to_end(key)
        if self._metric is not None:
            self._metric.read(lambda: self._counts.get(key, 0), *key)
        if len(self._counts) > _MOST:
            oldest, _ = self._counts.popitem(last=False)
            if self._metric is not None:
                self._metric.forget(*oldest)


def _events(found: Collected) -> Iterator[dict[str, Any]]:
    """One Event an owner and a Module, of the type core/v1, which every client shows."""
    names = ", ".join(f"{found.namespace}/{item.name}" for item in found.modules) or "a node that has its driver loaded"
    message = (
        f"{found.kind} {found.name} is not deleted with its owner: {names} still needs it. Remove the Module first, or "
        f"take the owner off the {found.kind}."
    )
    for target in (*found.owners, *found.modules)[:_MOST_EVENTS]:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        involved = {
            "apiVersion": target.api_version,
            "kind": target.kind,
            "namespace": found.namespace,
            "name": target.name,
            "uid": target.uid,
        }
        yield {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": "kmodgate-still-needed-", "namespace": found.namespace},
            "involvedObject": {key: value for key, value in involved.items() if value},
            "reason": "StillNeeded",
            "message": message,
            "type": "Warning",
            "source": {"component": "kmodgate-webhook"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
