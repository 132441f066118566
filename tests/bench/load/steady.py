"""`python -m tests.bench.load.steady`: so many reviews a second, whatever the server does, and how long each took.

An open loop: a review is due at its time, and is measured from then, also where it had to wait for a connection. Prints
milliseconds as JSON: of all reviews, and of the large ones that come beside them once a second where one is given.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from argparse import ArgumentParser, Namespace
from itertools import cycle
from pathlib import Path

import uvloop

from kmodgate.webhook.certificates.key_pair import Pair
from tests.webhook.program import Caller
from tests.webhook.serving import trusting

_CONNECTIONS = 16


class Steady:
    def __init__(self, arguments: Namespace) -> None:
        self._port: int = arguments.port
        self._context = trusting(Pair(Path(arguments.authority).read_bytes(), b""))
        self._idle: asyncio.LifoQueue[Caller] = asyncio.LifoQueue()
        self.took: list[float] = []
        self.took_large: list[float] = []
        self.failed = 0

    async def run(self, rate: int, seconds: float, bodies: list[bytes], large: bytes) -> None:
        for _ in range(_CONNECTIONS):
            self._idle.put_nowait(await Caller.connect(self._port, self._context))
        for body in bodies[:_CONNECTIONS]:
            await self._post(body, time.perf_counter(), [])
        begin = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, body in zip(range(int(rate * seconds)), cycle(bodies), strict=False):
                due = begin + number / rate
                await _until(due)
                group.create_task(self._post(body, due, self.took))
                if large and number % rate == rate // 2:
                    group.create_task(self._post(large, due, self.took_large))

    async def _post(self, body: bytes, due: float, took: list[float]) -> None:
        caller = await self._idle.get()
        reply = await caller.post(body)
        took.append((time.perf_counter() - due) * 1000)
        self.failed += reply.status != 200
        self._idle.put_nowait(caller)


async def _until(due: float) -> None:
    """Turns the loop until then: its timers are a millisecond coarse, which is as much as is to be measured."""
    while time.perf_counter() < due:
        await asyncio.sleep(0)


def _figures(took: list[float]) -> dict[str, float]:
    took = sorted(took)
    if not took:
        return {}
    return {"p50": took[len(took) // 2], "p99": took[int(len(took) * 0.99)], "most": took[-1]}


def main() -> int:
    parser = ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--bodies", required=True)
    parser.add_argument("--authority", required=True)
    parser.add_argument("--large")
    arguments = parser.parse_args()
    bodies = Path(arguments.bodies).read_bytes().splitlines()
    large = Path(arguments.large).read_bytes() if arguments.large else b""
    steady = Steady(arguments)
    uvloop.run(steady.run(arguments.rate, arguments.seconds, bodies, large))
    found = {"small": _figures(steady.took), "large": _figures(steady.took_large), "failed": steady.failed}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
