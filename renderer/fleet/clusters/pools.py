"""Node groups → the pool of machines that configures them.

A MachineConfigPool selects nodes by the label `node-role.kubernetes.io/<pool>`. The pool `master` takes every node that
has its label, whatever others it has. Pools that people make take the MachineConfigs of `worker`, too. A hosted cluster
has NodePools instead, whose nodes name theirs in a label.

Sources: lib/helpers of openshift/machine-config-operator (GetPoolsForNode); openshift/hypershift, NodePool controller.
"""

from __future__ import annotations

import hashlib

from kmodgate.renderer.fleet.specs import Cluster, NodeGroup

_ROLE = "node-role.kubernetes.io/"
_NODE_POOL = "hypershift.openshift.io/nodePool"
_MASTER = {f"{_ROLE}master", f"{_ROLE}control-plane"}

MASTER, WORKER = "master", "worker"


def pool_label(cluster: Cluster, pool: str) -> str:
    """Return the label that nodes of a pool carry, as a spec writes it."""
    return f"{_NODE_POOL}: {pool}" if cluster.topology == "hosted" else f'{_ROLE}{pool}: ""'


def is_in_pool(cluster: Cluster, group: NodeGroup, pool: str) -> bool:
    """Whether the nodes of a group get the MachineConfigs of a pool."""
    if cluster.topology == "hosted":
        return group.labels.get(_NODE_POOL) == pool
    if group.roles is not None:
        return pool in group.roles
    is_master = not _MASTER.isdisjoint(group.labels)
    return is_master if pool == MASTER else not is_master and f"{_ROLE}{pool}" in group.labels


def groups_in_pool(cluster: Cluster, pool: str) -> list[NodeGroup]:
    """Return the groups whose nodes get the MachineConfigs of a pool."""
    return [group for group in cluster.nodes if is_in_pool(cluster, group, pool)]


def keeps_nodes(before: Cluster, cluster: Cluster, was: str, now: str) -> bool:
    """Whether all nodes that a pool has, or had before, get the MachineConfigs of another one.

    Not where no group is known to be in it: its nodes may have been described in another way.
    """
    known = [item for item in (before, cluster) if knows_its_nodes(item)]
    if not known:
        return now == WORKER and was != MASTER
    groups = {group.name for item in known for group in groups_in_pool(item, was)}
    return bool(groups) and groups <= {group.name for group in groups_in_pool(cluster, now)}


def knows_its_nodes(cluster: Cluster) -> bool:
    """Whether a spec says which nodes the cluster has."""
    return bool(cluster.nodes) or cluster.has_inventory


_LONGEST_LABEL = 63


def hosted_driver(driver: str, cluster: str) -> str:
    """Return the label by which the configuration of a hosted cluster's NodePool stands for a driver.

    It lies on the cluster that hosts the control planes, where several may share a namespace.
    """
    label = f"{driver}.{cluster}"
    if len(label) <= _LONGEST_LABEL:
        return label
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return f"{label[: _LONGEST_LABEL - 9].rstrip('-.')}-{digest}"
