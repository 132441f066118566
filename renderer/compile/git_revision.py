"""A fleet compiled as git has it at a revision, to be compared and not to be written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kmodgate.policy.findings import Finding
from kmodgate.renderer import git
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import CompiledFleet, compile_fleet
from kmodgate.renderer.fleet.files import MARKER, OUTPUT
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.loading.load import load_fleet
from kmodgate.renderer.interrupts import temporary_folder


def compile_revision(root: Path, revision: git.Revision, findings: list[Finding]) -> CompiledFleet | None:
    """Compile the fleet of a folder as it was at a revision; None if there was none."""
    with fleet_at(root, revision, findings) as fleet:
        return None if fleet is None else compile_fleet(fleet, findings, Policies(fleet, Choice(), findings))


@contextmanager
def fleet_at(root: Path, revision: git.Revision, findings: list[Finding]) -> Iterator[Fleet | None]:
    """Load the fleet of a folder as it was at a revision; None if there was none. Its files are there until the end."""
    target = Path(temporary_folder("kmodgate-"))
    try:
        there = revision.extract(root, target)
        if there is None or not (there / MARKER).is_file():
            yield None
        else:
            yield load_fleet(there, there / OUTPUT, findings, tracked_only=None)
    finally:
        shutil.rmtree(target, ignore_errors=True)
