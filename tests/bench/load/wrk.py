"""wrk: as many reviews a second as a server answers, over TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.bench.samples import MARK

SCRIPT = Path(__file__).parent / "bodies.lua"
INSTALL = "wrk is not on PATH: install it, `apt-get install wrk` or `brew install wrk`"


TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Throughput:
    """One run: answers a second, milliseconds, seconds of the server's processor for each answer, what went wrong.

    `turned_away` are answers that say to come again later, where they were counted; they are no failures. Everything
    else but success is one.
    """

    rate: float
    p50: float
    p99: float
    processor: float
    failed: int
    turned_away: int = 0


def is_there() -> bool:
    return shutil.which("wrk") is not None


def on_core(number: int) -> list[str]:
    """What to put before a command so that it has one core, where the system knows of such a thing."""
    return ["taskset", "-c", str(number)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


_RUNS = count(step=20_000)


def run(
    port: int,
    pid: int,
    bodies: Path,
    *,
    connections: int = 16,
    seconds: int = 3,
    header: str = "",
    count: bool = False,
    path: str = "/validate",
) -> Throughput:
    """Bodies in turn on so many connections; `header` is what each request says of its `Connection`.

    In the place of MARK, each request of some runs has a number of its own. With `count` the answers that turn away are
    told apart from failures.
    """
    first = str(next(_RUNS) % 10 ** len(MARK))
    command = [
        *on_core(1), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT),
        f"https://127.0.0.1:{port}{path}?timeout=10s", "--", str(bodies), header, MARK, first,
        *(["count"] if count else []),
    ]  # fmt: skip
    before = _processor(pid)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return told(done.stdout, _processor(pid) - before)


def told(text: str, spent: float) -> Throughput:
    """What wrk printed, of a run for which the server used so many seconds of processor."""
    words = [line.split() for line in text.splitlines()]
    (result,) = (list(map(int, line[1:])) for line in words if line[:1] == ["RESULT"])
    answers, microseconds, broken, refused, p50, p99 = result
    away = sum(int(line[2]) for line in words if line[:2] == ["STATUS", str(TOO_MANY)])
    each = spent / max(answers, 1)
    return Throughput(answers / microseconds * 1e6, p50 / 1000, p99 / 1000, each, broken + refused - away, away)


def _processor(pid: int) -> float:
    """Seconds of processor that a process has used; 0 where the system does not tell that way."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
