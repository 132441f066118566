"""What admission asks of the cluster: facts at hand, and questions that it puts only where a decision needs them."""

from __future__ import annotations

import asyncio
from typing import Protocol

from policy.facts import Facts, Object, Unknown


class NotAnswered(Exception):
    """A question that the API server did not answer: it refused, or was not reached in time.

    `status` is the HTTP status, 0 without any; `retry_after` the seconds after which it wants to be asked again.
    """

    def __init__(self, message: str, status: int = 0, retry_after: float = 0.0) -> None:
        self.status = status
        self.retry_after = retry_after
        super().__init__(message)


class Cluster(Protocol):
    """A live cluster, or a snapshot of one."""

    @property
    def facts(self) -> Facts:
        """What is known now, without asking."""
        ...

    async def fresh(self, namespace: str) -> Facts:
        """Facts whose Modules and node entries of a namespace are read for this call. Raises NotAnswered."""
        ...

    async def may_override(self, user: str, groups: tuple[str, ...], namespace: str) -> bool:
        """Whether RBAC gives the verb `override` on `namespaces.kmodgate.io`. Raises NotAnswered."""
        ...

    async def secret(self, namespace: str, name: str) -> Object | Unknown | None:
        """A certificate Secret without what is secret, None where there is none, UNKNOWN where it may not be read."""
        ...


class Until:
    """A cluster that is waited for until a time on the clock of the event loop; what takes longer is a TimeoutError.

    Only its answers are worth a wait, and a timer for each review would take longer than many a review.
    """

    def __init__(self, cluster: Cluster, deadline: float) -> None:
        self._cluster = cluster
        self._deadline = deadline

    @property
    def facts(self) -> Facts:
        return self._cluster.facts

    async def fresh(self, namespace: str) -> Facts:
        async with asyncio.timeout_at(self._deadline):
            return await self._cluster.fresh(namespace)

    async def may_override(self, user: str, groups: tuple[str, ...], namespace: str) -> bool:
        async with asyncio.timeout_at(self._deadline):
            return await self._cluster.may_override(user, groups, namespace)

    async def secret(self, namespace: str, name: str) -> Object | Unknown | None:
        async with asyncio.timeout_at(self._deadline):
            return await self._cluster.secret(namespace, name)
