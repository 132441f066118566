"""Memory and file descriptors of the server's processes while it is at work."""

from __future__ import annotations

import asyncio
import os
import statistics
import time

from tests.webhook.program import Program, memory

MIB = 1024 * 1024
_EVERY = 1.0
_PAUSE = 0.25
_SAME_COUNTS = 4
"""How many counts of file descriptors must be the same before nothing is taken to be on its way out."""

_MOST_COUNTS = 60
_TOLERATED = 0.05
"""By how much the last third may be above the second: allocators keep what a large review took here and there."""


class Watcher:
    """Samples of one server. The first third of them is its warm-up, and is not judged."""

    def __init__(self, server: Program) -> None:
        self._server = server
        self._memory: list[int] = []
        self._idle: list[int] = []

    async def watch(self, end: float) -> None:
        while time.monotonic() < end:
            self._memory.append(sum(memory(pid)["Pss"] for pid in self._server.processes()))
            await asyncio.sleep(_EVERY)

    async def idle(self) -> None:
        """Count the file descriptors when nobody is connected: the server closes them a moment after its callers."""
        counts: list[int] = []
        for _ in range(_MOST_COUNTS):
            counts.append(self._descriptors())
            if counts[-_SAME_COUNTS:] == [counts[-1]] * _SAME_COUNTS:
                break
            await asyncio.sleep(_PAUSE)
        self._idle.append(counts[-1])

    def _descriptors(self) -> int:
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self._server.processes())

    def problems(self) -> list[str]:
        before, after = self._thirds()
        found = []
        if after > before * (1 + _TOLERATED):
            found.append(f"memory grew from {before / MIB:.1f} to {after / MIB:.1f} MiB")
        if len(set(self._idle)) > 1:
            found.append(f"file descriptors, when idle: {' then '.join(map(str, self._idle))}")
        return found

    def summary(self) -> str:
        before, after = self._thirds()
        peak = max(self._memory) / MIB
        return (
            f"memory (PSS of all processes) {before / MIB:.1f} then {after / MIB:.1f} MiB, peak {peak:.1f} MiB;"
            f" {self._idle[-1]} file descriptors when idle"
        )

    def _thirds(self) -> tuple[float, float]:
        """The median of the second third, and that of the last."""
        third = len(self._memory) // 3
        return statistics.median(self._memory[third : 2 * third]), statistics.median(self._memory[2 * third :])
