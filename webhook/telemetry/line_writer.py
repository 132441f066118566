"""Lines → a stream that may block: a thread writes them, so that the event loop waits for no reader."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

_MOST_BYTES = 8 * 1024 * 1024
_PAUSE = 0.05
"""Seconds between two writes: what is said meanwhile goes out with the next, and the loop is held up less often."""


class Lines:
    """A bounded queue and the thread that empties it. A line that finds no room is lost, and counted."""

    def __init__(self, write: Callable[[bytes], None], *, batch: int, most: int = _MOST_BYTES) -> None:
        """`write` takes some lines, `batch` bytes together unless one alone is longer, and raises OSError; `most` is
        how many bytes may wait.
        """
        self.lost = 0
        self._write = write
        self._batch = batch
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._taken = 0
        self._some = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Takes one line, at once. To be called by one thread at a time."""
        if self._bytes - self._taken + len(line) > self._most:
            self.lost += 1
            return
        self._bytes += len(line)
        self._waiting.append(line)
        if not self._some.is_set():
            self._some.set()

    def close(self, seconds: float) -> bool:
        """Ends after what waits is written, or after that time; whether everything was."""
        self._is_over = True
        self._some.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.lost += len(self._waiting)
            return False
        return True

    def _run(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            while self._waiting:
                self._write_some()
            if self._is_over and not self._waiting:
                return
            time.sleep(_PAUSE)

    def _write_some(self) -> None:
        lines = [self._waiting.popleft()]
        size = len(lines[0])
        while self._waiting and size + len(self._waiting[0]) <= self._batch:
            size += len(self._waiting[0])
            lines.append(self._waiting.popleft())
        try:
            self._write(b"".join(lines))
        except OSError:
            self.lost += len(lines)
        self._taken += size


def write_all(descriptor: int, data: bytes) -> None:
    """Writes everything, and waits where there is no room yet. Raises OSError."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # whoever shares the pipe made it so
            select.select([], [descriptor], [])
