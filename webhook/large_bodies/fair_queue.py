"""Who is served next: users take turns, and so do the namespaces of a user, however many reviews each has waiting."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_ACCOUNT = "system:serviceaccount:"


class Asker(NamedTuple):
    """Who sent a review, and the namespace that it is about."""

    user: str = ""
    namespace: str = ""

    @property
    def group(self) -> str:
        """The user; of ServiceAccounts their namespace, because whoever may make one there may make a thousand."""
        return self.user.rpartition(":")[0] if self.user.startswith(_ACCOUNT) else self.user


class FairQueue(Generic[T]):
    """Items that wait, each under the name of who asked."""

    def __init__(self) -> None:
        self._groups: OrderedDict[str, OrderedDict[Asker, deque[T]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, asker: Asker, item: T) -> None:
        self._groups.setdefault(asker.group, OrderedDict()).setdefault(asker, deque()).append(item)
        self._length += 1

    def take(self, may_run: Callable[[str], bool]) -> tuple[Asker, T] | None:
        """The next item of a group that may run; the group, and the asker within it, go to the end of their rows."""
        group = next((group for group in self._groups if may_run(group)), None)
        if group is None:
            return None
        askers = self._groups[group]
        asker, items = next(iter(askers.items()))
        item = items.popleft()
        self._length -= 1
        askers.move_to_end(asker)
        self._groups.move_to_end(group)
        self._drop_empty(asker)
        return asker, item

    def remove(self, asker: Asker, item: T) -> None:
        """Take out an item that waits no longer; nothing if it was taken already."""
        askers = self._groups.get(asker.group, OrderedDict())
        items = askers.get(asker, deque())
        if item in items:
            items.remove(item)
            self._length -= 1
            self._drop_empty(asker)

    def _drop_empty(self, asker: Asker) -> None:
        askers = self._groups[asker.group]
        if not askers[asker]:
            del askers[asker]
        if not askers:
            del self._groups[asker.group]
