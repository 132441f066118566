"""How many nodes have a driver: those that KMM loads it on, and not all that its selector names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kmodgate.policy.kmm.nodes.node_selection import Node, Resolver, Verdict, verdict, why_not_selected, why_repelled
from kmodgate.policy.kmm.resolution.resolve import resolve
from kmodgate.renderer.deliveries.delivery import delivery_of_object
from kmodgate.renderer.fleet.clusters.nodes import node_of_group
from kmodgate.renderer.fleet.specs import Cluster, NodeGroup
from kmodgate.renderer.wording import counted

HUB_KIND = "ManagedClusterModule"


def has_driver(found: Verdict, node: Node) -> bool:
    """Whether a node has the driver; the version labels of a node that nobody observed are taken to be right."""
    return found.resolution is not None and (found.loads or found.keeps or not node.observed)


def group_has_driver(
    module: Mapping[str, Any], cluster: Cluster, group: NodeGroup, resolver: Resolver = resolve
) -> bool:
    """Whether nodes of a group have the driver on one of their kernels.

    Where no kernel is known, or the Module has no loader, selector and taints decide. What KMM does not select nodes
    for says itself which have it.
    """
    delivery = delivery_of_object(dict(module))
    if delivery is not None and delivery.is_on is not None:
        return delivery.is_on(dict(module), cluster, group)
    node = node_of_group(group, observed=cluster.has_inventory)
    if why_not_selected(module, node) or why_repelled(module, node):
        return False
    if not group.kernels or not module["spec"].get("moduleLoader"):
        return True
    sides = (replace(node, kernel=kernel) for kernel in group.kernels)
    return any(has_driver(verdict(module, side, resolver), side) for side in sides)


def driver_nodes(places: Iterable[tuple[Mapping[str, Any] | None, Cluster | None]]) -> str:
    """Return `12 nodes` for the Modules and clusters; None stands for what is not known."""
    total, unknown = 0, False
    for module, cluster in (pair for place in places for pair in _on_spokes(*place)):
        if module is None or cluster is None or not (cluster.nodes or cluster.has_inventory):
            unknown = True
        else:
            total += sum(group.count for group in cluster.nodes if group_has_driver(module, cluster, group))
    if unknown:
        return f"at least {total} nodes" if total else "an unknown number of nodes"
    return counted(total, "node")


def _on_spokes(
    module: Mapping[str, Any] | None, cluster: Cluster | None
) -> Iterator[tuple[Mapping[str, Any] | None, Cluster | None]]:
    """The Module and cluster; of a ManagedClusterModule, the spokes that it selects with the Module of each."""
    if module is None or cluster is None or module.get("kind") != HUB_KIND:
        yield module, cluster
        return
    spec = module["spec"]
    chosen = [spoke for spoke in cluster.spokes if spec["selector"].items() <= spoke.labels.items()]
    made = module_of_hub(module)
    yield from ((made, spoke) for spoke in chosen) if chosen else [(None, cluster)]


def module_of_hub(value: Mapping[str, Any]) -> dict[str, Any]:
    """The Module that a ManagedClusterModule makes on its spokes."""
    spec = value["spec"]
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {**value["metadata"], "namespace": spec["spokeNamespace"]},
        "spec": spec["moduleSpec"],
    }
