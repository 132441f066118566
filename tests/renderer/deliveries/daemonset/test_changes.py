"""What plan, diff, removals, explain and resolve make of a driver that DaemonSets load."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.fleets import git
from tests.renderer.deliveries.daemonset.fleets import KERNEL, NEXT, OTHER, PlainFleet


def commit(fleet: PlainFleet, more: str = "") -> None:
    """Render and commit the fleet."""
    fleet.nic(more)
    fleet.render()
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "all")


def consequences(fleet: PlainFleet) -> list[str]:
    result = fleet.run("diff", "--format", "json")
    assert result.returncode in (0, 1), result.stderr
    return [item["text"] for item in json.loads(result.stdout)["consequences"]]


def test_plan_knows_what_nodes_load(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL, OTHER], (NEXT,))
    fleet.nic()
    result = fleet.run("plan")
    assert result.returncode == 0
    assert f"running  {OTHER}  el9  prebuilt  3 nodes" in result.stdout
    assert "no node would lose a driver" in result.stdout + result.stderr


def test_a_next_kernel_without_its_daemonset_is_a_loss(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL])
    fleet.nic()
    result = fleet.run("plan", "--kernel", NEXT)
    assert result.returncode == 1
    assert "no DaemonSet for this kernel: name it in nextKernels of the Cluster" in result.stdout
    assert "no mapping for this kernel" in fleet.run("plan", "--kernel", "4.18.0-1.el8.x86_64").stdout


def test_a_node_of_a_dump_whose_kernel_has_no_daemonset_is_a_loss(fleet: PlainFleet) -> None:
    fleet.nic()
    fleet.render()
    labels = {"node-role.kubernetes.io/worker": ""}
    nodes = [
        {
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "status": {"nodeInfo": {"kernelVersion": kernel}},
        }
        for name, kernel in (("one", KERNEL), ("two", OTHER))
    ]
    fleet.write("nodes.json", json.dumps({"kind": "NodeList", "items": nodes}))
    result = fleet.run("plan", "--nodes", str(fleet.root / "nodes.json"), "--format", "json")
    assert result.returncode == 1
    [lost] = json.loads(result.stdout)["lost"]
    assert (lost["today"]["kernel"], lost["next"]["kernel"], lost["next"]["nodes"]) == (KERNEL, OTHER, ["two"])
    assert "no DaemonSet for this kernel" in fleet.run("plan", "--nodes", str(fleet.root / "nodes.json")).stdout


def test_secure_boot_takes_the_word_of_the_spec_for_signed_images(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL], (NEXT,), secureBoot=True)
    fleet.nic()
    assert "not signed" in fleet.run("plan").stdout
    fleet.nic("sign: {prebuilt: true}")
    assert "not signed" not in fleet.run("plan").stdout


def test_explain_says_what_a_node_loads_and_where_fields_come_from(fleet: PlainFleet) -> None:
    fleet.nic()
    assert "loads kmm-tests/nic" in fleet.run("explain", "--cluster", "paris", "workers").stdout
    result = fleet.run("explain", "nic", "spec.template.spec.initContainers[load].image")
    assert "drivers/nic.yaml:9" in result.stdout
    selector = fleet.run("explain", "nic", "spec.template.spec.nodeSelector").stdout
    assert "spec.selector[node-role.kubernetes.io/worker]" in selector
    assert "the nodes that run the kernel" in selector


def test_resolve_reads_rendered_daemonsets(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL, OTHER])
    fleet.nic()
    fleet.render()
    files = [f"rendered/{path}" for path in fleet.files() if "daemonset" in path]
    result = fleet.run("resolve", *files, "--kernel", OTHER)
    assert f"quay.io/acme/nic:1.0-{OTHER}" in result.stdout


def test_a_changed_image_waits_for_the_deletion_of_pods(fleet: PlainFleet) -> None:
    commit(fleet)
    fleet.nic("overrides: [{clusters: {matchLabels: {}}, patch: {containerImage: 'a/b:2'}}]")
    assert consequences(fleet) == [
        "nic changes on 3 nodes in 1 cluster when its pod there is deleted (updateStrategy: OnDelete), and not before"
    ]


@pytest.mark.parametrize(
    "change", ["tolerations: [{operator: Exists}]", "imagePullPolicy: Always", "inTreeModulesToRemove: [ice]"]
)
def test_a_rolling_update_reloads_a_number_of_nodes_for_each_kernel(fleet: PlainFleet, change: str) -> None:
    options = "daemonset: {updateStrategy: RollingUpdate, maxUnavailable: 2}"
    commit(fleet, options)
    fleet.nic(f"{options}\n{change}")
    [text, *_] = consequences(fleet)
    assert "unloads and reloads nic on 3 nodes" in text
    assert "at most 2 at a time of each DaemonSet" in text


def test_pods_that_were_left_as_they_are_roll_when_the_strategy_says_so(fleet: PlainFleet) -> None:
    commit(fleet)
    fleet.nic("daemonset: {updateStrategy: RollingUpdate, maxUnavailable: 2}")
    assert consequences(fleet) == [
        "unloads and reloads nic on those of 3 nodes in 1 cluster whose pod is older than the last change of its "
        "DaemonSet: OnDelete left it there, and RollingUpdate replaces it, at most 2 at a time of each DaemonSet and "
        "without a drain"
    ]
    result = fleet.run("diff", "--fail-on", "reload")
    assert result.returncode == 1
    assert "drivers/nic.yaml" in result.stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("daemonset: {updateStrategy: RollingUpdate}", ""),
        ("daemonset: {updateStrategy: RollingUpdate}", "daemonset: {updateStrategy: RollingUpdate, maxUnavailable: 2}"),
        ("", "daemonset: {updateStrategy: OnDelete}"),
    ],
)
def test_no_pod_is_replaced_by_another_change_of_the_strategy(fleet: PlainFleet, before: str, after: str) -> None:
    commit(fleet, before)
    fleet.nic(after)
    assert not any("reloads" in text for text in consequences(fleet))


def test_a_kernel_that_nobody_runs_any_more_takes_nothing_with_its_daemonset(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL, OTHER], (NEXT,))
    commit(fleet)
    fleet.nodes([OTHER, NEXT])
    assert consequences(fleet) == [
        f"the DaemonSet of nic for kernel {KERNEL} goes, which unloads nothing: no node runs it, in 1 cluster"
    ]
    fleet.render()
    assert len([path for path in fleet.files() if "/daemonset-" in path]) == 2


def test_a_driver_that_leaves_needs_a_permission(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL, OTHER])
    fleet.cluster("rome", labels={"tier": "core"})
    commit(fleet)
    fleet.driver("nic", "", clusters="{names: [rome]}")
    result = fleet.run("render")
    assert result.returncode == 1, result.stderr
    assert "GIT001" in result.stderr
    assert "takes it off 3 nodes" in result.stderr
    assert "GIT001" in fleet.run("check").stdout
    assert "unloads nic from 3 nodes in 1 cluster: its DaemonSets go" in consequences(fleet)[0]
    fleet.render("--allow-removal", "nic")
    assert not [path for path in fleet.files() if path.startswith("paris/nic/")]
    assert fleet.run("check").returncode == 0


def test_state_absent_needs_no_permission(fleet: PlainFleet) -> None:
    commit(fleet)
    fleet.nic("state: absent")
    fleet.render()
    assert not [path for path in fleet.files() if "/daemonset-" in path]


def test_nodes_of_an_inventory_without_the_label_are_named(fleet: PlainFleet) -> None:
    labels = {"node-role.kubernetes.io/worker": ""}
    nfd = {"feature.node.kubernetes.io/kernel-version.full": KERNEL}
    nodes = [
        {"kind": "Node", "metadata": {"name": name, "labels": own}, "status": {"nodeInfo": {"kernelVersion": KERNEL}}}
        for name, own in (("one", labels), ("two", {**labels, **nfd}), ("control", {}))
    ]
    fleet.write("clusters/nodes.json", json.dumps({"kind": "NodeList", "items": nodes}))
    fleet.write(
        "clusters/paris.yaml",
        "apiVersion: kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: paris, labels: {tier: edge}}\n"
        "spec: {platform: kubernetes, inventory: ./nodes.json}\n",
    )
    fleet.nic()
    result = fleet.run("check")
    assert result.returncode == 0
    assert "warning[SEL209] spec.selector: one runs kernel" in result.stdout


@pytest.mark.parametrize("in_list", [True, False])
def test_nodes_of_a_dump_without_the_label_are_named(fleet: PlainFleet, in_list: bool) -> None:
    labels = {"node-role.kubernetes.io/worker": ""}
    nodes = [
        {
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {**labels, **own}},
            "status": {"nodeInfo": {"kernelVersion": KERNEL}},
        }
        for name, own in (("n1", {}), ("n2", {"feature.node.kubernetes.io/kernel-version.full": OTHER}))
    ]  # fmt: skip
    dump = (
        yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": nodes}) if in_list else yaml.safe_dump_all(nodes)
    )
    fleet.write("dump.txt", dump)
    fleet.nic()
    result = fleet.run("check", "--facts", f"paris={fleet.root / 'dump.txt'}")
    assert "warning[SEL209] spec.selector: n1 and n2 run kernel" in result.stdout


def test_a_driver_that_leaves_is_named_and_not_an_object_that_nobody_has(fleet: PlainFleet) -> None:
    fleet.nic()
    fleet.render()
    (fleet.root / "drivers/nic.yaml").unlink()
    result = fleet.run("render")
    assert result.returncode == 1
    assert "driver nic (DaemonSets in kmm-tests) would leave the tree of 1 cluster (paris)" in result.stderr


def test_what_only_the_pods_have_is_the_reason_and_not_modprobe(fleet: PlainFleet) -> None:
    fleet.nodes([KERNEL])
    commit(fleet)
    fleet.nic("devicePlugin: {container: {image: quay.io/acme/plugin:1}}\n")

    (found,) = json.loads(fleet.run("diff", "--format", "json").stdout)["consequences"]

    lines = (fleet.root / "drivers/nic.yaml").read_text().splitlines()
    assert found["because"] == ["pod"]
    assert lines[found["line"] - 1].startswith("  devicePlugin:")
