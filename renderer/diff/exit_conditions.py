"""When a change fails a pipeline, so that a second person looks at it: by what it does, or on how many nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.diff.consequences import Consequence
from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.wording import counted, listed

EFFECTS: dict[str, tuple[Effect, ...]] = {
    "unload": (
        Effect.UNLOAD,
        Effect.LOSE,
        Effect.RECREATE,
        Effect.RENAME,
        Effect.UNKNOWN,
        Effect.CORDON,
        Effect.IN_TREE,
    ),
    "reload": (Effect.RELOAD, Effect.LOSE, Effect.RECREATE),
    "reboot": (Effect.REBOOT, Effect.IN_TREE),
    "build": (Effect.BUILD, Effect.MADE_AGAIN),
}
"""Condition → the effects that meet it.

A drain unloads the drivers that do not tolerate its cordon. Another selector may unload where nodes are not known. A
Module that must be created again is unloaded first, and the unload of a renamed one takes the driver of its successor
along.
"""

_UNTOUCHED = frozenset(
    (
        Effect.BUILD,
        Effect.MADE_AGAIN,
        Effect.JOB,
        Effect.STUCK,
        Effect.STALE,
        Effect.KEPT,
        Effect.VERSION,
        Effect.NOTHING,
        Effect.OPERATOR,
        Effect.LEFT_BEHIND,
        Effect.NEXT_BOOT,
        Effect.PAUSED,
    )
)
"""Effects by which no driver or plugin on a node changes."""

_NODES = lazy_regex(r"nodes=([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Condition:
    """`unload`, `reload` or `build`, or a number of nodes on which something happens."""

    name: str
    nodes: int = 0

    def met_by(self, consequences: Iterable[Consequence]) -> Iterator[str]:
        """Yield why the condition is met; nothing if it is not."""
        if self.nodes:
            yield from self._by_number([item for item in consequences if item.effect not in _UNTOUCHED])
        else:
            yield from (item.text for item in consequences if item.effect in EFFECTS[self.name])

    def _by_number(self, consequences: list[Consequence]) -> Iterator[str]:
        known = {place: count for item in consequences for place, count in item.places.items()}
        unknown = {name for item in consequences for name in item.unknown or (() if item.places else item.clusters)}
        if sum(known.values()) >= self.nodes:
            yield f"something happens on {counted(sum(known.values()), 'node')}"
        elif unknown:
            yield f"the number of nodes in {listed(sorted(unknown))} is not known"


def condition(text: str) -> Condition:
    """Return the condition of `--fail-on`. Raises Unusable."""
    number = _NODES.fullmatch(text)
    if number:
        return Condition(text, int(number[1]))
    if text not in EFFECTS:
        raise Unusable(f"--fail-on {text!r} is not a condition", f"one of: {', '.join(EFFECTS)}, nodes=N")
    return Condition(text)
