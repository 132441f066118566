"""Which clusters take a driver at boot, and by which object; and what is said of those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder
from tests.renderer.deliveries.boot.pools import MACHINE_CONFIG, WORKER, WORKERS, boot_fleet, cluster, findings

SNO = "topology: sno"
HOSTED = """\
topology: hosted
hosted: {management: metal, namespace: clusters}
nodeGroups: [{name: nodes, count: 4, labels: {hypershift.openshift.io/nodePool: paris-a}, kernels: [5.14.0-1.el9.x86_64]}]
"""


@pytest.mark.parametrize(
    ("more", "platform", "reason"),
    [
        (f"managed: true\n{WORKERS}", "openshift", "is managed"),
        ("topology: microshift", "openshift", "is MicroShift"),
        (WORKERS, "kubernetes", "is not OpenShift"),
        (f"topology: hosted\n{WORKERS}", "openshift", "on which cluster its NodePools are"),
    ],
)
def test_a_cluster_without_machine_configuration_is_an_error_with_the_reason(
    tmp_path: Path, more: str, platform: str, reason: str
) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, more, platform=platform)
    (line,) = findings(fleet, "DAY001")
    assert reason in line
    assert "drivers/nic.yaml:12" in line


def test_an_override_leaves_it_out(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, more="overrides: [{clusters: {names: [paris]}, patch: {boot: null}}]")
    cluster(fleet, f"managed: true\n{WORKERS}")
    fleet.render()
    assert not [path for path in fleet.files() if "machineconfig" in path]


def test_a_pool_that_no_group_has_is_an_error(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, f"{{pool: gpu, workerImage: {WORKER}}}")
    assert "no node group of cluster paris is in pool gpu" in findings(fleet, "DAY002")[0]
    assert 'label a node group: node-role.kubernetes.io/gpu: ""' in fleet.run("check", ".").stdout


def test_single_node_is_in_pool_master(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, SNO)
    assert "all its nodes are in pool master" in findings(fleet, "DAY002")[0]
    fleet.driver("nic", f"boot: {{pool: master, workerImage: {WORKER}}}")
    fleet.render()
    assert "paris/nic/machineconfig-99-master-kmodgate-nic.yaml" in fleet.files()


def test_nothing_is_said_of_the_pool_where_no_nodes_are_known(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, "")
    assert not findings(fleet, "DAY002")
    fleet.render()


def test_a_paused_pool_is_told(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, WORKERS.replace("count: 3", "count: 3, pause: true"))
    assert "is paused" in findings(fleet, "DAY010")[0]
    assert fleet.run("check", ".").returncode == 0


@pytest.mark.parametrize(
    "where", ["kernels: [5.14.0-1.el9.x86_64+]", "kernels: [5.14.0-1.el9.x86_64], nextKernels: [5.14.0-2+rt]"]
)
def test_a_kernel_with_a_plus_is_refused(tmp_path: Path, where: str) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, WORKERS.replace("kernels: [5.14.0-1.el9.x86_64]", where))
    assert "has a + in its version" in findings(fleet, "DAY006")[0]
    assert fleet.run("render").returncode != 0


def test_a_hosted_cluster_gets_the_config_of_its_node_pool_where_its_control_plane_runs(tmp_path: Path) -> None:
    fleet = hosted(tmp_path)
    fleet.render()

    found = fleet.object("metal/nic/configmap-kmodgate-boot-nic-paris.yaml")

    assert found["metadata"]["namespace"] == "clusters"
    assert "machineconfiguration.openshift.io/role: worker" in found["data"]["config"]
    assert found["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=confirm,Delete=confirm"
    assert not [path for path in fleet.files() if "machineconfig" in path]


def test_what_a_hosted_cluster_loads_at_boot_is_judged_by_its_own_policy(tmp_path: Path) -> None:
    fleet = hosted(tmp_path)
    fleet.driver("other", f"boot: {{pool: paris-a, workerImage: {WORKER}}}\n", clusters="{names: [paris]}")
    lines = findings(fleet, "DAY201")
    assert len(lines) == 2
    assert "loads acme_dummy at boot of pool paris-a, too" in lines[0]
    (fleet.root / "drivers/other.yaml").unlink()
    head = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\nspec:\n"
    fleet.write(
        "p.yaml", f"{head}  clusters: {{names: [paris]}}\n  parameters: {{allowedRegistries: [registry.local]}}\n"
    )
    assert any("quay.io/acme/worker:2.6" in line for line in findings(fleet, "IMG301"))


def test_a_role_is_no_node_pool_of_a_hosted_cluster(tmp_path: Path) -> None:
    fleet = hosted(tmp_path)
    cluster(fleet, HOSTED.replace("hypershift.openshift.io/nodePool: paris-a", "node-role.kubernetes.io/paris-a: ''"))
    assert "no node group of cluster paris is in pool paris-a" in findings(fleet, "DAY002")[0]
    assert "label a node group: hypershift.openshift.io/nodePool: paris-a" in fleet.run("check", ".").stdout


def test_a_hosted_driver_that_is_absent_leaves_the_tree_of_its_host(tmp_path: Path) -> None:
    fleet = hosted(tmp_path)
    fleet.render()
    fleet.driver("nic", f"boot: {{pool: paris-a, workerImage: {WORKER}}}\nstate: absent", "{names: [paris]}")
    fleet.render()
    assert not [path for path in fleet.files() if path.startswith("metal/nic/")]


@pytest.mark.parametrize("allowed", ["nic", "nic.paris", "metal/nic", "paris/nic", "paris/*"])
def test_a_hosted_driver_needs_a_permission_to_leave(tmp_path: Path, allowed: str) -> None:
    fleet = hosted(tmp_path)
    fleet.render()
    fleet.driver("nic", clusters="{names: [paris]}")
    result = fleet.run("render")
    assert (
        "drivers/nic.yaml:4:1: error[GIT001] spec.boot: ConfigMap clusters/kmodgate-boot-nic-paris would leave the tree of "
        "1 cluster (metal), which takes it off 4 nodes at boot"
    ) in result.stderr
    assert "--allow-removal nic, which" in result.stderr
    assert "state: absent" not in result.stderr
    result = fleet.render("--allow-removal", allowed)
    assert "note: --allow-removal" not in result.stderr
    assert "name: nic.paris" in (fleet.root / "removals.yaml").read_text()


def test_boot_alone_leaves_by_the_name_of_the_driver(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    fleet.render()
    fleet.driver("nic")
    assert "MachineConfig 99-worker-kmodgate-nic would leave" in fleet.run("render").stderr
    fleet.render("--allow-removal", "nic")
    assert "paris/nic/module-nic.yaml" in fleet.files()
    assert MACHINE_CONFIG not in fleet.files()


@pytest.mark.parametrize(
    ("old", "new", "words", "fix"),
    [
        ("management: metal", "management: nowhere", "there is no cluster nowhere", "clusters of this fleet: metal"),
        ("management: metal", "management: metall", "there is no cluster metall", "did you mean metal?"),
        ("management: metal", "management: paris", "cluster paris is hosted itself", "clusters of this fleet: metal"),
        ("topology: hosted", "topology: ha", "topology ha has its control plane on no other cluster", "remove hosted"),
    ],
)
def test_a_control_plane_that_runs_nowhere_is_an_error(
    tmp_path: Path, old: str, new: str, words: str, fix: str
) -> None:
    fleet = hosted(tmp_path)
    cluster(fleet, HOSTED.replace(old, new))
    (line,) = findings(fleet, "DAY008")
    assert words in line
    assert fix in fleet.run("render").stderr


def test_microshift_hosts_no_control_plane_and_plain_kubernetes_may(tmp_path: Path) -> None:
    fleet = hosted(tmp_path)
    cluster(fleet, name="metal", platform="kubernetes")
    assert not findings(fleet, "DAY008")
    cluster(fleet, "topology: microshift", name="metal")
    (line,) = findings(fleet, "DAY008")
    assert "metal is MicroShift, which hosts no control plane" in line


def test_a_control_plane_on_a_cluster_with_an_error_of_its_own_is_told_once(tmp_path: Path) -> None:
    fleet = hosted(tmp_path)
    cluster(fleet, "topolgy: ha", name="metal")
    assert not findings(fleet, "DAY008")


@pytest.mark.parametrize(("kmm", "is_known"), [("2.6", True), ("2.5", True), ("2.4", False)])
def test_the_operator_writes_the_machine_config_where_it_can(tmp_path: Path, kmm: str, is_known: bool) -> None:
    boot = "{pool: worker, image: quay.io/acme/nic, bootModuleConfig: true}"
    fleet = boot_fleet(tmp_path, boot, "inTreeModulesToRemove: [acme_old]")
    cluster(fleet, kmm=kmm)
    assert bool(findings(fleet, "DAY001")) is not is_known
    if is_known:
        fleet.render()
        assert not [path for path in fleet.files() if "machineconfig" in path]
        assert fleet.object("paris/nic/bootmoduleconfig-nic.yaml")["spec"] == {
            "machineConfigName": "99-worker-kmm-nic",
            "machineConfigPoolName": "worker",
            "kernelModuleImage": "quay.io/acme/nic",
            "kernelModuleName": "acme_dummy",
            "inTreeModulesToRemove": ["acme_old"],
        }


def test_a_hosted_cluster_takes_no_boot_module_config_whatever_kmm_it_has(tmp_path: Path) -> None:
    fleet = hosted(tmp_path)
    fleet.driver("nic", "boot: {pool: paris-a, image: quay.io/acme/nic, bootModuleConfig: true}\n", "{names: [paris]}")
    (line,) = findings(fleet, "DAY001")
    assert "cluster paris is hosted: a NodePool takes its configuration from a ConfigMap alone" in line


def hosted(root: Path) -> FleetFolder:
    """A driver for the hosted cluster paris, whose control plane runs on metal."""
    fleet = boot_fleet(root)
    cluster(fleet, HOSTED)
    cluster(fleet, WORKERS, name="metal")
    fleet.driver("nic", f"boot: {{pool: paris-a, workerImage: {WORKER}}}", "{names: [paris]}")
    return fleet


def test_two_boot_module_configs_of_one_pool_are_told_what_to_write(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, "{pool: worker, image: quay.io/acme/nic, bootModuleConfig: true}")
    more = "modprobe: {moduleName: gpu}\nboot: {pool: worker, image: quay.io/acme/gpu, bootModuleConfig: true}\n"
    fleet.driver("gpu", more)
    path = fleet.root / "drivers/gpu.yaml"
    path.write_text(path.read_text().replace("  modprobe: {moduleName: acme_dummy}\n", ""))
    result = fleet.run("check", ".")
    assert "BootModuleConfig nic loads acme_dummy at boot of pool worker, as the day-1 utility does" in result.stdout
    assert "fix: leave bootModuleConfig out for acme_dummy" in result.stdout
