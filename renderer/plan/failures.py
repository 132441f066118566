"""Modules that KMM fails at: from 2.4 on, the kernel of one node stops the Module on all nodes of its cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kmodgate.policy.kmm.nodes.node_selection import Verdict, stops_for_all
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.plan.coverage import Cell, Module


def with_failures(cells: Iterable[Cell], release: Release) -> Iterator[Cell]:
    """Yield the cells of one cluster; those of a Module that KMM fails at do not load, whatever their kernel.

    A kernel that nodes run stops the Module now. One that comes next stops it once the first node runs that kernel.
    """
    cells = list(cells)
    stopped: dict[Module, dict[str, str]] = {}
    for phase in ("running", "next"):
        for cell in (cell for cell in cells if cell.fails and cell.phase == phase):
            verdict = Verdict("", None, f"kernel {cell.kernel}: {cell.reason}", fails=True)
            if why := stops_for_all([verdict], release):
                stopped.setdefault(cell.module, {}).setdefault(phase, why)
    for cell in cells:
        found = stopped.get(cell.module, {})
        why = found.get("running", found.get("next", "") if cell.phase == "next" else "")
        if why and not cell.fails and cell.loads:
            yield replace(cell, reason=f"KMM fails at the Module for all its nodes: {why}")
        else:
            yield cell
