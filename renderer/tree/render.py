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
    layout = Layout()
    files: dict[str, Files] = {}
    for number, (cluster, placed) in enumerate(sorted(compiled.placed.items()), 1):
        files[cluster] = layout.files(placed)
        progress("clusters rendered", number, len(compiled.placed))
    return Rendered(files, handover, absent_drivers(compiled.targets), warnings)
