"""What the server takes on at once, and for how long: in-flight requests and bytes, body size, deadlines.

The API server throttles its calls by nothing. What is above a limit is refused at once, with the `Retry-After` by which
the API server tries again within its own deadline; a queue would only spend that deadline.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from aiohttp import HttpVersion11, web

from kmodgate.webhook.http.arrivals import Arrival, Arrivals
from kmodgate.webhook.telemetry.metrics import Metrics

MIB = 1024 * 1024

REASONS = {
    400: "the body cannot be read",
    408: "the body did not arrive in time",
    413: "the body is larger than this server takes",
    415: "an encoded body is not taken",
    429: "too many requests at once",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one process.

    `body` is above the 7 MiB that a review of two objects of the API server's 3 MiB can have. Times are in seconds; the
    API server allows 1 to 30 and asks for 10 by default. Full to `bytes` with large reviews, a server of two cores
    takes 366 MiB.
    """

    requests: int = 128
    bytes: int = 80 * MIB
    body: int = 8 * MIB
    default_deadline: float = 10.0
    longest_deadline: float = 30.0
    body_time: float = 10.0


class Refusal(Exception):
    """A request that is not looked at. `status` is that of the answer, `reason` its text."""

    def __init__(self, status: Literal[400, 408, 413, 415, 429]) -> None:
        self.status = status
        self.reason = REASONS[status]
        super().__init__(f"{status} {self.reason}")

    @property
    def headers(self) -> Mapping[str, str]:
        """429 says when to come back; after the others the rest of the body is of no use, so the connection ends.

        The framework closes only on `force_close()` of the response; the header alone tells the caller.
        """
        return {"Retry-After": "1"} if self.status == 429 else {"Connection": "close"}


