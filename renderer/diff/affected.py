"""The nodes and clusters that one consequence of a change has been found on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kmodgate.renderer.fleet.origin import Origin
from kmodgate.renderer.fleet.specs import NodeGroup


@dataclass(slots=True)
class Affected:
    """The places of one consequence, added up."""

    origin: Origin
    groups: dict[tuple[str, str], int] = field(default_factory=dict)  # cluster and group → nodes
    clusters: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    why: dict[str, None] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)

    @property
    def nodes(self) -> int:
        return sum(self.groups.values())

    def add(self, cluster: str, group: NodeGroup, why: Iterable[str] = ()) -> None:
        """Nodes that are alike; a group counts once, whichever of its kernels it is added for."""
        self.groups[cluster, group.name] = group.count
        self.clusters.add(cluster)
        self.why.update(dict.fromkeys(why))
