"""The objects that a cluster gets beside those of its drivers, one file of this folder for each sort."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from kmodgate.policy.findings import Finding
from kmodgate.renderer.compile.cluster_objects.mirror_sets import mirror_sets
from kmodgate.renderer.compile.operator_install.install import operator_objects
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.fleet.targets import Target
from kmodgate.renderer.manifests.manifest import Manifest

Sort = Callable[[Fleet, Cluster, Sequence[Target], list[Finding]], Iterable[Manifest]]
"""A fleet, one of its clusters and the drivers of that → objects; what is wrong goes to the findings."""

_SORTS: tuple[Sort, ...] = (operator_objects, mirror_sets)


def cluster_objects(
    fleet: Fleet, cluster: Cluster, targets: Sequence[Target], findings: list[Finding]
) -> Iterator[Manifest]:
    """Yield the objects of a cluster that are there whatever its drivers are."""
    for sort in _SORTS:
        yield from sort(fleet, cluster, targets, findings)
