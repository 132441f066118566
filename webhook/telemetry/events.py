"""What an operator is told of the server itself: one line of JSON an event, on stderr."""

from __future__ import annotations

import logging
import math
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import orjson

from kmodgate.webhook.telemetry.line_writer import Lines, write_all

Level = Literal["info", "warning", "error"]


_FLUSH = 1.0

_SAME = 60.0
_MOST = 256


class _Repeated:
    """What was told lately, and how often it was kept back since."""

    def __init__(self) -> None:
        self._told: dict[bytes, tuple[float, int]] = {}

    def of(self, text: bytes) -> int | None:
        """How often a text was kept back since it was told; None where it is to be kept back again."""
        now = time.monotonic()
        told, count = self._told.get(text, (-math.inf, 0))
        if now - told < _SAME:
            self._told[text] = told, count + 1
            return None
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[text] = now, 0
        return count


_repeated = _Repeated()
_background: list[Lines] = []


def tell(level: Level, event: str, **details: object) -> None:
    """One line; details that JSON does not know are written as text.

    A warning or an error that says the same as one within the last minute is counted only, and the next line has the
    number.
    """
    record: dict[str, object] = {"level": level, "event": event} | details
    if level != "info":
        repeated = _repeated.of(orjson.dumps(record, default=str))
        if repeated is None:
            return
        record |= {"repeated": repeated} if repeated else {}
    record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")} | record
    line = orjson.dumps(record, default=str, option=orjson.OPT_APPEND_NEWLINE)
    with suppress(OSError, ValueError):  # nobody is left to be told, and the server goes on
        if _background:
            _background[-1].put(line)
        else:
            sys.stderr.write(line.decode())
            sys.stderr.flush()


def lost() -> int:
    """Return how many lines were not written to stderr since start."""
    return sum(lines.lost for lines in _background)


@contextmanager
def in_background() -> Iterator[None]:
    """Within it nobody waits for whoever reads stderr; its end does, for a while."""
    _background.append(Lines(partial(write_all, sys.stderr.fileno()), batch=select.PIPE_BUF))
    try:
        yield
    finally:
        _background.pop().close(_FLUSH)


class _Events(logging.Handler):
    """What libraries and this package log, as events."""

    def emit(self, record: logging.LogRecord) -> None:
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        if record.levelno < logging.WARNING:
            level = "info"
        details = {"exception": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
        tell(level, record.getMessage(), logger=record.name, **details)


def take_logs() -> None:
    """Makes everything that is logged an event."""
    logging.basicConfig(level=logging.INFO, handlers=[_Events()], force=True)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # what strangers send is no event
