"""wrk: as many reviews a second as a server answers, over TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "bodies.lua"
INSTALL = "wrk is not on PATH: install it, `apt-get install wrk` or `brew install wrk`"


@dataclass(frozen=True, slots=True)
class Throughput:
    """One run: answers a second, milliseconds, seconds of the server's processor for each answer, what went wrong."""

    rate: float
    p50: float
    p99: float
    processor: float
    failed: int


def is_there() -> bool:
    return shutil.which("wrk") is not None


def on_core(number: int) -> list[str]:
    """What to put before a command so that it has one core, where the system knows of such a thing."""
    return ["taskset", "-c", str(number)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


def run(port: int, pid: int, bodies: Path, *, connections: int = 16, seconds: int = 3, header: str = "") -> Throughput:
    """Bodies in turn on so many connections; `header` is what each request says of its `Connection`."""
    command = [
        *on_core(1), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT),
        f"https://127.0.0.1:{port}/validate?timeout=10s", "--", str(bodies), *([header] if header else []),
    ]  # fmt: skip
    before = _processor(pid)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent = _processor(pid) - before
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    answers, microseconds, failed, refused, p50, p99 = map(int, line.split()[1:])
    return Throughput(answers / microseconds * 1e6, p50 / 1000, p99 / 1000, spent / max(answers, 1), failed + refused)


def _processor(pid: int) -> float:
    """Seconds of processor that a process has used; 0 where the system does not tell that way."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
