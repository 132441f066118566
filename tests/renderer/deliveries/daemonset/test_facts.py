"""`check --facts`: what the pods of a driver need is looked for in a dump of the cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kmodgate.policy.cluster.openshift_scc import KINDS
from tests.renderer import checking
from tests.renderer.deliveries.daemonset.fleets import KERNEL, NEXT, PlainFleet

PULL = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "robot", "namespace": "kmm-tests"},
    "type": "kubernetes.io/dockerconfigjson",
    "data": {".dockerconfigjson": "e30="},
}
PLUGIN = "devicePlugin: {container: {image: 'a/p:1'}}"


def told(fleet: PlainFleet, *objects: Any) -> set[tuple[str, str, str]]:
    """Return rule, field and mode of what a dump shows, notes left out."""
    lists = [{"apiVersion": "v1", "kind": f"{kind}List", "items": []} for kind in ("Secret", *KINDS)]
    dump = fleet.write("dump.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects, *lists]}))
    result = fleet.run("check", "--facts", f"paris={dump}", "--format", "json")
    found = checking.findings(result)
    return {(item["rule"], item["specField"], item["mode"]) for item in found if item["mode"] != "audit"}


def test_a_pull_secret_that_is_not_there_is_told(fleet: PlainFleet) -> None:
    daemon_set = fleet.daemon_set("imageRepoSecret: robot")

    assert told(fleet, daemon_set) == {("REF101", "spec.imageRepoSecret", "enforce")}
    assert told(fleet) == {("REF101", "spec.imageRepoSecret", "warn")}  # both may arrive together
    assert told(fleet, daemon_set, PULL) == set()
    assert told(fleet, daemon_set, {**PULL, "type": "Opaque"}) == {("REF103", "spec.imageRepoSecret", "enforce")}


def test_a_namespace_of_others_that_refuses_the_pods_is_told(fleet: PlainFleet) -> None:
    fleet.nic()
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("{name: kmm-tests}", "{name: kmm-tests, manage: false}"))
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kmm-tests", "labels": labels}}

    assert ("REF104", "spec.namespace.name", "warn") in told(fleet, space)
    labels["pod-security.kubernetes.io/enforce"] = "privileged"
    assert told(fleet, space) == set()


@pytest.mark.parametrize("more", ["", f"{PLUGIN}\n", f"{PLUGIN}\ndaemonset: {{separate: true}}\n"])
def test_pods_without_an_scc_are_told_on_openshift(fleet: PlainFleet, more: str) -> None:
    fleet.nodes(["5.14.0-427.13.1.el9_4.x86_64"], platform="openshift")
    fleet.nic(more)
    assert told(fleet) == set()

    fleet.nic(f"{more}scc: ''\n")

    assert {rule for rule, _, _ in told(fleet)} == {"REF105"}
    fleet.nic(f"{more}scc: loads-modules\n")
    assert told(fleet) == set()


def node(name: str, kernel: str, **labels: str) -> Any:
    own = {"node-role.kubernetes.io/worker": "", "feature.node.kubernetes.io/kernel-version.full": kernel, **labels}
    info = {"kernelVersion": kernel, "architecture": "amd64"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": own},
        "status": {"nodeInfo": info},
    }


def test_a_kernel_of_the_dump_that_the_spec_does_not_name_is_told(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL])
    fleet.nic()
    control_plane = node("cp", "6.1.0-9-amd64")
    del control_plane["metadata"]["labels"]["node-role.kubernetes.io/worker"]

    found = told(fleet, node("a", KERNEL), node("b", NEXT), node("c", "6.1.0-9-amd64"), control_plane)

    assert {(rule, mode) for rule, _, mode in found} == {("REF010", "warn")}
    text = fleet.run("check", "--facts", "paris=dump.json").stdout
    assert f"nodes of cluster paris run kernel {NEXT} (b), and the driver has no DaemonSet for it" in text
    assert "nodes of cluster paris run kernel 6.1.0-9-amd64 (c), and no mapping takes it" in text
    assert "fix: add a mapping for 6.1.0-9-amd64, and name the kernel in " in text
    assert "; or narrow the selector" in text
    assert told(fleet, node("a", KERNEL)) == set()


def tainted(item: Any, key: str, effect: str = "NoSchedule") -> Any:
    return {**item, "spec": {"taints": [{"key": key, "effect": effect}]}}


WINDOWS = node("windows", "10.0.20348.1", **{"kubernetes.io/os": "windows", "kubernetes.io/arch": "amd64"})
ARM = node("arm", "5.14.0-570.12.1.el9_6.aarch64", **{"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64"})
VIRTUAL = tainted(node("virtual", "v1.2-vk"), "virtual-kubelet.io/provider")
OTHERS = tainted(node("others", NEXT), "example.com/gpu", "NoExecute")


@pytest.mark.parametrize("item", [WINDOWS, ARM, VIRTUAL, OTHERS], ids=lambda item: item["metadata"]["name"])
def test_a_node_that_the_driver_is_not_meant_for_is_not_told(fleet: PlainFleet, item: Any) -> None:
    fleet.nodes([KERNEL])
    fleet.nic()
    assert told(fleet, node("a", KERNEL), item) == set()


def test_a_taint_that_passes_or_is_tolerated_hides_no_node(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL])
    fleet.nic("tolerations: [{key: example.com/gpu, operator: Exists}]")
    for item in (OTHERS, tainted(node("cordoned", NEXT), "node.kubernetes.io/unschedulable")):
        assert {rule for rule, _, _ in told(fleet, item)} == {"REF010"}


def test_an_architecture_that_a_node_group_or_a_mapping_names_is_told(fleet: PlainFleet) -> None:
    group = {"name": "a", "count": 1, "labels": {"node-role.kubernetes.io/worker": ""}, "kernels": [KERNEL]}
    fleet.groups(group, {**group, "name": "b", "architecture": "arm64", "count": 0, "kernels": []})
    fleet.nic()
    assert {rule for rule, _, _ in told(fleet, ARM)} == {"REF010"}


def test_what_the_fix_asks_for_leaves_nothing_to_tell(fleet: PlainFleet) -> None:
    kernel = "6.1.0-9-amd64"
    fleet.nodes([KERNEL, kernel])
    path = fleet.root / "drivers/nic.yaml"
    fleet.nic()
    text = path.read_text()
    path.write_text(text.replace("kernelMappings:\n", f"kernelMappings:\n  - literal: {kernel}\n"))
    assert path.read_text() != text
    assert told(fleet, node("a", kernel)) == set()
