"""Whole processes, from start to end: wall time and peak memory."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
KMODGATE = [sys.executable, "-m", "kmodgate.renderer.start"]

QUICK = os.environ.get("BENCH") == "quick"
"""Whether everything is to run once and for a moment, to see that it works: what is measured then says nothing."""

PATIENCE = 10.0
"""Seconds after which a task is not run again, so that one slow tool does not keep everybody waiting."""

_OURS_AT_MOST = 1.1  # a child's peak within a tenth of ours is ours


@dataclass(frozen=True, slots=True)
class Result:
    """Median and best wall time in seconds, peak memory in MiB, over some runs.

    The memory is None where it was not above our own: the system counts a child's peak from before it became the
    program, when it was a copy of us.
    """

    median: float
    best: float
    memory: float | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that did not end as it should. A slow run is a figure; a failed one must not look like a fast one."""

    exit_code: int


@dataclass(frozen=True, slots=True)
class Task:
    """A command line to be measured; `prepare` runs before each run and is not measured. `code` is how it should end."""

    name: str
    command: Sequence[str]
    prepare: Callable[[], None] = lambda: None
    code: int = 0


def measure(tasks: Sequence[Task], rounds: int) -> dict[str, Result | Failed]:
    """All tasks in turn, round after round, so that a slow moment of the machine hits all of them."""
    runs: dict[str, list[tuple[float, float]]] = {task.name: [] for task in tasks}
    failed: dict[str, Failed] = {}
    for _ in range(rounds):
        for task in tasks:
            if task.name in failed or sum(seconds for seconds, _ in runs[task.name]) > PATIENCE:
                continue
            task.prepare()
            run = _run(task)
            if isinstance(run, Failed):
                failed[task.name] = run
            else:
                runs[task.name].append(run)
    return {task.name: failed.get(task.name) or _result(runs[task.name]) for task in tasks}


def _result(runs: list[tuple[float, float]]) -> Result:
    times = [seconds for seconds, _ in runs]
    peak = max(memory for _, memory in runs)
    return Result(statistics.median(times), min(times), peak if peak > _OURS_AT_MOST * _peak(_ourselves()) else None)


def _ourselves() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def _peak(usage: resource.struct_rusage) -> float:
    """MiB; Linux counts in KiB, macOS in bytes."""
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)


def _run(task: Task) -> tuple[float, float] | Failed:
    """Seconds and MiB of one run. Says on stderr why a run failed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    with tempfile.TemporaryFile() as messages:
        started = time.perf_counter()
        process = subprocess.Popen(task.command, stdout=subprocess.DEVNULL, stderr=messages, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode == task.code:
            return seconds, _peak(usage)
        messages.seek(0)
        said = messages.read().decode(errors="replace")[-1000:]
    print(f"{task.name}: exit code {process.returncode}\n{said}", file=sys.stderr)
    return Failed(process.returncode)
