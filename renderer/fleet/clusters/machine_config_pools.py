"""MachineConfigPools beside Nodes → which nodes are paused, and which MachineConfigs each takes.

A node is in one pool: `master`, else one that people made, else `worker`. The `machineConfigSelector` of the pool says
which MachineConfigs it takes: a pool that people made takes those of `worker`, too.

Source: GetPoolsForNode in lib/helpers of openshift/machine-config-operator; MachineConfigPool v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.views.boot_config import roles_taken
from kmodgate.policy.views.part import list_in
from kmodgate.renderer.fleet.clusters.cluster_selectors import holds
from kmodgate.renderer.fleet.clusters.pools import MASTER, WORKER
from kmodgate.renderer.fleet.specs import NodeGroup, Operator, Requirement

KIND = "MachineConfigPool"


@dataclass(frozen=True, slots=True)
class Pool:
    """A MachineConfigPool: the nodes that it selects, and the roles of the MachineConfigs that it takes."""

    name: str
    node_selector: Mapping[str, Any]
    roles: frozenset[str]
    is_paused: bool


def read_pool(item: Mapping[str, Any]) -> Pool:
    """Return a MachineConfigPool; parts of another shape count as missing."""
    name, spec = str(metadata_of(item).get("name", "")), as_map(item.get("spec"))
    return Pool(name, as_map(spec.get("nodeSelector")), roles_taken(item), spec.get("paused") is True)


def in_pools(nodes: Iterable[NodeGroup], pools: Iterable[Pool]) -> tuple[NodeGroup, ...]:
    """Return the nodes with what their pool says; without any pool, as they are."""
    ordered = sorted(pools, key=lambda pool: (pool.name != MASTER, pool.name == WORKER, pool.name))
    return tuple(_in_pool(node, ordered) for node in nodes)


def _in_pool(node: NodeGroup, pools: list[Pool]) -> NodeGroup:
    pool = next((pool for pool in pools if selects(pool.node_selector, node.labels)), None)
    return node if pool is None else replace(node, is_paused=pool.is_paused, roles=pool.roles)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector of Kubernetes selects labels; an empty one selects none, as that of a pool does."""
    pairs, expressions = as_map(selector.get("matchLabels")), list_in(selector, "matchExpressions")
    return (
        bool(pairs or expressions)
        and all(labels.get(str(key)) == str(value) for key, value in pairs.items())
        and all(holds(_requirement(as_map(item)), labels) for item in expressions)
    )


def _requirement(expression: Mapping[str, Any]) -> Requirement:
    """A label expression as Kubernetes writes it; one without a known operator holds for no labels."""
    operator: Any = expression.get("operator")
    key, values = str(expression.get("key", "")), tuple(list_in(expression, "values"))
    return Requirement(key, operator, values) if operator in get_args(Operator) else Requirement(key, "In", ())
