"""A fleet's specs → the files that its tree should hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from policy.findings import Finding
from renderer.compile.fleet import Compiler, cluster_findings
from renderer.errors import Refused, Unusable
from renderer.fleet import Target, targets
from renderer.layout import Layout
from renderer.load import Fleet
from renderer.selectors import suggest
from renderer.tree import Files


@dataclass(frozen=True, slots=True)
class Rendered:
    """What should be on disk, by cluster and path, and the targets it came from."""

    files: dict[str, Files]
    targets: list[Target]


def render_fleet(
    fleet: Fleet, findings: list[Finding], progress: Callable[[str, int, int], None] = lambda *_: None
) -> Rendered:
    """The whole fleet, compiled.

    Raises Refused with everything that is wrong with any of its specs: the findings of loading, and its own.
    """
    findings += cluster_findings(fleet.clusters)
    found = targets(fleet, findings)
    manifests = Compiler(fleet, findings).clusters(found)
    if findings:
        raise Refused(findings)
    layout = Layout()
    files: dict[str, Files] = {}
    for number, (cluster, placed) in enumerate(sorted(manifests.items()), 1):
        files[cluster] = layout.files(placed)
        progress("clusters rendered", number, len(manifests))
    return Rendered(files, found)


def check_names(fleet: Fleet, names: list[str]) -> None:
    """Raises Unusable for a name that no cluster of the fleet has."""
    known = [cluster.name for cluster in fleet.clusters]
    for name in names:
        if name not in known:
            raise Unusable(f"--cluster {name}: there is no such cluster in the fleet", suggest(name, known))
