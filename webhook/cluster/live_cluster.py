"""A cluster as the server asks it: facts for every review, and live where more than a cache must be sure."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from kmodgate.policy.cluster.controllers import controllers_in
from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import UNKNOWN, Facts, Object, Unknown
from kmodgate.policy.cluster.openshift_scc import KINDS
from kmodgate.policy.cluster.pruning import pruned_namespace, pruned_owner
from kmodgate.policy.cluster.redaction import redacted
from kmodgate.webhook.cluster.api_server import ApiServer
from kmodgate.webhook.cluster.live_facts import TOO_OLD, LiveFacts, Wanted, with_fetched
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
    UserInfo,
)
from kmodgate.webhook.cluster.reader import Reader
from kmodgate.webhook.cluster.watch import State, Timings

_EVENT_SECONDS = 5.0


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

    @property
    def revision(self) -> Hashable:
        """A value that stays equal as long as the facts give the same answers."""
        ...

    async def run(self) -> None:
        """Keeps the facts current until it is cancelled."""
        ...

    async def write_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        """Write an Event of core/v1 into a namespace. Raises NotAnswered."""
        ...

    @property
    def controllers(self) -> frozenset[str]:
        """The users that are seen to be KMM's controllers, where what is known of the cluster tells that."""
        ...

    async def version(self) -> str:
        """The version of the API server, as `1.36`; empty where there is none to ask. Raises NotAnswered."""
        ...


class LiveCluster:
    """A cluster behind an API server. Who KMM is there the policy says: its Deployments are not read."""

    controllers: frozenset[str] = frozenset()

    def __init__(self, server: ApiServer, *, too_old: float = TOO_OLD, timings: Timings | None = None) -> None:
        self._server = server
        self._reader = Reader(server)
        self.facts = LiveFacts(server, too_old=too_old, timings=timings)

    def age(self, kind: str) -> float:
        return self.facts.age(kind)

    def states(self) -> list[State]:
        return [watch.state() for watch in self.facts.watches]

    @property
    def is_ready(self) -> bool:
        return all(state.synced or state.refused for state in self.states())

    @property
    def revision(self) -> Hashable:
        return self.facts.revision

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for watch in self.facts.watches:
                tasks.create_task(watch.run(), name=f"watch of {watch.resource.kind}")

    async def write_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        await self._server.post(f"/api/v1/namespaces/{quote(namespace)}/events", event, seconds=_EVENT_SECONDS)

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
            self.facts,
            read.objects,
            modules={namespace: read.modules},
            entries={namespace: read.entries},
            daemon_sets={namespace: read.daemon_sets},
        )

    async def namespace(self, name: str, *, seconds: float = NAMESPACE_SECONDS) -> Object | None:
        found = await self._reader.read(("Namespace", "", name), seconds)
        return None if found is None else pruned_namespace(found)

    async def access(self, namespace: str, *, seconds: float = ACCESS_SECONDS) -> Sequence[Object]:
        return await self._reader.access(namespace, seconds)

    async def machine_configs(self, *, seconds: float = MACHINE_SECONDS) -> Sequence[Object]:
        return await self._reader.machine_configs(seconds)

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = OVERRIDE_SECONDS) -> bool:
        return await self._reader.may_override(user, namespace, seconds)


class SnapshotCluster:
    """A cluster as a dump tells of it: it never changes, and knows nobody's rights."""

    revision: Hashable = 0

    def __init__(self, dump: Dump) -> None:
        self.facts = dump.facts
        self.controllers = frozenset(controllers_in(dump.objects))
        self._access = [item for item in dump.objects if item.get("kind") in KINDS]
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

    async def write_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        """Do nothing: nobody reads the Events of a dump."""

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

    async def namespace(self, name: str, *, seconds: float = NAMESPACE_SECONDS) -> Object | None:
        found = self.facts.find("Namespace", "", name)
        return None if isinstance(found, Unknown) else found

    async def access(self, namespace: str, *, seconds: float = ACCESS_SECONDS) -> Sequence[Object]:
        return self._access

    async def machine_configs(self, *, seconds: float = MACHINE_SECONDS) -> Sequence[Object]:
        raise NotAnswered("a dump of a cluster has what its facts say")

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = OVERRIDE_SECONDS) -> bool:
        raise NotAnswered("a dump of a cluster does not tell who may do what")
