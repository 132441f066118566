"""The pipe between the server and the process that takes large bodies: a length, then a pickled message.

Both ends are this program, so that what is pickled is trusted; a body goes as bytes, and is decoded on the other side.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from kmodgate.policy.config import Policy
from kmodgate.policy.review import ClusterTraits
from kmodgate.policy.webhook_entries.row import Path
from kmodgate.webhook.admission.answer import Answer

_LENGTH = struct.Struct(">Q")
HEADER = _LENGTH.size


@dataclass(frozen=True, slots=True)
class Job:
    """One review, with what it is judged by."""

    path: Path
    body: bytes
    policy: Policy
    cluster: ClusterTraits
    now: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """What the other side cannot know: a method of the facts, or of the cluster itself, and its arguments."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the method returned, or the text of why the cluster could not be asked."""

    value: Any
    unavailable: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a job; without an answer the body was no review, which the text explains."""

    answer: Answer | None
    unreadable: str = ""


def packed(message: object) -> bytes:
    """A message with its length before it."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


def length(header: bytes) -> int:
    """How many bytes follow a header."""
    return int(_LENGTH.unpack(header)[0])


def unpacked(data: bytes) -> Any:
    """The message of its bytes."""
    return pickle.loads(data)


def receive(stream: BinaryIO) -> Any:
    """The next message, None at the end of the stream."""
    header = stream.read(HEADER)
    if len(header) < HEADER:
        return None
    return unpacked(stream.read(length(header)))


def send(stream: BinaryIO, message: object) -> None:
    """One message, at once."""
    stream.write(packed(message))
    stream.flush()
