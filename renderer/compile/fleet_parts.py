"""The clusters of a fleet in parts: objects of a cluster depend on no cluster of another part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from kmodgate.renderer.fleet.specs import Cluster


def fleet_parts(clusters: Sequence[Cluster]) -> list[list[Cluster]]:
    """Return hubs with their spokes and hosts with what they host as one part each, any other cluster alone.

    The part of the cluster with the fleet's Argo CD is the last: its objects depend on those of all.
    """
    groups: dict[str, list[Cluster]] = {cluster.name: [cluster] for cluster in clusters}
    for first, second in _related(clusters):
        one, other = groups.get(first), groups.get(second)
        if one is not None and other is not None and one is not other:
            one += other
            groups.update((cluster.name, one) for cluster in other)
    places = {cluster.name: number for number, cluster in enumerate(clusters)}
    distinct = {id(group): group for group in groups.values()}.values()
    parts = [sorted(group, key=lambda cluster: places[cluster.name]) for group in distinct]
    return sorted(parts, key=lambda part: any(cluster.argocd is not None for cluster in part))


def _related(clusters: Sequence[Cluster]) -> Iterator[tuple[str, str]]:
    """Yield the names of clusters of which one has objects for the other, or that have an Argo CD, by mistake, both."""
    hosts = [cluster.name for cluster in clusters if cluster.argocd is not None]
    yield from pairwise(hosts)
    for cluster in clusters:
        yield from ((cluster.name, spoke.name) for spoke in cluster.spokes)
        if cluster.acm is not None and cluster.acm.hub:
            yield cluster.acm.hub, cluster.name
        if cluster.hosted is not None:
            yield cluster.hosted.management, cluster.name
