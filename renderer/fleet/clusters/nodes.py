"""`kubectl get nodes -o json`, or `-o yaml`, also with MachineConfigPools → node groups of one node each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of, node_of
from kmodgate.policy.findings import Mode
from kmodgate.policy.formats.yaml_documents import OBJECTS, parse
from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.clusters.machine_config_pools import KIND as POOL
from kmodgate.renderer.fleet.clusters.machine_config_pools import in_pools, read_pool
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable
from kmodgate.renderer.fleet.specs import Cluster, KernelVersion, NextKernel, NodeGroup, Taint

MAX_BYTES = 64 << 20


_FIX = "write it with kubectl get nodes -o json, or -o yaml"


def read_nodes(data: bytes) -> tuple[NodeGroup, ...]:
    """Return the nodes of a NodeList, a List or single Nodes, in the file's order. Raises Unreadable.

    MachineConfigPools beside them say which are paused, and which MachineConfigs they take.
    """
    items = [item for document in _documents(data) for item in _items(document)]
    pools = [read_pool(item) for item in items if isinstance(item, dict) and item.get("kind") == POOL]
    others = [item for item in items if not (isinstance(item, dict) and item.get("kind") == POOL)]
    nodes = in_pools((_node(item, index) for index, item in enumerate(others)), pools)
    for name, count in Counter(node.name for node in nodes).items():
        if count > 1:
            raise Unreadable(f"holds the node {name} twice", _FIX)
    return nodes


def _documents(data: bytes) -> list[Any]:
    """Return the JSON or YAML documents of a file."""
    if data.lstrip().startswith((b"{", b"[")) and b"\n---" not in data:
        try:
            return [json.loads(data)]
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"is not JSON: {error}", _FIX) from None
    try:
        documents, problems = parse(data.decode("utf-8-sig"), "", OBJECTS)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8: {error.reason}", _FIX) from None
    for problem in problems:
        if problem.mode is Mode.ENFORCE:
            raise Unreadable(f"line {problem.line}: {problem.message}", _FIX)
    if not documents:
        raise Unreadable("is empty", _FIX)
    return [document.value for document in documents]


def _items(document: object) -> Iterator[object]:
    """Yield the Nodes of a list, or a single Node; the items of a NodeList need no kind."""
    items = document.get("items", [document]) if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(items, list):
        raise Unreadable("is not a list of nodes", _FIX)
    is_typed = document.get("kind") == "NodeList"
    yield from ({"kind": "Node", **item} if is_typed and isinstance(item, dict) else item for item in items)


def nodes_in(name: str, option: str = "--nodes") -> tuple[NodeGroup, ...]:
    """The nodes in the file that an option names. Raises Unusable."""
    path = Path(name)
    try:
        return read_nodes(FleetFiles(path.parent, is_named=True).bytes(path.name, limit=MAX_BYTES))
    except Unreadable as error:
        raise Unusable(f"{option} {name}: {error.message}", error.fix) from None


def in_groups(
    nodes: Iterable[NodeGroup], groups: Iterable[NodeGroup], next_kernels: tuple[NextKernel, ...]
) -> tuple[NodeGroup, ...]:
    """Return the nodes with the settings of the groups whose labels they carry; the others get these next kernels."""
    groups = tuple(groups)
    return tuple(_in_group(node, groups, next_kernels) for node in nodes)


def _in_group(node: NodeGroup, groups: tuple[NodeGroup, ...], next_kernels: tuple[NextKernel, ...]) -> NodeGroup:
    """The group with the most labels holds; of several with as many, the node may get the kernels of each."""
    carried = [group for group in groups if group.labels.items() <= node.labels.items()]
    most = max((len(group.labels) for group in carried), default=0)
    own = [group for group in carried if len(group.labels) == most]
    if not own:
        return replace(node, next_kernels=next_kernels)
    return replace(
        node,
        next_kernels=tuple(dict.fromkeys(kernel for group in own for kernel in group.next_kernels)),
        is_paused=node.is_paused or all(group.is_paused for group in own),
        blacklist=frozenset.intersection(*(group.blacklist for group in own)),
        secure_boot=node.secure_boot or any(group.secure_boot for group in own),
    )


def _node(item: object, index: int) -> NodeGroup:
    if not isinstance(item, dict) or item.get("kind") != "Node":
        raise Unreadable(f"items[{index}] is not a Node", _FIX)
    if not isinstance(metadata_of(item).get("name"), str):
        raise Unreadable(f"items[{index}].metadata.name is missing", _FIX)
    node = node_of(item)
    return NodeGroup(
        name=node.name,
        count=1,
        labels=dict(node.labels),
        taints=tuple(Taint(*taint) for taint in node.taints),
        kernels=(KernelVersion(node.kernel),) if node.kernel else (),
        architecture=str(as_map(as_map(item.get("status")).get("nodeInfo")).get("architecture", "")),
        secure_boot=node.secure_boot,
    )


def node_of_group(group: NodeGroup, *, observed: bool = True) -> Node:
    """A group of nodes that are alike, as the one node that KMM would look at."""
    taints = [(taint.key, taint.value, taint.effect) for taint in group.taints]
    kernel = group.kernels[0] if group.kernels else ""
    return Node(group.name, group.node_labels, taints, kernel, observed, group.secure_boot, group.blacklist)


def nodes_of(cluster: Cluster) -> list[Node] | None:
    """The nodes of a cluster as rules ask for them; None where its spec says nothing of nodes.

    A group is one node for each of its kernels.
    """
    nodes = ((node_of_group(group, observed=cluster.has_inventory), group.kernels) for group in cluster.nodes)
    return [
        replace(node, kernel=kernel) for node, kernels in nodes for kernel in dict.fromkeys(kernels) or [node.kernel]
    ] or None
