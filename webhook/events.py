"""What an operator is told of the server itself: one line of JSON an event, on stderr."""

from __future__ import annotations

import logging
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import orjson

from webhook.lines import Lines, write_all

Level = Literal["info", "warning", "error"]


_FLUSH = 1.0

_background: list[Lines] = []


def tell(level: Level, event: str, **details: object) -> None:
    """One line; details that JSON does not know are written as text."""
    record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event} | details
    line = orjson.dumps(record, default=str, option=orjson.OPT_APPEND_NEWLINE)
    with suppress(OSError, ValueError):  # nobody is left to be told, and the server goes on
        if _background:
            _background[-1].put(line)
        else:
            sys.stderr.write(line.decode())
            sys.stderr.flush()


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
