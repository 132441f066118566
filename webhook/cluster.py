"""What admission asks of the cluster: facts at hand, and questions that it puts only where a decision needs them."""

from __future__ import annotations

from typing import Protocol

from policy.facts import Facts, Object, Unknown


class Unavailable(Exception):
    """The cluster could not be asked; the text says what, and why."""


class Cluster(Protocol):
    """A live cluster, or a snapshot of one."""

    @property
    def facts(self) -> Facts:
        """What is known now, without asking."""
        ...

    async def fresh(self, namespace: str) -> Facts:
        """Facts whose Modules and node entries of a namespace are read for this call. Raises Unavailable."""
        ...

    async def may_override(self, user: str, groups: tuple[str, ...], namespace: str) -> bool:
        """Whether RBAC gives the verb `override` on `namespaces.kmodgate.io`. Raises Unavailable."""
        ...

    async def secret(self, namespace: str, name: str) -> Object | Unknown | None:
        """A certificate Secret without what is secret, None where there is none, UNKNOWN where it may not be read."""
        ...


class SnapshotCluster:
    """A cluster that nobody can be asked about beyond a dump: nobody may override, and no Secret is read."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    async def fresh(self, namespace: str) -> Facts:
        return self.facts

    async def may_override(self, user: str, groups: tuple[str, ...], namespace: str) -> bool:
        return False

    async def secret(self, namespace: str, name: str) -> Object | Unknown | None:
        return self.facts.find("Secret", namespace, name)
