"""A fleet compiled in memory, as it lies in the folder or as git has it, to be compared and not to be written."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kmodgate.policy.findings import Finding
from kmodgate.policy.review import NO_CLOCK
from kmodgate.renderer import git
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import Compiled, Judging, compile_fleet
from kmodgate.renderer.compile.manifest import Identity, Manifest
from kmodgate.renderer.fleet.files import MARKER
from kmodgate.renderer.fleet.load import Fleet, load_fleet
from kmodgate.renderer.fleet.targets import Target
from kmodgate.renderer.interrupts import remove_on_interrupt

OUTPUT = "rendered"
"""Where the tree of a fleet is, unless somebody chose another place."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A fleet, its targets, and what is made for each cluster."""

    fleet: Fleet
    targets: list[Target]
    compiled: Compiled

    def objects(self, cluster: str) -> Mapping[Identity, Manifest]:
        """The objects of a cluster; none where there is no such cluster."""
        return {manifest.identity: manifest for _, manifest in self.compiled.get(cluster, ())}


def snapshot(fleet: Fleet, findings: list[Finding]) -> Snapshot:
    """The fleet without a word of the rules; what is wrong with its specs goes to `findings`."""
    policies = Policies(fleet, Choice(), "render", NO_CLOCK, findings, only=())
    targets, compiled = compile_fleet(fleet, findings, Judging(policies.engine, extra=policies.manifests))
    return Snapshot(fleet, targets, compiled)


def snapshot_at(root: Path, revision: git.Revision, findings: list[Finding]) -> Snapshot | None:
    """The fleet of a folder as it was at a revision; None if there was none."""
    with tempfile.TemporaryDirectory(prefix="kmodgate-") as folder:
        remove_on_interrupt(folder)
        there = Path(folder)
        if not revision.extract(root, there) or not (there / MARKER).is_file():
            return None
        return snapshot(load_fleet(there, there / OUTPUT, findings), findings)
