"""A cluster as the server asks it: facts for every review, and live where more than a cache must be sure."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import UNKNOWN, Facts, Object, Unknown
from kmodgate.policy.cluster.pruning import pruned_owner
from kmodgate.policy.cluster.redaction import redacted
from kmodgate.webhook.cluster.api_server import ApiServer
from kmodgate.webhook.cluster.live_facts import TOO_OLD, LiveFacts, Wanted, with_fetched
from kmodgate.webhook.cluster.questions import (
    FRESH_SECONDS,
    OVERRIDE_SECONDS,
    OWNER_SECONDS,
    SECRET_SECONDS,
    Cluster,
    NotAnswered,
    UserInfo,
)
from kmodgate.webhook.cluster.reader import Reader
from kmodgate.webhook.cluster.watch import State, Timings


class Watched(Cluster, Protocol):
    """A cluster, and how it is known."""

    def age(self, kind: str) -> float:
        """Seconds since what is known of a kind was proven to be so; infinite for a kind of which nothing is known."""
        ...

    def states(self) -> Sequence[State]:
        """How each kind is known."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether each kind has been read once, or is withheld by the API server: rules that need it then deny."""
        ...

    async def run(self) -> None:
        """Keeps the facts current until it is cancelled."""
        ...

    async def version(self) -> str:
        """The version of the API server, as `1.36`; empty where there is none to ask. Raises NotAnswered."""
        ...


class LiveCluster:
    """A cluster behind an API server."""

    def __init__(self, server: ApiServer, *, too_old: float = TOO_OLD, timings: Timings | None = None) -> None:
        self._reader = Reader(server)
        self.facts = LiveFacts(server, too_old=too_old, timings=timings)

    def age(self, kind: str) -> float:
        return self.facts.age(kind)

    def states(self) -> list[State]:
        return [watch.state() for watch in self.facts.watches]

    @property
    def is_ready(self) -> bool:
        return all(state.synced or state.refused for state in self.states())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for watch in self.facts.watches:
                tasks.create_task(watch.run(), name=f"watch of {watch.resource.kind}")

    async def version(self) -> str:
        return await self._reader.version(5.0)

    async def secret(self, namespace: str, name: str, *, seconds: float = SECRET_SECONDS) -> Object | Unknown | None:
        try:
            return await self._reader.read(("Secret", namespace, name), seconds)
        except NotAnswered:
            return UNKNOWN

    async def owner(
        self, kind: str, namespace: str, name: str, *, seconds: float = OWNER_SECONDS
    ) -> Object | Unknown | None:
        try:
            found = await self._reader.read((kind, namespace, name), seconds)
        except NotAnswered:
            return UNKNOWN
        return None if found is None else pruned_owner(found)

    async def fresh(self, namespace: str, wanted: Iterable[Wanted] = (), *, seconds: float = FRESH_SECONDS) -> Facts:
        read = await self._reader.fresh(namespace, tuple(wanted), seconds)
        return with_fetched(
            self.facts, read.objects, modules={namespace: read.modules}, entries={namespace: read.entries}
        )

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = OVERRIDE_SECONDS) -> bool:
        return await self._reader.may_override(user, namespace, seconds)


class SnapshotCluster:
    """A cluster as a dump tells of it: it never changes, and knows nobody's rights."""

    def __init__(self, dump: Dump) -> None:
        self.facts = dump.facts
        self._counts = Counter(str(item.get("kind", "")) for item in dump.objects)
        self._complete = dump.complete

    def age(self, kind: str) -> float:
        return 0.0 if kind in self._complete else math.inf

    def states(self) -> list[State]:
        return [
            State(kind, True, True, False, 0.0, self._counts[kind], restarts=0, error="")
            for kind in sorted(self._complete)
        ]

    @property
    def is_ready(self) -> bool:
        return True

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def version(self) -> str:
        return ""

    async def secret(self, namespace: str, name: str, *, seconds: float = SECRET_SECONDS) -> Object | Unknown | None:
        found = self.facts.find("Secret", namespace, name)
        return found if found is None or isinstance(found, Unknown) else redacted(found)

    async def owner(
        self, kind: str, namespace: str, name: str, *, seconds: float = OWNER_SECONDS
    ) -> Object | Unknown | None:
        found = self.facts.find(kind.rpartition("/")[2], namespace, name)
        return pruned_owner(found) if isinstance(found, Mapping) else None  # nobody else will tell

    async def fresh(self, namespace: str, wanted: Iterable[Wanted] = (), *, seconds: float = FRESH_SECONDS) -> Facts:
        return self.facts

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = OVERRIDE_SECONDS) -> bool:
        raise NotAnswered("a dump of a cluster does not tell who may do what")
