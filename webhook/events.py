"""What an operator is told of the server itself: one line of JSON an event, on stderr."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

import orjson

Level = Literal["info", "warning", "error"]


def tell(level: Level, event: str, **details: object) -> None:
    """One line; details that JSON does not know are written as text."""
    record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event} | details
    with suppress(OSError, ValueError):  # nobody is left to be told, and the server goes on
        sys.stderr.write(orjson.dumps(record, default=str).decode() + "\n")
        sys.stderr.flush()


class _Lines(logging.Handler):
    """What libraries and this package log, as events."""

    def emit(self, record: logging.LogRecord) -> None:
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        if record.levelno < logging.WARNING:
            level = "info"
        details = {"exception": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
        tell(level, record.getMessage(), logger=record.name, **details)


def take_logs() -> None:
    """Makes everything that is logged an event."""
    logging.basicConfig(level=logging.INFO, handlers=[_Lines()], force=True)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # what strangers send is no event
