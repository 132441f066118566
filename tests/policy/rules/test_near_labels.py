"""SEL201 names the labels of nodes that are close to those of a selector without nodes."""

from __future__ import annotations

import pytest

from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.policy.rules.cluster.near_labels import near_miss
from kmodgate.policy.views.node_placement import Nodes

LABELS = [
    {"pool": "gpu", "feature.node.kubernetes.io/pci-10de.present": "true", "node-role.kubernetes.io/worker": ""},
    {"pool": "cpu", "node-role.kubernetes.io/worker": ""},
    {"pool": "cpu", "node-role.kubernetes.io/master": ""},
]
NODES = Nodes(Node(f"n{index}", labels, (), "") for index, labels in enumerate(LABELS))


@pytest.mark.parametrize(
    ("selector", "seen"),
    [
        ({"pool": "gpus"}, "pool=gpu"),
        ({"pool": "storage"}, "pool=cpu"),
        ({"node-role.kubernetes.io/worker": "true"}, "node-role.kubernetes.io/worker="),
        ({"node-role.kubernetes.io/workers": ""}, "node-role.kubernetes.io/worker="),
        ({"feature.node.kubernetes.io/pci-10de-present": "true"}, "feature.node.kubernetes.io/pci-10de.present=true"),
        ({"Pool": "gpu"}, "pool=gpu"),
        ({"pool": "gpu", "node-role.kubernetes.io/master": ""}, "each label is on other nodes"),
    ],
)
def test_a_close_label_is_named(selector: dict[str, str], seen: str) -> None:
    assert seen in near_miss(selector, NODES).seen


@pytest.mark.parametrize("selector", [{"acme.example/nic": "x"}, {"zone": "a"}, {"topology.kubernetes.io/zone": "a"}])
def test_nothing_is_made_up_where_no_label_is_close(selector: dict[str, str]) -> None:
    ((key, value),) = selector.items()
    near = near_miss(selector, NODES)
    assert near.seen == f": none has {key}={value}"
    assert near.fix == f"correct the selector, or label nodes {key}={value}"


def test_without_nodes_nothing_is_named() -> None:
    assert near_miss({"pool": "gpu"}, Nodes()).seen == ""
