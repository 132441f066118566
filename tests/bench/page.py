"""Measured results → docs/performance.md."""

from __future__ import annotations

import os
import platform
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.measure import Failed, Result

_HEAD = """\
# Performance

Written by `make bench` on {cores} cores with Python {python}, built {how}.

Whole processes, cold, from start to end: reading, schema checks, compiling and writing, {where}.
Median, best and peak memory of the runs, which are taken in turn. "Processor" is the least that a run took of all cores
together: where others use the machine, it says more than the time. "Of budget" is about the median, and about the peak
where memory has a budget; what is over its budget says so. "To `fleet`" is the ratio of the best times. An object is a
Module, a ServiceAccount or a Dockerfile ConfigMap; each cluster's policy and its Namespace come on top. The other tools
render the same objects with one label added, and validate nothing. Times differ from machine to machine: read the
ratios.

| what | median | best | processor | peak | budget | of budget | to `fleet` |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. Budgets are in seconds and MiB.

    `times` is how many times the result `of` it may take, which is `than` in words.
    """

    name: str
    result: Result | Failed | None = None
    budget: float | None = None
    memory: float | None = None
    of: Result | Failed | None = None
    times: float | None = None
    than: str = ""
    note: str = ""


def page(rows: Iterable[Row], *, in_memory: bool) -> str:
    where = "into a file system in memory" if in_memory else "to disk"
    is_optimised = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    how = "with the optimizations of most distributions" if is_optimised else "without --enable-optimizations"
    head = _HEAD.format(cores=os.cpu_count(), python=platform.python_version(), how=how, where=where)
    return head + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows)


def _cells(row: Row) -> list[str]:
    if row.result is None:
        return [row.name, row.note, *[""] * 6]
    if isinstance(row.result, Failed):
        return [row.name, f"failed: exit code {row.result.exit_code}", *[""] * 6]
    result = row.result
    figures = [row.name, _ms(result.median), _ms(result.best), _ms(result.processor), _mib(result.memory)]
    ratio = result.best / row.of.best if isinstance(row.of, Result) else None
    if row.times is not None:
        used = _marked(f"{ratio:.2f} times", ratio / row.times) if ratio is not None else ""
        if isinstance(row.of, Result):
            used += f", {result.processor / row.of.processor:.2f} times the processor"
        budgets, shares = _budgets(row, result)
        words = [f"{row.times:g} times {row.than}", *filter(None, (budgets,))]
        return [*figures, ", ".join(words), ", ".join(filter(None, (used, shares))), ""]
    return [*figures, *_budgets(row, result), f"{ratio:.2f}" if ratio is not None else ""]


def _budgets(row: Row, result: Result) -> tuple[str, str]:
    """Both budgets of a row, and how much of each is used."""
    budgets, used = [], []
    if row.budget is not None:
        budgets.append(_ms(row.budget))
        used.append(_share(result.median / row.budget))
    if row.memory is not None:
        budgets.append(f"{row.memory:.0f} MiB")
        used.append(_share(result.memory / row.memory) if result.memory is not None else "not seen")
    return ", ".join(budgets), ", ".join(used)


def _share(share: float) -> str:
    return _marked(f"{share:.0%}", share)


def _marked(text: str, share: float) -> str:
    return text if share <= 1 else f"**{text}, over**"


def _mib(memory: float | None) -> str:
    return "" if memory is None else f"{memory:.0f} MiB"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
