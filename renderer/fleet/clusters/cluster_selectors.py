"""Cluster selectors: which clusters they match, and what is wrong with one that matches nothing."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.yaml_documents import Document
from kmodgate.policy.rules.cluster.near_labels import near_label
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster, ClusterSelector, ImageService, KernelDriver, Requirement
from kmodgate.renderer.wording import listed


class Clusters:
    """The clusters of a fleet; what a selector matches is worked out once, since many drivers share one."""

    def __init__(self, clusters: list[Cluster]) -> None:
        self.all = clusters
        self.names = [cluster.name for cluster in clusters]
        self._matching: dict[ClusterSelector, list[Cluster]] = {}

    def matching(self, selector: ClusterSelector) -> list[Cluster]:
        if selector not in self._matching:
            self._matching[selector] = [cluster for cluster in self.all if matches(selector, cluster)]
        return self._matching[selector]


def listed_clusters(
    document: Document, selector: ClusterSelector, clusters: Clusters, findings: list[Finding]
) -> list[Cluster]:
    """The clusters that a spec selects; none is a finding."""
    path: FieldPath = ("spec", "clusters")
    unknown = list(_unknown_names(document, path, selector, clusters.names))
    chosen = clusters.matching(selector)
    if not chosen and not unknown:
        fix = _near_fix(selector, clusters) or (
            f"correct the selector; clusters of this fleet: {listed(clusters.names)}"
        )
        findings.append(finding_at(document, path, "REF001", "the selector matches no cluster", fix))
    findings += unknown
    return chosen


def _near_fix(selector: ClusterSelector, clusters: Clusters) -> str:
    """The label of clusters that is close to one of a selector; empty where there is none."""
    known = Counter(item for cluster in clusters.all for item in cluster.labels.items())
    for key, value in selector.labels:
        near = None if (key, value) in known else near_label(key, value, known)
        if near:
            return f'write {near[0]}: "{near[1]}", which clusters have, or label clusters {key}={value}'
    return ""


def override_clusters(
    source: KernelDriver | ImageService,
    index: int,
    chosen: list[Cluster],
    clusters: Clusters,
    findings: list[Finding],
) -> set[Cluster]:
    """Which of the chosen clusters of a spec an override is for; none is a finding."""
    path: FieldPath = ("spec", "overrides", index, "clusters")
    selector = source.overrides[index].clusters
    unknown = list(_unknown_names(source.document, path, selector, clusters.names)) if chosen else []
    found = set(clusters.matching(selector)).intersection(chosen)
    if chosen and not found and not unknown:
        what = "service" if isinstance(source, ImageService) else "driver"
        message = f"the override matches none of the {what}'s clusters"
        fix = f"correct or remove it; the {what} is for: {listed([cluster.name for cluster in chosen])}"
        findings.append(finding_at(source.document, path, "REF002", message, fix))
    findings += unknown
    return found


def _unknown_names(
    document: Document, path: FieldPath, selector: ClusterSelector, known: list[str]
) -> Iterator[Finding]:
    for index, name in enumerate(selector.names or ()):
        if name not in known:
            yield finding_at(
                document, (*path, "names", index), "REF001", f"there is no cluster {name}", suggest(name, known)
            )


def suggest(name: str, known: list[str]) -> str:
    """The fix for a cluster name that does not exist."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"clusters of this fleet: {listed(known)}"


def matches(selector: ClusterSelector, cluster: Cluster) -> bool:
    """Whether every part of the selector holds for the cluster."""
    return (
        (selector.names is None or cluster.name in selector.names)
        and all(cluster.labels.get(key) == value for key, value in selector.labels)
        and all(holds(requirement, cluster.labels) for requirement in selector.requirements)
    )


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether a label expression holds for labels."""
    match requirement.operator:
        case "In":
            return labels.get(requirement.key) in requirement.values
        case "NotIn":
            return labels.get(requirement.key) not in requirement.values
        case "Exists":
            return requirement.key in labels
        case "DoesNotExist":
            return requirement.key not in labels


def check_names(known: Iterable[str], names: list[str]) -> None:
    """Raises Unusable for a name that no cluster has."""
    known = sorted(known)
    for name in names:
        if name not in known:
            raise Unusable(f"--cluster {name}: there is no such cluster in the fleet", suggest(name, known))
