"""What admission asks of the cluster: facts at hand, and questions that it puts only where a decision needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from kmodgate.policy.cluster.facts import Facts, Object, Unknown

Answer = TypeVar("Answer")


class NotAnswered(Exception):
    """A question that the API server did not answer: it refused, or was not reached in time.

    `status` is the HTTP status, 0 without any; `retry_after` the seconds after which it wants to be asked again.
    """

    def __init__(self, message: str, status: int = 0, retry_after: float = 0.0) -> None:
        self.status = status
        self.retry_after = retry_after
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Who asks, with everything that authorizers decide by.

    `extra` may hold what is nobody else's business, and scopes that take rights away: it is never shown, nor left out.
    Source: UserInfo of authentication.k8s.io/v1 of Kubernetes.
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)


class Cluster(Protocol):
    """A live cluster, or a snapshot of one."""

    @property
    def facts(self) -> Facts:
        """What is known now, without asking."""
        ...

    async def fresh(self, namespace: str, *, seconds: float = ...) -> Facts:
        """Facts whose Modules, entries and DaemonSets of a namespace are read for this call. Raises NotAnswered."""
        ...

    async def namespace(self, name: str, *, seconds: float = ...) -> Object | None:
        """A Namespace as it is now, None if there is none. Raises NotAnswered."""
        ...

    async def access(self, namespace: str, *, seconds: float = ...) -> Sequence[Object]:
        """All of which an account of a namespace may get the use of an SCC. Raises NotAnswered."""
        ...

    async def machine_configs(self, *, seconds: float = ...) -> Sequence[Object]:
        """The MachineConfigs of all pools, as far as they are about drivers. Raises NotAnswered."""
        ...

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = ...) -> bool:
        """Whether authorizers give somebody the verb `override` on `namespaces.kmodgate.io`. Raises NotAnswered."""
        ...

    async def secret(self, namespace: str, name: str, *, seconds: float = ...) -> Object | Unknown | None:
        """A certificate Secret without what is secret, None where there is none, UNKNOWN where it may not be read."""
        ...

    async def owner(self, kind: str, namespace: str, name: str, *, seconds: float = ...) -> Object | Unknown | None:
        """The metadata of a workload, read now; None where there is none, UNKNOWN where it may not be read."""
        ...


FRESH_SECONDS = 30.0
NAMESPACE_SECONDS = 1.5
ACCESS_SECONDS = 30.0
MACHINE_SECONDS = 1.5
OVERRIDE_SECONDS = 3.0
SECRET_SECONDS = 2.0
OWNER_SECONDS = 2.0
"""The longest that each question is waited for, however much time the API server gives."""

_TO_TELL = 0.5


def time_to_ask(deadline: float, longest: float) -> float:
    """Seconds that a question may take whose review is due at `deadline` (`loop.time()`), `longest` at most.

    A fifth of what is left, at most half a second, is for telling why there was no answer.
    """
    left = max(0.0, deadline - asyncio.get_running_loop().time())
    return min(left - min(left / 5, _TO_TELL), longest)


class Until:
    """A cluster that is asked for as long as a review has time, up to `deadline` on the clock of the event loop.

    What does not end by itself then is a TimeoutError.

    Only its answers are worth a wait, and a timer for each review would take longer than many a review.
    """

    def __init__(self, cluster: Cluster, deadline: float) -> None:
        self._cluster = cluster
        self._deadline = deadline

    @property
    def facts(self) -> Facts:
        return self._cluster.facts

    async def fresh(self, namespace: str, *, seconds: float = FRESH_SECONDS) -> Facts:
        return await self._in_time(self._cluster.fresh(namespace, seconds=self._left(seconds)))

    async def namespace(self, name: str, *, seconds: float = NAMESPACE_SECONDS) -> Object | None:
        return await self._in_time(self._cluster.namespace(name, seconds=self._left(seconds)))

    async def access(self, namespace: str, *, seconds: float = ACCESS_SECONDS) -> Sequence[Object]:
        return await self._in_time(self._cluster.access(namespace, seconds=self._left(seconds)))

    async def machine_configs(self, *, seconds: float = MACHINE_SECONDS) -> Sequence[Object]:
        return await self._in_time(self._cluster.machine_configs(seconds=self._left(seconds)))

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = OVERRIDE_SECONDS) -> bool:
        return await self._in_time(self._cluster.may_override(user, namespace, seconds=self._left(seconds)))

    async def secret(self, namespace: str, name: str, *, seconds: float = SECRET_SECONDS) -> Object | Unknown | None:
        return await self._in_time(self._cluster.secret(namespace, name, seconds=self._left(seconds)))

    async def owner(
        self, kind: str, namespace: str, name: str, *, seconds: float = OWNER_SECONDS
    ) -> Object | Unknown | None:
        return await self._in_time(self._cluster.owner(kind, namespace, name, seconds=self._left(seconds)))

    def _left(self, longest: float) -> float:
        return time_to_ask(self._deadline, longest)

    async def _in_time(self, answer: Coroutine[Any, Any, Answer]) -> Answer:
        async with asyncio.timeout_at(self._deadline):
            return await answer