class Gate:
    """Counts what is in flight: `requests` whose body has arrived, the bytes `held` by them, and what still arrives."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.requests = 0
        self.held = 0
        self.arrivals = Arrivals()

    @property
    def bytes(self) -> int:
        """The bytes of all bodies, those that are arriving included."""
        return self.held + self.arrivals.bytes

    def expose(self, metrics: Metrics) -> None:
        """Show what is in flight as metrics."""
        metrics.in_flight.read(lambda: self.requests)
        metrics.bytes_in_flight.read(lambda: self.bytes)
        metrics.arriving.read(lambda: len(self.arrivals))
        metrics.arrivals_given_up.read(lambda: self.arrivals.given_up)

    def enter(self, peer: str = "") -> Slot:
        """A request of an address whose body is to arrive, for a `with` block."""
        return Slot(self, peer)


class Slot:
    """One request: a body on its way first, and a place among those that are answered once it `has_arrived`."""

    __slots__ = ("_arrival", "_gate", "_has_arrived", "bytes")

    def __init__(self, gate: Gate, peer: str) -> None:
        self._gate = gate
        self._arrival = Arrival(peer)
        self._has_arrived = False
        self.bytes = 0

    def __enter__(self) -> Slot:
        self._gate.arrivals.begin(self._arrival)
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.arrivals.end(self._arrival)
        if self._has_arrived:
            self._gate.requests -= 1
            self._gate.held -= self.bytes

    @property
    def limits(self) -> Limits:
        return self._gate.limits

    def on_given_up(self, give_up: Callable[[], object]) -> None:
        """What ends the wait for the body where its bytes are needed for others."""
        self._arrival.give_up = give_up

    def check(self, size: int) -> None:
        """Raises Refusal where a body of `size` bytes is too large (413) or finds no room beside those held (429)."""
        if size > self.limits.body:
            raise Refusal(413)
        if self._gate.held + size > self.limits.bytes:
            raise Refusal(429)

    def grow(self, size: int) -> None:
        """Take `size` bytes more, if need be those of a body that has stopped. Raises Refusal as `check` does."""
        gate, arrival = self._gate, self._arrival
        self.check(self.bytes + size)
        share = gate.limits.bytes * 3 // 4
        while gate.arrivals.of_peer(arrival.peer) + size > share and gate.arrivals.make_room(arrival, of_peer=True):
            pass
        while gate.bytes + size > gate.limits.bytes:
            if not gate.arrivals.make_room(arrival, of_peer=False):
                raise Refusal(429)
        self.bytes += size
        gate.arrivals.grow(arrival, size)

    def take(self, size: int) -> None:
        """Take a body of `size` bytes that came with its header. Raises Refusal as `grow` and `has_arrived` do."""
        gate = self._gate
        if gate.arrivals.bytes or size > gate.limits.body or gate.held + size > gate.limits.bytes:
            self.grow(size)  # which refuses it, or has others make room
        else:
            self.bytes = size
        self.has_arrived()

    def has_arrived(self) -> None:
        """The body is complete: take a place among those that are answered. Raises Refusal(429) where none is left."""
        gate = self._gate
        if gate.requests >= gate.limits.requests:
            raise Refusal(429)
        gate.arrivals.end(self._arrival)
        gate.requests += 1
        gate.held += self.bytes
        self._has_arrived = True


_DURATION = re.compile(r"\+?((?:(?:[0-9]++(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_PART = re.compile(r"(?<![0-9.])([0-9.]++)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_TEXT = 64


@lru_cache(maxsize=64)  # the API server asks with the same few
def duration(text: str) -> float | None:
    """Seconds of a positive duration as Go writes them (`10s`, `1m0s`, `1.5h`); None for anything else."""
    if len(text) > _LONGEST_TEXT or not (found := _DURATION.fullmatch(text)):
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(found[1]))
    return seconds if seconds > 0 else None


def time_limit(timeout: str | None, limits: Limits) -> float:
    """Seconds in which to answer, from the `timeout` of the query; absent or not a duration, the default counts.

    A tenth of it, at most one second, is left for the way back: the API server rounds what it has left up to seconds.
    """
    allowed = duration(timeout) if timeout else None
    allowed = min(allowed or limits.default_deadline, limits.longest_deadline)
    return allowed - min(allowed / 10, 1.0)


class Clocked(Protocol):
    """A clock in seconds that never goes back."""

    def __call__(self) -> float: ...


def deadline(timeout: str | None, limits: Limits, *, now: Clocked = time.monotonic) -> float:
    """When the answer must be out, on the clock of the event loop (`loop.time()`, which is the monotonic one)."""
    return now() + time_limit(timeout, limits)


async def read_body(request: web.BaseRequest, slot: Slot, deadline: float) -> bytes:
    """The body of a request, held in `slot`, read until `deadline` (`loop.time()`) at the latest.

    Raises Refusal: 415 encoded, 413 too large, 429 no room, 408 too slow, 400 broken off. Bytes count as they arrive:
    a length that is only announced reserves nothing, or a few slow senders would keep everybody else out.
    """
    if "Content-Encoding" in request.headers:
        raise Refusal(415)
    content = request.content
    try:
        if content.is_eof():  # it came with its header, and nobody is waited for
            body = content.read_nowait()
            slot.take(len(body))
            return body
        slot.check(request.content_length or 0)
        _ask_for_body(request)
        loop = asyncio.get_running_loop()
        slot.on_given_up(lambda: content.set_exception(Refusal(408)))
        async with asyncio.timeout_at(min(deadline, loop.time() + slot.limits.body_time)):
            body = await _read_chunks(request, slot)
        slot.has_arrived()
        return body
    except TimeoutError:
        raise Refusal(408) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refusal(400) from None


def _ask_for_body(request: web.BaseRequest) -> None:
    """What a caller waits for that sends its body only where it will be read (RFC 9110, 10.1.1).

    Raises ConnectionResetError where nobody is there any more.
    """
    if request.version < HttpVersion11 or request.headers.get("Expect", "").lower() != "100-continue":
        return
    if request.transport is None:
        raise ConnectionResetError
    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _read_chunks(request: web.BaseRequest, slot: Slot) -> bytes:
    chunks: list[bytes] = []
    while chunk := await request.content.readany():
        slot.grow(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)
