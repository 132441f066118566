"""One kind of a cluster's objects, listed once and then watched: what is kept of them, and how old that knowledge is.

Source: "Efficient detection of changes" and "Retrieving large results sets in chunks" of the Kubernetes API concepts.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.webhook.cluster.api_server import JSON, ApiServer, listed, parsed
from kmodgate.webhook.cluster.questions import NotAnswered
from kmodgate.webhook.telemetry.metrics import Kept, Metrics

Map = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace, empty where there is none, and name."""

_METADATA = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1"
_TOO_SHORT = 1.0  # seconds: a watch that ends sooner is refused, and not over
_LONGEST_LINE = 16 << 20  # bytes: etcd takes no object beyond a tenth of that


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind and where the API server has it.

    `metadata_only` leaves spec and status there. A kind that is `optional` comes with an installation: without it, the
    API server knows no such path. Any other kind is always there, and who says otherwise is no API server. `labels` is
    a selector, where only some objects of a kind are kept; one that loses its labels is told as deleted.
    """

    kind: str
    path: str
    metadata_only: bool = False
    optional: bool = False
    labels: str = ""

    @property
    def query(self) -> dict[str, str | int]:
        """What each request has to say."""
        return {"labelSelector": self.labels} if self.labels else {}


@dataclass(frozen=True, slots=True)
class Timings:
    """When a watch is given up, and begun again; all in seconds.

    A real API server sends a bookmark about once a minute, and two seconds before a watch ends, but only if it has
    heard from etcd since. For a kind in which nothing happens that takes a `nudge`: a list of one object, for which
    an API server that answers lists from memory asks etcd how far it is (1.36 does). `silence` is one bookmark missed,
    and `resume` the age up to which a watch goes on where it ended: what is older is listed again, because only a list
    proves at once that nothing is missing. Together they leave half a minute for tries before what is known counts as
    too old, after two minutes (live_facts.py).
    """

    watch: float = 300.0
    silence: float = 90.0
    resume: float = 60.0
    nudge: float = 25.0
    probe: float = 30.0
    request: float = 30.0
    first_pause: float = 0.5
    longest_pause: float = 15.0
    longest_wish: float = 60.0
    """Of the pauses that the API server itself asks for."""
    page: int = 100
    """Objects: the fewer, the less memory a list takes while it is read, and the shorter others wait for it."""


@dataclass(frozen=True, slots=True)
class State:
    """How one kind is known at a moment, for metrics and for readiness.

    `age` is in seconds since the last proof of life, infinite before the first. `restarts` counts the watches that
    ended otherwise than planned; `error` tells the last reason while it lasts. `installed` is None before the first
    answer, `refused` whether the API server forbids to list the kind.
    """

    kind: str
    synced: bool
    installed: bool | None
    refused: bool
    age: float
    count: int
    restarts: int
    error: str


def expose_states(states: Callable[[], Sequence[State]], metrics: Metrics) -> None:
    """Show how each kind is known as metrics."""

    def read(metric: Kept, value: Callable[[State], float], kind: str) -> None:
        metric.read(lambda: next(value(state) for state in states() if state.kind == kind), kind)

    for kind in [state.kind for state in states()]:
        read(metrics.facts_age, lambda state: state.age, kind)
        read(metrics.facts_synced, lambda state: state.synced, kind)
        read(metrics.facts_objects, lambda state: state.count, kind)
        read(metrics.watch_restarts, lambda state: state.restarts, kind)


class Cache(Protocol):
    """What is kept of the objects of one kind. It must take objects of any shape.

    `changes` counts what changes an answer: it grows with each, and a `put` of what is there already is none.
    """

    changes: int

    def put(self, key: Key, item: Map) -> None: ...

    def drop(self, key: Key) -> None: ...

    def keys(self) -> Iterator[Key]: ...

    def __len__(self) -> int: ...


class Watch:
    """Keeps a cache as the API server has it, until it is cancelled."""

    def __init__(self, server: ApiServer, resource: Resource, cache: Cache, timings: Timings | None = None) -> None:
        self.resource = resource
        self.cache = cache
        self._server = server
        self._timings = timings or Timings()
        self._version = ""
        """Where a watch goes on; empty where only a list can tell."""
        self._alive = -math.inf
        self._failures = 0
        self._restarts = 0
        self._synced = False
        self._installed: bool | None = None
        self._refused = False
        self._error = ""

    @property
    def age(self) -> float:
        """Seconds since the last proof of life: a list, an event or a bookmark."""
        return time.monotonic() - self._alive

    @property
    def synced(self) -> bool:
        """Whether there has been a first list, or the answer that there is no such kind."""
        return self._synced

    def state(self) -> State:
        return State(
            self.resource.kind,
            self._synced,
            self._installed,
            self._refused,
            self.age,
            len(self.cache),
            self._restarts,
            self._error,
        )

    async def run(self) -> None:
        """Lists and watches until it is cancelled; whatever goes wrong is told by the state, and tried again."""
        while True:
            try:
                if not self._version or self.age > self._timings.resume:
                    await self._list()
                await self._watch()
            except NotAnswered as error:
                pause = self._after(error)
            except Exception as error:  # an object that breaks what keeps it must not end the watch unnoticed
                self._version = ""
                pause = self._after(NotAnswered(f"{type(error).__name__}: {error}"))
            else:
                continue
            await asyncio.sleep(pause)

    def _after(self, error: NotAnswered) -> float:
        """Takes note of a failure; the seconds to wait before the next try."""
        if error.status == 404 and self.resource.optional:
            self._set_absent()
            return self._timings.probe
        if error.status in (401, 403, 410):
            self._version = ""
        self._refused = error.status == 403
        self._error = f"{self.resource.kind}: {error}"
        self._restarts += 1
        self._failures += 1
        longest = min(self._timings.longest_pause, self._timings.first_pause * 2.0 ** min(self._failures - 1, 16))
        wish = min(error.retry_after, self._timings.longest_wish)
        return wish + longest * random.uniform(0.5, 1.0)

    def _set_absent(self) -> None:
        for key in list(self.cache.keys()):
            self.cache.drop(key)
        self._version, self._error, self._failures = "", "", 0
        self._installed, self._synced, self._refused = False, True, False
        self._alive = time.monotonic()

    async def _list(self) -> None:
        """Reads all pages. What is known stays known meanwhile, and what no page has goes at the end."""
        gone = set(self.cache.keys())
        query = {**self.resource.query, "limit": self._timings.page}
        accept = _METADATA.format(list="List") if self.resource.metadata_only else JSON
        asked = time.monotonic()  # all pages are of the moment of the first
        while True:
            body = await self._server.get(self.resource.path, query, seconds=self._timings.request, accept=accept)
            page = parsed(body)
            for item in listed(page):
                key = _key(item)
                self.cache.put(key, item)
                gone.discard(key)
            metadata = metadata_of(page)
            if not metadata.get("continue"):
                break
            query["continue"] = str(metadata["continue"])
        for key in gone:
            self.cache.drop(key)
        self._version = str(metadata.get("resourceVersion", ""))
        self._installed, self._synced, self._refused, self._error = True, True, False, ""
        self._alive = asked

    async def _watch(self) -> None:
        """Follows the changes until the API server ends the watch, as it was told to."""
        seconds = self._timings.watch * random.uniform(0.8, 1.0)  # so that not all watches end at once
        query = {
            **self.resource.query,
            "watch": 1,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": max(1, int(seconds)),
        }
        accept = _METADATA.format(list="") if self.resource.metadata_only else JSON
        silence, begun, is_heard = self._timings.silence, time.monotonic(), False
        async with self._server.stream(
            self.resource.path, query, seconds=seconds + silence, silence=silence, accept=accept
        ) as pieces:
            nudging = asyncio.create_task(self._nudge())
            try:
                async for line in _lines(pieces):
                    self._take(parsed(line))
                    is_heard, self._failures, self._error = True, 0, ""
            finally:
                nudging.cancel()
        if not is_heard and time.monotonic() - begun < _TOO_SHORT:
            raise NotAnswered("the watch ended before anything was heard")

    async def _nudge(self) -> None:
        """Has the API server ask etcd how far it is, whenever nothing has been heard for a while."""
        query = {**self.resource.query, "limit": 1}
        while True:
            await asyncio.sleep(self._timings.nudge)
            if self.age >= self._timings.nudge:
                with suppress(NotAnswered):  # the watch itself tells what is wrong
                    await self._server.get(self.resource.path, query, seconds=self._timings.request)

    def _take(self, event: Map) -> None:
        kind, item = event.get("type"), as_map(event.get("object"))
        if kind == "ERROR":
            code = item.get("code")
            self._version = ""
            raise NotAnswered(str(item.get("message", "the watch broke off")), code if type(code) is int else 0)
        if kind in ("ADDED", "MODIFIED"):
            self.cache.put(_key(item), item)
        elif kind == "DELETED":
            self.cache.drop(_key(item))
        elif kind != "BOOKMARK":
            raise NotAnswered(f"an event of the type {kind!r:.50}")
        self._version = str(metadata_of(item).get("resourceVersion") or self._version)
        self._alive = time.monotonic()


def _key(item: Map) -> Key:
    metadata = metadata_of(item)
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a text that arrives in pieces; one that is cut off at the end is no line."""
    rest = bytearray()
    async for piece in pieces:
        rest += piece
        *lines, last = rest.split(b"\n") if b"\n" in piece else (rest,)
        for line in lines:
            if line:
                yield bytes(line)
        rest = last
        if len(rest) > _LONGEST_LINE:
            raise NotAnswered(f"an event of more than {_LONGEST_LINE >> 20} MiB")
    if rest.strip():
        raise NotAnswered("the watch ended in the middle of an event")
