"""What diff says of drivers that are loaded at boot: which nodes reboot, and where in the specs that comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.deliveries.boot.pools import WORKER, WORKERS, boot_fleet, cluster
from tests.renderer.diff.three_sites import diff

BOOT = f"boot: {{pool: worker, workerImage: {WORKER}}}\n"
OTHER_IMAGE = f"boot: {{pool: worker, workerImage: {WORKER}, image: quay.io/acme/nic-day1}}\n"
BY_OPERATOR = "boot: {pool: worker, image: quay.io/acme/nic-day1, bootModuleConfig: true}\n"
OF_NODE_POOL = f"boot: {{pool: pool-1, workerImage: {WORKER}}}\n"
HOSTED = """\
topology: hosted
hosted: {management: paris, namespace: clusters}
nodeGroups: [{name: nodes, count: 4, labels: {hypershift.openshift.io/nodePool: pool-1}, kernels: [5.14.0-1.el9.x86_64]}]"""

ADDED = (
    "reboots 3 nodes in 1 cluster, node by node: pool worker applies MachineConfig 99-worker-kmodgate-nic, which loads "
    "nic at boot, and each node boots once more when it has pulled an image that was missing"
)
CHANGED = ADDED.replace("loads nic", "changes what it loads of nic")
REMOVED = (
    "reboots 3 nodes in 1 cluster, node by node: once its removal is confirmed, MachineConfig 99-worker-kmodgate-nic "
    "leaves pool worker, and the kernel's own driver comes in place of nic"
)
REPLACED = (
    "reboots 3 nodes in 1 cluster, node by node: once its removal is confirmed, MachineConfig 99-worker-kmodgate-nic "
    "leaves pool worker, and BootModuleConfig nic loads the same kernel module at boot from then on"
)
PAUSED = "changes nothing of nic at boot of 3 nodes in 1 cluster: pool worker is paused, until it is resumed"
NEXT_BOOT = (
    "loads nic at the next boot of 3 nodes in 1 cluster: KMM writes the MachineConfig, and no node reboots for it"
)
LEFT = "nic stays on 3 nodes in 1 cluster at boot: the BootModuleConfig goes, and nobody deletes its MachineConfig"
CASES = {
    "added": ("", BOOT, "reboot", ADDED),
    "changed": (BOOT, OTHER_IMAGE, "reboot", CHANGED),
    "removed": (BOOT, "", "in_tree", REMOVED),
    "added, by KMM": ("", BY_OPERATOR, "next_boot", NEXT_BOOT),
    "removed, by KMM": (BY_OPERATOR, "", "left_behind", LEFT),
}


def committed(fleet: FleetFolder) -> FleetFolder:
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        git(fleet.root, *arguments)
    return fleet


def place_of_boot(fleet: FleetFolder, before: str, after: str) -> int:
    """The line of `boot` in the spec that has it, the new one first."""
    fleet.driver("nic", after or before)
    lines = (fleet.root / "drivers/nic.yaml").read_text().splitlines()
    fleet.driver("nic", after)
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith("boot:"))


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_told_with_its_nodes_and_the_line_of_boot(tmp_path: Path, name: str) -> None:
    before, after, effect, text = CASES[name]
    fleet = boot_fleet(tmp_path)
    fleet.driver("nic", before)
    committed(fleet)
    line = place_of_boot(fleet, before, after)
    (found,) = diff(fleet.root)["consequences"]
    assert (found["effect"], found["text"]) == (effect, text)
    assert (found["file"], found["line"]) == ("drivers/nic.yaml", line)


@pytest.mark.parametrize(
    ("old", "new"), [("quay.io/acme/nic:1.0-", "quay.io/acme/nic:2.0-"), (WORKER, "quay.io/acme/worker:3")]
)
def test_a_unit_that_pulls_another_image_is_told_with_the_line_of_the_image(tmp_path: Path, old: str, new: str) -> None:
    fleet = boot_fleet(tmp_path)
    fleet.driver("nic", BOOT)
    committed(fleet)
    path = fleet.root / "drivers/nic.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if new in text)
    (machine_config,) = [item for item in diff(fleet.root)["objects"] if item["kind"] == "MachineConfig"]
    assert {(item["file"], item["line"]) for item in machine_config["fields"]} == {("drivers/nic.yaml", line)}


@pytest.mark.parametrize("after", ["", OTHER_IMAGE], ids=["removed", "changed"])
def test_a_paused_pool_applies_nothing(tmp_path: Path, after: str) -> None:
    fleet = committed(boot_fleet(tmp_path))
    cluster(fleet, WORKERS.replace("count: 3", "count: 3, pause: true"))
    fleet.driver("nic", after)
    assert [item["text"] for item in diff(fleet.root)["consequences"]] == [PAUSED]


def test_a_machine_config_pool_of_the_inventory_is_paused_as_well(tmp_path: Path) -> None:
    fleet = committed(boot_fleet(tmp_path))
    nodes = "".join(
        f'- {{kind: Node, metadata: {{name: n{number}, labels: {{node-role.kubernetes.io/worker: ""}}}}}}\n'
        for number in range(3)
    )
    pool = 'nodeSelector: {matchLabels: {node-role.kubernetes.io/worker: ""}}'
    pools = f"- {{kind: MachineConfigPool, metadata: {{name: worker}}, spec: {{paused: true, {pool}}}}}\n"
    fleet.write("clusters/nodes.yaml", f"kind: List\nitems:\n{nodes}{pools}")
    cluster(fleet, "inventory: ./nodes.yaml")
    fleet.driver("nic", OTHER_IMAGE)
    assert PAUSED in [item["text"] for item in diff(fleet.root)["consequences"]]


def test_a_pool_of_which_no_node_is_known_is_told_so(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, "")
    fleet.driver("nic", "")
    committed(fleet)
    fleet.driver("nic", BOOT)
    (found,) = diff(fleet.root)["consequences"]
    assert found["text"].startswith(
        "reboots 1 cluster, whose nodes or kernels are not known, node by node: pool worker"
    )


def hosted(root: Path, more: str) -> FleetFolder:
    fleet = FleetFolder(root)
    cluster(fleet)
    cluster(fleet, HOSTED, name="lyon")
    fleet.driver("nic", more, clusters="{names: [lyon]}")
    return committed(fleet)


def test_a_machine_config_that_the_operator_writes_from_now_on_is_not_told_as_a_loss(tmp_path: Path) -> None:
    fleet = committed(boot_fleet(tmp_path))
    fleet.driver("nic", BY_OPERATOR)
    found = {item["effect"]: item["text"] for item in diff(fleet.root)["consequences"]}
    assert found == {"reboot": REPLACED, "next_boot": NEXT_BOOT}


def test_a_machine_config_whose_driver_has_another_name_now_is_not_told_as_a_loss(tmp_path: Path) -> None:
    fleet = committed(boot_fleet(tmp_path))
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("name: nic}", "name: nic2}"))
    texts = [item["text"] for item in diff(fleet.root)["consequences"] if item["effect"] in ("reboot", "in_tree")]
    assert any(
        REPLACED.replace("BootModuleConfig nic", "MachineConfig 99-worker-kmodgate-nic2") == text for text in texts
    )
    assert not any("the kernel's own driver" in text for text in texts)


def test_nodes_of_a_pool_of_their_own_go_on_with_what_pool_worker_loads(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    cluster(
        fleet,
        WORKERS.replace(
            '{node-role.kubernetes.io/worker: ""}',
            '{node-role.kubernetes.io/worker: "", node-role.kubernetes.io/infra: ""}',
        ),
    )
    fleet.driver("nic", BOOT.replace("pool: worker", "pool: infra"))
    committed(fleet)
    fleet.driver("nic", BOOT)
    texts = [item["text"] for item in diff(fleet.root)["consequences"]]
    went = REPLACED.replace("99-worker", "99-infra").replace("pool worker", "pool infra")
    assert went.replace("BootModuleConfig nic", "MachineConfig 99-worker-kmodgate-nic") in texts
    assert not any("the kernel's own driver" in text for text in texts)


def test_the_config_of_a_node_pool_rolls_its_nodes_out(tmp_path: Path) -> None:
    fleet = hosted(tmp_path, "")
    fleet.driver("nic", OF_NODE_POOL, clusters="{names: [lyon]}")
    (found,) = diff(fleet.root)["consequences"]
    named = "NodePool pool-1 names ConfigMap kmodgate-boot-nic-lyon in its config"
    assert found["text"] == f"rolls out 4 nodes in 1 cluster: {named}, and then loads nic at boot"
    assert found["clusters"] == ["lyon"]


def test_a_hosted_cluster_that_loses_its_label_is_the_cause_and_not_the_one_that_manages_it(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    cluster(fleet)
    cluster(fleet, HOSTED, name="lyon")
    fleet.driver("nic", "overrides: [{clusters: {names: [paris]}, patch: {boot: null}}]\n" + OF_NODE_POOL)
    committed(fleet)
    path = fleet.root / "clusters/lyon.yaml"
    path.write_text(path.read_text().replace("tier: edge", "tier: core"))
    (found,) = [item for item in diff(fleet.root)["consequences"] if item["effect"] == "in_tree"]
    assert found["file"] == "clusters/lyon.yaml"


def test_the_config_of_a_node_pool_whose_driver_has_another_name_now_goes_on(tmp_path: Path) -> None:
    fleet = hosted(tmp_path, OF_NODE_POOL)
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("name: nic}", "name: nic2}"))
    texts = [item["text"] for item in diff(fleet.root)["consequences"]]
    named = "NodePool pool-1 names ConfigMap kmodgate-boot-nic-lyon in its config, which must not name it any more"
    assert any(named in text and "ConfigMap kmodgate-boot-nic2-lyon" in text for text in texts)
