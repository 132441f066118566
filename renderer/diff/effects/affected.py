"""Where the consequences of a change are found: nodes and clusters, added up for each consequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.kmm.nodes.node_selection import Node, stops_for_all, verdict
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.deliveries.daemonset.module_view import STRATEGY
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.diff.effects import module_effects
from kmodgate.renderer.diff.effects.causes import Causes
from kmodgate.renderer.diff.effects.changed_fields import ObjectChange
from kmodgate.renderer.diff.effects.effect import FOR_ALL, Effect
from kmodgate.renderer.diff.effects.module_effects import Side
from kmodgate.renderer.fleet.clusters.nodes import node_of_group
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, JsonMap, NodeGroup
from kmodgate.renderer.plan.coverage import Refuses, Resolver
from kmodgate.renderer.removals.driver_nodes import has_driver

Objects = Callable[[str], Iterable[JsonMap]]
"""The objects of a cluster as they are after the change, and the Modules that its hub makes there."""

Key = tuple[Effect, str, str]
"""Effect, driver, and what tells two of a kind apart."""


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

    def add_unknown(self, cluster: str) -> None:
        """Count a cluster whose nodes or kernels are not known."""
        self.clusters.add(cluster)
        self.unknown.add(cluster)


class Sums:
    """All consequences that were found so far, each with its places."""

    def __init__(self, causes: Causes) -> None:
        self._causes = causes
        self.found: dict[Key, Affected] = {}
        self.told = False
        """Whether anything was added since somebody set this to false."""

    def add(self, effect: Effect, change: ObjectChange, detail: str = "", *fields: FieldPath) -> Affected:
        """Return the consequence, new or known; its place is that of the first of the fields that changed."""
        self.told = True
        manifest = change.manifest
        name = manifest.owner if driver_of(manifest.value) and manifest.owner else manifest.identity.name
        key = (effect, name, detail)
        if key not in self.found:
            self.found[key] = Affected(self._causes.origin(change, fields))
        return self.found[key]


def _loads_anything(_: Cluster, __: Mapping[str, Any]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Refusals:
    """Whether Secure Boot on a cluster refuses a Module without `sign`, by the policy before and after the change."""

    before: Refuses = _loads_anything
    after: Refuses = _loads_anything


class Places:
    """The nodes of a fleet, as far as they are known, and what Modules make of them.

    Nodes are as the fleet has them now, for both sides of a change.
    """

    def __init__(self, clusters: Mapping[str, Cluster], refusals: Refusals) -> None:
        self.clusters = clusters
        self.resolver = Resolver()
        self._refusals = refusals
        self._nodes: dict[str, list[tuple[NodeGroup, Node]]] = {}
        self._refused: dict[tuple[str, int, bool], bool] = {}
        self._stopped: dict[tuple[str, int], str] = {}

    def nodes(self, name: str) -> list[tuple[NodeGroup, Node]]:
        """Return every group of a cluster on each of its kernels."""
        if name not in self._nodes:
            cluster = self.clusters[name]
            self._nodes[name] = [
                (group, replace(node_of_group(group, observed=cluster.has_inventory), kernel=kernel))
                for group in cluster.nodes
                for kernel in group.kernels
            ]
        return self._nodes[name]

    def release(self, name: str) -> Release:
        """Return the KMM of a cluster; the newest where its spec names none."""
        return self.clusters[name].release or Release()

    def before(self, module: Any, name: str, node: Node) -> Side:
        """Return what a node of a cluster makes of a Module as it was; None where there was none."""
        return self._side(module, name, node, self._refusals.before, is_after=False)

    def after(self, module: Any, name: str, node: Node) -> Side:
        """Return what a node of a cluster makes of a Module as it is; None where there is none."""
        return self._side(module, name, node, self._refusals.after, is_after=True)

    def _side(self, module: Any, name: str, node: Node, refuses: Refuses, *, is_after: bool) -> Side:
        """What the node loads of the Module, or keeps until its version label changes; or why nothing."""
        if module is None:
            return Side(None, "the Module does not exist")
        if not module_effects.container(module):
            return Side(None, "it has no moduleLoader")
        if is_after and (why := self._why_stopped(module, name)):
            return Side(None, f"{FOR_ALL}{why}", fails=True)
        found = verdict(module, node, self.resolver)
        if not has_driver(found, node):
            return Side(None, found.reason, fails=found.fails)
        refused = False
        if node.secure_boot and found.resolution is not None and found.resolution.sign is None:
            key = (name, id(module), is_after)
            if key not in self._refused:
                self._refused[key] = refuses(self.clusters[name], module)
            refused = self._refused[key]
        return Side(found.resolution, "", found.keeps, refused)

    def _why_stopped(self, module: Any, name: str) -> str:
        """Why KMM does nothing for any node of a Module on a cluster; empty where it does, or where DaemonSets load."""
        key = (name, id(module))
        if key not in self._stopped:
            verdicts = (verdict(module, node, self.resolver) for _, node in self.nodes(name))
            is_kmms = STRATEGY not in module["spec"]
            self._stopped[key] = stops_for_all(verdicts, self.release(name)) if is_kmms else ""
        return self._stopped[key]
