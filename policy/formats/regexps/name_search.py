"""Globs that are looked for in lists of names, in time proportional to the object that brings both.

Many globs and many names make a product: each search goes over all names. What may be read together is a multiple of
the size of the object, above which nothing counts as found.
"""

from __future__ import annotations

from collections.abc import Set

from kmodgate.policy.formats.regexps.go_regexps import Pattern, compile_pattern, whole_lines

MOST_STEPS = 4_000_000
"""Characters of names times characters of expressions; ten names and twenty globs are not a tenth of that."""

MOST_READS = 16
"""How often each character of an object may be read for its globs, on the average."""


class NameSearch:
    """The searches of one rule in one object; `size` is how many characters of names and globs the object has.

    `is_over` is whether there was more to read than that allows: what was found is then incomplete.
    """

    def __init__(self, size: int) -> None:
        self.is_over = False
        self._size = size
        self._steps = self._reads = 0

    def reads(self, count: int) -> bool:
        """Count characters or items that are about to be read; return whether that is still allowed."""
        self._reads += count
        self.is_over = self.is_over or self._reads > MOST_READS * self._size
        return not self.is_over

    def matched(self, expressions: list[str], text: str) -> Set[str]:
        """Return the lines of a text that expressions match in full; nothing once there is too much to read."""
        self._steps += len(text) * sum([len(item) for item in expressions])
        self.is_over = self.is_over or self._steps > MOST_STEPS
        if not self.reads(len(text)):
            return set()
        found = whole_lines(expressions, text)
        if found is None:  # one that cannot be compiled spoils them all
            sound = [item for item in expressions if isinstance(compile_pattern(item), Pattern)]
            found = whole_lines(sound, text) if sound else set()
        self.is_over = found is None
        return found or set()
