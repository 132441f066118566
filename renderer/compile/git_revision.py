"""A fleet compiled as git has it at a revision, to be compared and not to be written."""

from __future__ import annotations

import shutil
from pathlib import Path

from kmodgate.policy.findings import Finding
from kmodgate.renderer import git
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import CompiledFleet, compile_fleet
from kmodgate.renderer.fleet.files import MARKER, OUTPUT
from kmodgate.renderer.fleet.loading.load import load_fleet
from kmodgate.renderer.interrupts import temporary_folder


def compile_revision(root: Path, revision: git.Revision, findings: list[Finding]) -> CompiledFleet | None:
    """Compile the fleet of a folder as it was at a revision; None if there was none."""
    target = Path(temporary_folder("kmodgate-"))
    try:
        there = revision.extract(root, target)
        if there is None or not (there / MARKER).is_file():
            return None
        fleet = load_fleet(there, there / OUTPUT, findings, tracked_only=None)
        return compile_fleet(fleet, findings, Policies(fleet, Choice(), findings))
    finally:
        shutil.rmtree(target, ignore_errors=True)
