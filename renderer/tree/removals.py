"""A Module that leaves the tree unloads its driver from every node: nothing but a person's word lets it go."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.yaml_documents import parse
from kmodgate.renderer.fleet.load import Fleet
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.fleet.targets import Target, absent_drivers
from kmodgate.renderer.tree.compare import Change
from kmodgate.renderer.tree.index import Entry
from kmodgate.renderer.wording import counted, listed


def refused_removals(change: Change, fleet: Fleet, targets: Iterable[Target], allowed: Iterable[str]) -> list[Finding]:
    """One finding a Module that would leave, with its clusters and nodes.

    A removal is allowed by `state: absent` in the spec, by its name (or `CLUSTER/NAME`) in `allowed`, or by having been
    allowed to the interrupted run that the journal is of.
    """
    names = set(allowed)
    absent = absent_drivers(targets)
    leaving: dict[tuple[str, str, str], list[tuple[str, Entry]]] = defaultdict(list)
    for cluster in change.clusters:
        resumed = change.journal.removals.get(cluster.cluster, []) if change.journal else []
        for entry in cluster.leaving:
            may_go = {entry.name, f"{cluster.cluster}/{entry.name}", f"{cluster.cluster}/*"} & names
            if not may_go and (cluster.cluster, entry.name) not in absent and entry.name not in resumed:
                leaving[entry.object].append((cluster.cluster, entry))
    return [_finding(places, change.output, fleet) for _, places in sorted(leaving.items())]


def unused_permissions(change: Change, allowed: Iterable[str]) -> list[str]:
    """Those of the allowed names that no Module which leaves has: mistyped, or done by an earlier run."""
    leaving = {
        name
        for cluster in change.clusters
        for entry in cluster.leaving
        for name in (entry.name, f"{cluster.cluster}/{entry.name}", f"{cluster.cluster}/*")
    }
    return [name for name in allowed if name not in leaving]


def _finding(places: list[tuple[str, Entry]], output: str, fleet: Fleet) -> Finding:
    entry = places[0][1]
    clusters = [cluster for cluster, _ in places]
    nodes = _count_nodes(places, output, fleet)
    message = (
        f"Module {entry.namespace}/{entry.name} would leave the tree of {counted(len(clusters), 'cluster')} "
        f"({listed(clusters)}), which takes it off {nodes}"
    )
    file = os.path.abspath(os.path.join(output, clusters[0], entry.path))
    return removal_finding(entry.namespace, entry.name, fleet, message, file)


def removal_finding(namespace: str, name: str, fleet: Fleet, message: str, file: str) -> Finding:
    """The finding of a Module that leaves: at its driver's spec, or in `file` where there is none any more."""
    fix = (
        f"if it is meant: `state: absent` in the spec, or --allow-removal {name}; "
        "if not: look for a changed label, selector, name or namespace"
    )
    for driver in fleet.drivers:
        if driver.name == name:
            moved = driver.spec["namespace"]["name"] != namespace  # type: ignore[index,call-overload]
            path: FieldPath = ("spec", "namespace", "name") if moved else ("spec", "clusters")
            return finding_at(driver.document, path, "GIT001", message, fix)
    return Finding("GIT001", message, fix, f"Module {namespace}/{name}", "metadata.name", file=file)


def _count_nodes(places: list[tuple[str, Entry]], output: str, fleet: Fleet) -> str:
    """How many nodes the Modules select now, by their text in the tree and the nodes of the cluster specs."""
    clusters = {cluster.name: cluster for cluster in fleet.clusters}
    total, unknown = 0, False
    for name, entry in places:
        cluster = clusters.get(name)
        selector = _selector(os.path.join(output, name, entry.path))
        if cluster is None or not cluster.nodes or selector is None:
            unknown = True
        else:
            total += _matching(cluster, selector)
    if unknown:
        return f"at least {total} nodes" if total else "an unknown number of nodes"
    return counted(total, "node")


def _matching(cluster: Cluster, selector: dict[str, object]) -> int:
    return sum(group.count for group in cluster.nodes if all(group.labels.get(k) == v for k, v in selector.items()))


def _selector(path: str) -> dict[str, object] | None:
    try:
        with open(path, encoding="utf-8") as file:
            documents, _ = parse(file.read(), path)
    except (OSError, ValueError):
        return None
    value = documents[0].value if documents else None
    spec = value.get("spec") if isinstance(value, dict) else None
    selector = spec.get("selector") if isinstance(spec, dict) else None
    return dict(selector) if isinstance(selector, dict) else None
