"""A fleet's specs → the files that its tree should hold."""

from __future__ import annotations

from dataclasses import dataclass

from kmodgate.policy.findings import Finding, Mode, sort_findings
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import compile_fleet
from kmodgate.renderer.errors import ExitCode, refuse_enforced
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.load import Progress
from kmodgate.renderer.fleet.targets import absent_drivers
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.tree.compare import Files
from kmodgate.renderer.tree.file_names import Layout


@dataclass(frozen=True, slots=True)
class Rendered:
    """What should be on disk, by cluster and path, in the tree and in the handover."""

    files: dict[str, Files]
    handover: dict[str, Files]
    absent: set[tuple[str, str]]
    """Cluster and driver of every target whose spec says `state: absent`."""
    warnings: int
    """Findings that were not to be enforced."""


def render_fleet(
    fleet: Fleet, findings: list[Finding], choice: Choice, progress: Progress = lambda *_: None
) -> Rendered:
    """The whole fleet, compiled.

    Raises Refused with everything that is wrong with any of its specs, the findings of loading included, if something
    of it is to be enforced. Its exit code is that of findings where rules alone refuse.
    """
    found: list[Finding] = []
    whole = fleet.with_faulty()
    policies = Policies(whole, choice, found)
    compiled = compile_fleet(whole, found, policies)
    is_unusable = any(finding.mode is Mode.ENFORCE for finding in (*findings, *found))
    found += FleetJudge(policies, "render").judge(compiled)
    findings += fleet.faulty.independent(found)
    refuse_enforced(findings, ExitCode.INPUT if is_unusable else ExitCode.FINDINGS)
    warnings = sum(finding.mode is Mode.WARN for finding in sort_findings(findings))
    handover = {cluster: Layout.handover(found) for cluster, found in compiled.handover.items()}
    absent, placed = absent_drivers(compiled.targets), compiled.placed
    del compiled, whole, policies, found  # an object is not needed any more when its text is there
    return Rendered(_files(placed, progress), handover, absent, warnings)


def _files(placed: dict[str, list[tuple[str, Manifest]]], progress: Progress) -> dict[str, Files]:
    """Emit the objects of all clusters, and let go of those of each cluster that is done."""
    layout = Layout()
    files: dict[str, Files] = {}
    for number, cluster in enumerate(sorted(placed), 1):
        files[cluster] = layout.files(placed.pop(cluster))
        progress("clusters rendered", number, number + len(placed))
    return files
