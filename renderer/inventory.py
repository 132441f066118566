"""`kubectl get nodes -o json` → node groups of one node each."""

from __future__ import annotations

import json
from collections import Counter

from policy.facts import SECURE_BOOT
from renderer.files import Unreadable
from renderer.specs import KernelVersion, NodeGroup, Taint

MAX_BYTES = 64 << 20


def read_nodes(data: bytes) -> tuple[NodeGroup, ...]:
    """The nodes of a NodeList, a List or a single Node, in the file's order. Raises Unreadable."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not JSON: {error}", "write it with kubectl get nodes -o json") from None
    items = document.get("items", [document]) if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise Unreadable("is not a list of nodes", "write it with kubectl get nodes -o json")
    nodes = tuple(_node(item, index) for index, item in enumerate(items))
    for name, count in Counter(node.name for node in nodes).items():
        if count > 1:
            raise Unreadable(f"holds the node {name} twice", "write it with kubectl get nodes -o json")
    return nodes


def _node(item: object, index: int) -> NodeGroup:
    if not isinstance(item, dict) or item.get("kind") != "Node":
        raise Unreadable(f"items[{index}] is not a Node", "write it with kubectl get nodes -o json")
    metadata, info = _map(item, "metadata"), _map(_map(item, "status"), "nodeInfo")
    name = metadata.get("name")
    if not isinstance(name, str):
        raise Unreadable(f"items[{index}].metadata.name is missing", "write it with kubectl get nodes -o json")
    taints = _map(item, "spec").get("taints") or []
    labels = {str(key): str(value) for key, value in _map(metadata, "labels").items()}
    return NodeGroup(
        name=name,
        count=1,
        labels=labels,
        taints=tuple(_taint(taint) for taint in taints if isinstance(taint, dict)) if isinstance(taints, list) else (),
        kernels=(KernelVersion(str(info["kernelVersion"])),) if "kernelVersion" in info else (),
        architecture=str(info.get("architecture", "")),
        secure_boot=labels.get(SECURE_BOOT) == "true",
    )


def _taint(taint: dict[str, object]) -> Taint:
    return Taint(str(taint.get("key", "")), str(taint.get("value", "")), str(taint.get("effect", "")))


def _map(parent: dict[str, object], key: str) -> dict[str, object]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
