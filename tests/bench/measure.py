"""Whole processes, from start to end: wall time and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
KMODGATE = [sys.executable, "-m", "renderer.cli"]


@dataclass(frozen=True, slots=True)
class Result:
    """Median and best wall time in seconds, peak memory in MiB, over some runs."""

    median: float
    best: float
    memory: float


@dataclass(frozen=True, slots=True)
class Task:
    """A command line to be measured; `prepare` runs before each run and is not measured."""

    name: str
    command: Sequence[str]
    prepare: Callable[[], None] = lambda: None


def measure(tasks: Sequence[Task], rounds: int) -> dict[str, Result]:
    """All tasks in turn, round after round, so that a slow moment of the machine hits all of them."""
    runs: dict[str, list[tuple[float, float]]] = {task.name: [] for task in tasks}
    for _ in range(rounds):
        for task in tasks:
            task.prepare()
            runs[task.name].append(_run(task.command))
    return {
        name: Result(statistics.median(t for t, _ in found), min(t for t, _ in found), max(m for _, m in found))
        for name, found in runs.items()
    }


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Seconds and MiB of one run, which must succeed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return seconds, usage.ru_maxrss / 1024
