"""A fleet's specs → the files that its tree should hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kmodgate.policy.cluster.facts import Facts, SnapshotFacts
from kmodgate.policy.findings import Finding, Mode, sort_findings
from kmodgate.policy.review import NO_CLOCK
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import Compiler, Judging, cluster_findings
from kmodgate.renderer.errors import Unusable, refuse_enforced
from kmodgate.renderer.fleet.cluster_selectors import suggest
from kmodgate.renderer.fleet.load import Fleet
from kmodgate.renderer.fleet.origin import Manifest
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.fleet.targets import Target, targets
from kmodgate.renderer.plan.resolutions import nodes_of
from kmodgate.renderer.tree.compare import Files
from kmodgate.renderer.tree.file_names import Layout


@dataclass(frozen=True, slots=True)
class Rendered:
    """What should be on disk, by cluster and path, and the targets it came from."""

    files: dict[str, Files]
    targets: list[Target]
    warnings: int
    """Findings that were not to be enforced."""


Compiled = dict[str, list[tuple[str, Manifest]]]
"""Folder and manifest of every object, by cluster."""


def compile_fleet(fleet: Fleet, findings: list[Finding], judging: Judging) -> tuple[list[Target], Compiled]:
    """The whole fleet, compiled and judged; everything that is wrong with any of its specs goes to `findings`."""
    findings += cluster_findings(fleet.clusters)
    found = targets(fleet, findings)
    return found, Compiler(fleet, findings, judging).clusters(found)


def fleet_facts(
    cluster: Cluster, manifests: list[Manifest], more: Iterable[JsonMap] = (), complete: Iterable[str] = ()
) -> Facts:
    """What a fleet knows of a cluster: what it makes there, and the nodes if the spec has some; `more` is of a dump."""
    objects = [*(manifest.value for manifest in manifests), *more]
    return SnapshotFacts(objects, complete, nodes_of(cluster))


def render_fleet(
    fleet: Fleet, findings: list[Finding], choice: Choice, progress: Callable[[str, int, int], None] = lambda *_: None
) -> Rendered:
    """The whole fleet, compiled.

    Raises Refused with everything that is wrong with any of its specs, the findings of loading included, if something
    of it is to be enforced.
    """
    policies = Policies(fleet, choice, "render", NO_CLOCK, findings)
    found, manifests = compile_fleet(
        fleet, findings, Judging(policies.engine, facts=fleet_facts, extra=policies.manifests)
    )
    refuse_enforced(findings)
    layout = Layout()
    files: dict[str, Files] = {}
    for number, (cluster, placed) in enumerate(sorted(manifests.items()), 1):
        files[cluster] = layout.files(placed)
        progress("clusters rendered", number, len(manifests))
    warnings = sum(finding.mode is Mode.WARN for finding in sort_findings(findings))
    return Rendered(files, found, warnings)


def check_names(known: Iterable[str], names: list[str]) -> None:
    """Raises Unusable for a name that no cluster has."""
    known = sorted(known)
    for name in names:
        if name not in known:
            raise Unusable(f"--cluster {name}: there is no such cluster in the fleet", suggest(name, known))
