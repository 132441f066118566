"""Which rights of containers reach the node: capabilities, privileges, devices, drivers, Windows."""

from __future__ import annotations

import pytest

from kmodgate.policy.node_access.capabilities import HARMLESS
from tests.policy.node_access.pods import capable, container, pod, privileged, rules

OTHERS = ["SYS_ADMIN", "SYS_RAWIO", "SYS_BOOT", "BPF", "PERFMON", "DAC_READ_SEARCH", "LINUX_IMMUTABLE", "MAC_ADMIN",
          "MAC_OVERRIDE", "SYS_PACCT", "SYS_TTY_CONFIG", "CHECKPOINT_RESTORE", "NEW_IN_SOME_KERNEL", ""]  # fmt: skip
DEFAULTS = ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",
            "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]  # fmt: skip
LISTED = ["NET_ADMIN", "NET_RAW", "NET_BROADCAST", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "IPC_LOCK", "IPC_OWNER", "LEASE",
          "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "SYSLOG", "SYS_PTRACE"]  # fmt: skip


def test_the_table_of_harmless_capabilities_has_a_reason_for_each_and_no_other() -> None:
    assert set(HARMLESS) == {*DEFAULTS, *LISTED}
    assert all(HARMLESS.values())


@pytest.mark.parametrize("spelling", ["{}", "CAP_{}", "cap_{}"])
@pytest.mark.parametrize("name", [*DEFAULTS, *LISTED])
def test_a_harmless_capability_is_no_finding_in_any_spelling(name: str, spelling: str) -> None:
    assert rules(pod(containers=[capable(spelling.format(name))])) == []


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_capability_is_a_finding_of_its_own(name: str) -> None:
    assert rules(pod(containers=[capable(name)])) == ["PRV107"]
    assert rules(pod(initContainers=[capable(f"cap_{name.lower()}")])) == ["PRV107"]


def test_loading_modules_stays_the_finding_that_it_was() -> None:
    assert rules(pod(containers=[capable("SYS_MODULE")])) == rules(pod(containers=[capable("all")])) == ["PRV101"]


def test_tracing_is_harmless_among_the_pods_own_processes_only() -> None:
    assert rules(pod(containers=[capable("SYS_PTRACE")])) == []
    assert rules(pod(containers=[capable("SYS_PTRACE")], hostPID=True)) == ["PRV104"]


def test_in_a_user_namespace_rights_are_those_of_nobody_on_the_node() -> None:
    rights = [privileged(), capable("SYS_ADMIN", "SYS_MODULE")]
    assert rules(pod(containers=rights, hostUsers=False)) == []
    assert rules(pod(containers=rights, hostUsers=True)) == rules(pod(containers=rights)) != []


def test_in_a_user_namespace_folders_of_the_node_are_still_its_own() -> None:
    mounted = privileged(volumeMounts=[{"name": "v", "mountPath": "/h"}])
    volumes = [{"name": "v", "hostPath": {"path": "/etc/cron.d"}}]
    assert rules(pod(containers=[mounted], volumes=volumes, hostUsers=False)) == ["PRV106"]


def test_a_volume_as_a_device_may_be_a_disk_of_the_node() -> None:
    device = container(volumeDevices=[{"name": "d", "devicePath": "/dev/xvda"}])
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]
    assert rules(pod(containers=[device], volumes=volumes)) == ["PRV108"]
    assert rules(pod(initContainers=[device], volumes=volumes)) == ["PRV108"]


@pytest.mark.parametrize("user", ["alice", "system:serviceaccount:apps:kubevirt-controller", "kubevirt-controller"])
def test_only_kubevirt_itself_gives_machines_their_disks(user: str) -> None:
    device = container(volumeDevices=[{"name": "d", "devicePath": "/dev/disk0"}])
    item = pod(containers=[device])
    item["metadata"]["ownerReferences"] = [
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": "vm", "controller": True}
    ]
    assert rules(item, user=user) == ["PRV108"]
    assert rules(item, user="system:serviceaccount:kubevirt:kubevirt-controller") == []
    assert rules(item, user="") == []


@pytest.mark.parametrize(
    "driver", ["hostpath.csi.k8s.io", "local.csi.example.com", "", "secrets-store.csi.k8s.io.evil"]
)
def test_an_inline_volume_of_a_driver_that_is_not_known_is_a_finding(driver: str) -> None:
    volumes = [{"name": "v", "csi": {"driver": driver, "volumeAttributes": {"path": "/"}}}]
    assert rules(pod(volumes=volumes)) == ["PRV109"]


def test_known_drivers_and_those_of_the_policy_may_be_asked_inline() -> None:
    volumes = [{"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io"}}]
    assert rules(pod(volumes=volumes)) == []
    own = {"modes": {"PRV": "enforce"}, "parameters": {"kernelAccess": {"inlineDrivers": ["own.example.com"]}}}
    assert rules(pod(volumes=[{"name": "v", "csi": {"driver": "own.example.com"}}]), own) == []


def test_a_process_of_a_windows_node_is_a_finding_for_pod_and_container() -> None:
    options = {"windowsOptions": {"hostProcess": True}}
    assert rules(pod(securityContext=options)) == ["PRV110"]
    assert rules(pod(containers=[container(securityContext=options)])) == ["PRV110"]
    assert rules(pod(securityContext={"windowsOptions": {"hostProcess": False}})) == []


@pytest.mark.parametrize(
    "volume", [{"flexVolume": {"driver": "a/b", "options": {"x": "y"}}}, {"gitRepo": {"repository": "r"}}]
)
def test_a_volume_that_a_program_of_the_node_makes_is_a_finding(volume: dict[str, object]) -> None:
    assert rules(pod(volumes=[{"name": "v", **volume}])) == ["PRV109"]
    own = {"modes": {"PRV": "enforce"}, "parameters": {"kernelAccess": {"inlineDrivers": ["a/b", "gitRepo"]}}}
    assert rules(pod(volumes=[{"name": "v", **volume}]), own) == []


def test_an_unmasked_proc_is_that_of_the_node_outside_of_a_user_namespace() -> None:
    containers = [container(securityContext={"procMount": "Unmasked"})]
    assert rules(pod(containers=containers)) == ["PRV113"]
    assert rules(pod(containers=containers, hostUsers=False)) == []
    assert rules(pod(containers=[container(securityContext={"procMount": "Default"})])) == []
