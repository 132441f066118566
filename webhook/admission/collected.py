"""What the garbage collector was kept from deleting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """An object that an Event is about."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Collected:
    """An object of a namespace that stays, its owners, and the Modules that need it."""

    namespace: str
    kind: str
    name: str
    owners: tuple[Target, ...]
    modules: tuple[Target, ...]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Namespace, kind and name of the object, and the names of the Modules."""
        return self.namespace, self.kind, self.name, ",".join(sorted(item.name for item in self.modules))
