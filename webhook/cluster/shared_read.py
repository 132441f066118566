"""One read for all who asked for it before it began."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")

_PATIENCE = 1.0
"""Seconds after which the next read does not wait for the one before it any more."""


class Shared(Generic[Result]):
    """A read whose result is as new as if everybody read alone: nobody joins one that has already begun."""

    def __init__(self, read: Callable[[], Awaitable[Result]]) -> None:
        self._read = read
        self._begun: asyncio.Task[Result] | None = None
        self._next: asyncio.Task[Result] | None = None

    async def get(self) -> Result:
        """What a read found that began after this call. Raises what the read raises.

        Whoever stops waiting does not stop the read of the others.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._begun))
            self._next.add_done_callback(_taken)
        return await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[Result] | None) -> Result:
        if before is not None and not before.done():
            await asyncio.wait((before,), timeout=_PATIENCE)
        self._begun, self._next = self._next, None
        return await self._read()


def _taken(task: asyncio.Task[Result]) -> None:
    """Looks at the error of a read that nobody waited for to the end, which would be told as one that was forgotten."""
    if not task.cancelled():
        task.exception()
