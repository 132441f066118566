"""Fleet → which ImageService is that of which cluster, with that cluster's overrides applied and its release known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding
from kmodgate.policy.ims.versions import ImsRelease, UnknownReleaseError, csm_release, ims_release
from kmodgate.renderer.fleet.clusters.cluster_selectors import Clusters
from kmodgate.renderer.fleet.faulty_specs import FaultySpecs
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.image_services.contradictions import service_findings
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster, ImageService
from kmodgate.renderer.fleet.targets.targets import MergedSpec, merged_specs


@dataclass(frozen=True, slots=True, eq=False)
class ServiceTarget:
    """The ImageService of one cluster; clusters with the same overrides share `merged`."""

    service: ImageService
    merged: MergedSpec
    release: ImsRelease
    cluster: Cluster

    @property
    def spec(self) -> dict[str, Any]:
        """The spec as it is on the cluster, in the form that its schema has fixed."""
        return cast(dict[str, Any], self.merged.spec)


def service_targets(fleet: Fleet, findings: list[Finding]) -> dict[str, ServiceTarget]:
    """The ImageService of every cluster that has one, by the name of the cluster; mistakes go to `findings`."""
    unmatched: list[Finding] = []
    clusters = Clusters(fleet.clusters)
    found: dict[str, ServiceTarget] = {}
    for service in fleet.services:
        for target in _targets(service, clusters, findings, unmatched, fleet.faulty):
            other = found.setdefault(target.cluster.name, target)
            if other is not target:
                findings.append(_second(target, other.service))
    if fleet.is_whole:
        findings += unmatched
    return dict(sorted(found.items()))


def _targets(
    service: ImageService,
    clusters: Clusters,
    findings: list[Finding],
    unmatched: list[Finding],
    faulty: FaultySpecs,
) -> Iterator[ServiceTarget]:
    releases: dict[MergedSpec, ImsRelease | None] = {}
    for cluster, merged in merged_specs(service, clusters, findings, unmatched, faulty):
        if merged not in releases:
            releases[merged] = release = _release(merged, findings)
            findings += service_findings(merged, release) if release else ()
        if known := releases[merged]:
            yield ServiceTarget(service, merged, known, cluster)


def _release(merged: MergedSpec, findings: list[Finding]) -> ImsRelease | None:
    key, look_up = ("csm", csm_release) if "csm" in merged.spec else ("ims", ims_release)
    try:
        return look_up(str(merged.spec[key]))
    except UnknownReleaseError as error:
        message, _, fix = str(error).partition("; ")
        findings.append(merged.finding((key,), "SCH104", message, fix))
        return None


def _second(target: ServiceTarget, other: ImageService) -> Finding:
    place = f"{other.document.file}:{other.document.position(('metadata', 'name'))[0]}"
    message = f"cluster {target.cluster.name} has an ImageService already: {other.name} ({place})"
    fix = "narrow one of the two selectors: a cluster has one service"
    return finding_at(target.service.document, ("spec", "clusters"), "IMS501", message, fix)
