"""Inventories of nodes."""

from __future__ import annotations

import json
import re

import pytest

from kmodgate.policy.findings import Finding
from kmodgate.renderer.fleet.clusters import nodes
from kmodgate.renderer.fleet.files import Unreadable
from kmodgate.renderer.fleet.loading.load import load_fleet
from kmodgate.renderer.fleet.specs import KernelVersion, NodeGroup, Taint
from tests.fleets import FleetFolder
from tests.renderer.rendering import errors


def test_an_inventory_with_a_node_twice_is_refused(fleet: FleetFolder) -> None:
    with pytest.raises(Unreadable, match="holds the node n twice"):
        nodes.read_nodes(b'{"items": [%s, %s]}' % ((b'{"kind": "Node", "metadata": {"name": "n"}}',) * 2))


POOLS = """\
kind: List
items:
- {kind: Node, metadata: {name: control, labels: {node-role.kubernetes.io/master: "", node-role.kubernetes.io/worker: ""}}}
- {kind: Node, metadata: {name: gpu, labels: {node-role.kubernetes.io/worker: "", example.com/gpu: ""}}}
- {kind: Node, metadata: {name: plain, labels: {node-role.kubernetes.io/worker: ""}}}
- {kind: Node, metadata: {name: alone, labels: {}}}
- kind: MachineConfigPool
  metadata: {name: worker}
  spec:
    machineConfigSelector: {matchLabels: {machineconfiguration.openshift.io/role: worker}}
    nodeSelector: {matchLabels: {node-role.kubernetes.io/worker: ""}}
- kind: MachineConfigPool
  metadata: {name: accelerators}
  spec:
    paused: true
    machineConfigSelector:
      matchExpressions: [{key: machineconfiguration.openshift.io/role, operator: In, values: [worker, gpu]}]
    nodeSelector: {matchExpressions: [{key: example.com/gpu, operator: Exists}]}
- kind: MachineConfigPool
  metadata: {name: master}
  spec:
    machineConfigSelector: {matchLabels: {machineconfiguration.openshift.io/role: master}}
    nodeSelector: {matchLabels: {node-role.kubernetes.io/master: ""}}
"""


def test_machine_config_pools_beside_the_nodes_say_which_are_paused_and_what_they_take() -> None:
    found = {node.name: (node.is_paused, node.roles) for node in nodes.read_nodes(POOLS.encode())}
    assert found == {
        "control": (False, {"master"}),
        "gpu": (True, {"worker", "gpu"}),
        "plain": (False, {"worker"}),
        "alone": (False, None),
    }


def test_an_inventory_is_read_with_labels_taints_and_kernels(fleet: FleetFolder) -> None:
    taint = {"key": "a", "value": "b", "effect": "NoSchedule"}
    info = {"kernelVersion": "5.14.0", "architecture": "arm64"}
    node = {"kind": "Node", "metadata": {"name": "n", "labels": {"l": "m"}}, "spec": {"taints": [taint]}}
    data = json.dumps({"items": [{**node, "status": {"nodeInfo": info}}]}).encode()
    assert nodes.read_nodes(data) == (
        NodeGroup("n", 1, {"l": "m"}, (Taint("a", "b", "NoSchedule"),), (KernelVersion("5.14.0"),), "arm64", False),
    )


@pytest.mark.parametrize(
    "text",
    [
        "kind: List\nitems:\n- kind: Node\n  metadata: {name: a}\n- kind: Node\n  metadata: {name: b}\n",
        "kind: NodeList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n",
        "kind: Node\nmetadata: {name: a}\n---\nkind: Node\nmetadata: {name: b}\n",
        '{"kind": "NodeList", "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]}',
    ],
    ids=["List", "NodeList", "documents", "NodeList as JSON"],
)
def test_nodes_are_read_from_yaml_and_from_typed_lists(text: str) -> None:
    assert [node.name for node in nodes.read_nodes(text.encode())] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "line 2: not YAML"),
        ("- kind: Node\n", "is not a list of nodes"),
        ("kind: List\nitems:\n- kind: Pod\n", "is not a Node"),
        ("# nothing\n", "is empty"),
    ],
)
def test_yaml_that_holds_no_nodes_is_refused(text: str, words: str) -> None:
    with pytest.raises(Unreadable, match=re.escape(words)):
        nodes.read_nodes(text.encode())


def test_an_inventory_may_be_larger_than_a_spec_and_not_endless(
    fleet: FleetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fleet.cluster("paris")
    path.write_text(path.read_text().split("  nodeGroups")[0] + "  inventory: ./nodes.json\n")
    fleet.driver("nic")
    fleet.write("clusters/nodes.json", '{"items": []}' + " " * (2 << 20))
    fleet.render()
    assert nodes.MAX_BYTES == 64 << 20
    monkeypatch.setattr(nodes, "MAX_BYTES", 1 << 20)
    findings: list[Finding] = []
    load_fleet(fleet.root, fleet.root / "rendered", findings)
    assert [finding.message for finding in findings] == ["./nodes.json is larger than 1 MiB"]


def test_an_inventory_that_is_none_is_reported_at_the_cluster(fleet: FleetFolder) -> None:
    path = fleet.cluster("paris")
    text = path.read_text().split("  nodeGroups")[0] + "  inventory: ./nodes.json\n"
    path.write_text(text)
    fleet.driver("nic")
    for content, words in (
        ("{", "not JSON"),
        ("[]", "not a list of nodes"),
        ('{"items": [{}]}', "items[0] is not a Node"),
    ):
        fleet.write("clusters/nodes.json", content)
        assert words in errors(fleet)[0]
