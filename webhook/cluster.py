"""What admission asks of the cluster: facts at hand, and questions that it puts only where a decision needs them."""

from __future__ import annotations

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
