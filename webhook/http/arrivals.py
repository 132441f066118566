"""Bodies that are still arriving: how many bytes they hold, of one address and together, and whose place is taken.

A body that has arrived has a slot of its own. Until then it is bounded here, by bytes and by address. Where there is no
room, the body gives up that has had no byte for the longest time: who sends half a body and stops keeps nobody out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


def _nothing() -> None:
    """Nobody waits for the body yet."""


class Arrival:
    """A body on its way from one address; `give_up` ends the wait for it."""

    __slots__ = ("bytes", "give_up", "peer")

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.bytes = 0
        self.give_up: Callable[[], object] = _nothing


class Arrivals:
    """All bodies on their way, those first that have had no byte for the longest time."""

    def __init__(self) -> None:
        self.bytes = 0
        self.given_up = 0
        self._bodies: OrderedDict[Arrival, None] = OrderedDict()
        self._of_peers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._bodies)

    def begin(self, arrival: Arrival) -> None:
        self._bodies[arrival] = None

    def end(self, arrival: Arrival) -> None:
        """A body has arrived, or is not waited for any more."""
        if arrival in self._bodies:
            del self._bodies[arrival]
            if arrival.bytes:
                self._count(arrival, -arrival.bytes)
                arrival.bytes = 0

    def of_peer(self, peer: str) -> int:
        """The bytes that an address has here."""
        return self._of_peers.get(peer, 0)

    def grow(self, arrival: Arrival, size: int) -> None:
        """So many bytes more have come."""
        if arrival in self._bodies:
            arrival.bytes += size
            self._count(arrival, size)
            self._bodies.move_to_end(arrival)

    def make_room(self, arrival: Arrival, *, of_peer: bool) -> bool:
        """Have another body give up, of the same address or of the one that has most; False where there is none."""
        peer = arrival.peer if of_peer else max(self._of_peers, key=self._of_peers.__getitem__, default="")
        victim = next((item for item in self._bodies if item.peer == peer and item is not arrival and item.bytes), None)
        if victim is None:
            return False
        self.given_up += 1
        self.end(victim)
        victim.give_up()
        return True

    def _count(self, arrival: Arrival, size: int) -> None:
        self.bytes += size
        left = self._of_peers.get(arrival.peer, 0) + size
        if left:
            self._of_peers[arrival.peer] = left
        else:
            self._of_peers.pop(arrival.peer, None)
