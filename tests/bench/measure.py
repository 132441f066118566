"""Whole processes, from start to end: wall time and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parent.parent.parent
KMODGATE = [sys.executable, "-m", "kmodgate.renderer.start"]

QUICK = os.environ.get("BENCH") == "quick"
"""Whether everything is to run once and for a moment, to see that it works: what is measured then says nothing."""

PATIENCE = 10.0
"""Seconds after which a task is not run again, so that one slow tool does not keep everybody waiting."""


@dataclass(frozen=True, slots=True)
class Result:
    """Median and best wall time and least processor time in seconds, peak memory in MiB, over some runs.

    The memory is None where no process of its own was measured.
    """

    median: float
    best: float
    processor: float
    memory: float | None


class _Run(NamedTuple):
    """Wall and processor time of one run in seconds, its peak in MiB."""

    seconds: float
    processor: float
    memory: float


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
    runs: dict[str, list[_Run]] = {task.name: [] for task in tasks}
    failed: dict[str, Failed] = {}
    for _ in range(rounds):
        for task in tasks:
            if task.name in failed or sum(run.seconds for run in runs[task.name]) > PATIENCE:
                continue
            task.prepare()
            run = _run(task)
            if isinstance(run, Failed):
                failed[task.name] = run
            else:
                runs[task.name].append(run)
    return {task.name: failed.get(task.name) or _result(runs[task.name]) for task in tasks}


def _result(runs: list[_Run]) -> Result:
    times = [run.seconds for run in runs]
    return Result(
        statistics.median(times),
        min(times),
        min(run.processor for run in runs),
        max(run.memory for run in runs),
    )


def _run(task: Task) -> _Run | Failed:
    """Measure one run. Says on stderr why it failed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    launcher = [sys.executable, "-S", str(Path(__file__).parent / "launcher.py"), *task.command]
    with tempfile.TemporaryFile() as messages:
        done = subprocess.run(launcher, stdout=subprocess.PIPE, stderr=messages, env=environment, check=True)
        seconds, processor, memory, code = map(float, done.stdout.split())
        if code == task.code:
            return _Run(seconds, processor, memory / (1024 if sys.platform == "linux" else 1024 * 1024))
        messages.seek(0)
        said = messages.read().decode(errors="replace")[-1000:]
    print(f"{task.name}: exit code {code:.0f}\n{said}", file=sys.stderr)
    return Failed(int(code))
