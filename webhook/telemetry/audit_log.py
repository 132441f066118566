"""The audit log: one line of JSON a decision, to stdout or to a file that may be rotated by renaming it."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
import time
from typing import Any

import orjson

from kmodgate.webhook.telemetry.line_writer import Lines, write_all
from kmodgate.webhook.telemetry.metrics import Metrics

_LOOK_AGAIN = 1.0
"""Seconds after which a file is looked for under its name again."""


_FORM = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_LONG = 64 * 1024
_FLUSH = 3.0
"""Seconds that the end waits for whoever reads the log."""


class AuditLog:
    """Where decisions are written; a line that cannot be written is counted, and never costs an answer."""

    def __init__(self, path: str) -> None:
        """`-` is stdout, an empty path no log.

        Raises OSError for a file that cannot be opened, and for a named pipe that nobody reads.
        """
        self._path = path
        self._inode: tuple[int, int] | None = None
        self._looked = 0.0
        self._descriptor = -1
        self._unserialized = 0
        if path == "-":
            self._descriptor = sys.stdout.fileno()
        elif path:
            self._open()
        # lines of several writers do not mix: a file is appended to by one call, a pipe by what it takes as a whole
        is_shared = path == "-" or (path and stat.S_ISFIFO(os.fstat(self._descriptor).st_mode))
        self._lines = Lines(self._append, batch=select.PIPE_BUF if is_shared else _LONG) if path else None

    def expose(self, metrics: Metrics) -> None:
        """Show the lost lines as a metric."""
        metrics.audit_lines_lost.read(lambda: self.lost)

    @property
    def lost(self) -> int:
        """Lines that were not written since start."""
        return self._unserialized + (self._lines.lost if self._lines else 0)

    def write(self, record: dict[str, Any]) -> None:
        """Appends one line, soon, and without waiting for it."""
        if self._lines is None:
            return
        try:
            self._lines.put(orjson.dumps(record, option=_FORM))
        except orjson.JSONEncodeError:
            self._unserialized += 1

    def close(self) -> None:
        """Writes what is left, for a while: nobody may read it."""
        if self._lines is not None and self._lines.close(_FLUSH) and self._path != "-":
            os.close(self._descriptor)

    def _append(self, lines: bytes) -> None:
        if self._path != "-" and time.monotonic() - self._looked > _LOOK_AGAIN:
            self._follow()
        write_all(self._descriptor, lines)

    def _follow(self) -> None:
        """Opens the file anew if another, or none, lies under its name.

        Where it cannot be opened, the old one goes on under its new name. Raises OSError where it has none any more.
        """
        self._looked = time.monotonic()
        try:
            found = os.stat(self._path)
            if (found.st_dev, found.st_ino) == self._inode:
                return
        except OSError:
            pass
        old = self._descriptor
        try:
            self._open()
        except OSError:
            self._inode, self._looked = None, 0.0
            if os.fstat(old).st_nlink == 0:
                raise
        else:
            os.close(old)

    def _open(self) -> None:
        try:  # a named pipe would be waited for until somebody opens it for reading
            descriptor = os.open(self._path, _FLAGS | os.O_NONBLOCK, 0o640)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            raise OSError(errno.ENXIO, "a pipe that nobody reads, or no file", self._path) from None
        opened = os.fstat(descriptor)
        self._descriptor = descriptor
        self._inode = (opened.st_dev, opened.st_ino)
        self._looked = time.monotonic()
