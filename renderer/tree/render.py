"""A fleet's specs → the files that its tree should hold."""

from __future__ import annotations

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding, Mode, sort_findings
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import compile_parts
from kmodgate.renderer.errors import ExitCode, refuse_enforced
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.loading.load import Progress
from kmodgate.renderer.fleet.targets.targets import absent_drivers
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.manifests.emit_yaml import CannotEmit
from kmodgate.renderer.tree.compare import Files
from kmodgate.renderer.tree.file_names import Layout


@dataclass(slots=True)
class Rendered:
    """What should be on disk, by cluster and path, in the tree and in the handover."""

    files: dict[str, Files]
    handover: dict[str, Files]
    absent: set[tuple[str, str]]
    """Cluster and driver of every target whose spec says `state: absent`."""
    warnings: int = 0
    """Findings that were not to be enforced."""


def render_fleet(
    fleet: Fleet, findings: list[Finding], choice: Choice, progress: Progress = lambda *_: None
) -> Rendered:
    """The whole fleet, compiled.

    A part is compiled, judged and written out as text before the next one, so that memory holds texts and findings and
    not the objects of a large fleet.

    Raises Refused with everything that is wrong with any of its specs, the findings of loading included, if something
    of it is to be enforced. Its exit code is that of findings where rules alone refuse.
    """
    compiling: list[Finding] = []
    whole = fleet.with_faulty()
    policies = Policies(whole, choice, compiling)
    judgement = FleetJudge(policies, "render").in_parts()
    judged: list[Finding] = []
    rendered = Rendered({}, {}, set())
    layout, failures = Layout(), list[CannotEmit]()
    for part in compile_parts(whole, compiling, policies):
        judged += filter(_counts, judgement.part(part))
        rendered.absent.update(absent_drivers(part.targets))
        rendered.handover.update((name, Layout.handover(files)) for name, files in part.handover.items())
        for cluster, placed in part.placed.items():
            try:
                rendered.files[cluster] = layout.files(placed)
            except CannotEmit as error:  # what is wrong with the specs is told first
                failures.append(error)
            progress("clusters rendered", len(rendered.files), len(whole.clusters))
    judged += filter(_counts, judgement.end(lambda: compile_parts(whole, [], policies)))
    is_unusable = any(finding.mode is Mode.ENFORCE for finding in (*findings, *compiling))
    findings += fleet.faulty.independent([*compiling, *judged])
    refuse_enforced(findings, ExitCode.INPUT if is_unusable else ExitCode.FINDINGS)
    for failure in failures:
        raise failure
    rendered.warnings = sum(finding.mode is Mode.WARN for finding in sort_findings(findings))
    return rendered


def _counts(finding: Finding) -> bool:
    """Whether a finding refuses the render or is a warning: nobody is told the others, and a large fleet has many."""
    return finding.mode in (Mode.ENFORCE, Mode.WARN)
