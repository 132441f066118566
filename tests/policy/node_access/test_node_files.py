"""Which mounts of a node's files, sockets and devices let a container change the node."""

from __future__ import annotations

import pytest

from kmodgate.policy.node_access.node_places import DANGEROUS, HARMLESS, OWN_FOLDERS, TAKEN
from kmodgate.policy.node_access.node_sockets import MOUNT_FOLDERS, MOUNT_POINTS, SOCKET_NAMES, SOCKETS
from tests.policy.node_access.pods import found, mounting, rules

# the folders around each socket, and those that are known by another name
ORDERS = [
    "/run/containerd/containerd.sock", "/run/containerd", "/run/containerd/", "/run/crio", "/var/run/crio", "/run/k3s",
    "/run/k3s/containerd", "/run/podman/podman.sock", "/run/podman", "/var/run/docker.sock", "/run", "/var/run", "/", "//run//crio",
    "/run/dbus", "/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket", "/run/systemd", "/run/systemd/private",
    "/run/buildkit", "/run/nri", "/var", "/home/me/docker.sock", "/var/lib/own/containerd.sock", "/proc/1/root", "/proc/1/root/run",
    "/proc/self/root/run/crio", "/proc/42/cwd", "/proc/1/task/1/root/var/run/docker.sock", "/dev/fd/3", "/dev/initctl", "/proc/1/fd/9",
]  # fmt: skip

WRITTEN = [
    # static pods, and what the kubelet runs or believes
    "/etc/kubernetes/manifests", "/etc/kubernetes", "/etc/kubernetes/manifests/kube-apiserver.yaml", "/var/lib/kubelet",
    "/var/lib/kubelet/plugins", "/var/lib/kubelet/plugins_registry", "/var/lib/kubelet/device-plugins", "/var/lib/kubelet/pods",
    "/usr/libexec/kubernetes/kubelet-plugins", "/usr/libexec/kubernetes/kubelet-plugins/volume/exec", "/var/lib/rancher",
    "/var/lib/rancher/k3s/server/manifests", "/var/lib/etcd", "/var/lib/k0s", "/var/lib/kubeadm",
    # the network plugins
    "/opt/cni", "/opt/cni/bin", "/etc/cni", "/etc/cni/net.d", "/usr/libexec/cni", "/var/lib/cni", "/opt",
    # other processes, and the kernel
    "/proc", "/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/net",
    "/proc/sysrq-trigger", "/proc/1/root/etc", "/proc/1/root/etc/cron.d", "/proc/self/root/boot", "/proc/7/cwd/etc", "/sys",
    "/sys/fs/cgroup", "/sys/fs/bpf", "/sys/kernel", "/sys/kernel/uevent_helper", "/sys/kernel/debug", "/sys/module",
    # what runs at a time, at a login, with rights
    "/etc/cron.d", "/etc/cron.daily", "/etc/crontab", "/var/spool/cron", "/var/spool", "/etc/profile.d", "/etc/profile",
    "/etc/sudoers", "/etc/sudoers.d", "/etc/pam.d", "/etc/passwd", "/etc/shadow", "/etc/environment", "/root", "/home", "/var/home",
    "/etc/ssh", "/root/.ssh", "/home/core/.ssh/authorized_keys", "/etc/polkit-1", "/etc/rc.local", "/etc/init.d",
    # the state and configuration of container runtimes
    "/var/lib/containerd", "/var/lib/docker", "/var/lib/docker/containers", "/var/lib/crio", "/var/lib/containers", "/etc/containerd",
    "/etc/docker", "/etc/crio", "/etc/containers", "/etc/cdi", "/var/run/cdi", "/opt/containerd", "/opt/nri", "/etc/nri",
    "/var/lib/containerd-stargz-grpc", "/opt/kata", "/var/lib/buildkit",
    # what is booted and loaded
    "/ostree", "/sysroot", "/boot", "/boot/efi", "/efi", "/etc/ld.so.preload", "/etc/ld.so.conf.d", "/usr/lib64", "/lib64", "/lib",
    "/lib/modules", "/lib/modules/5.14.0/kernel", "/usr/src", "/var/lib/dkms", "/etc/modprobe.d", "/lib/modprobe.d",
    "/etc/modprobe.d/nic.conf", "/run/modprobe.d", "/etc/modules-load.d", "/lib/depmod.d", "/etc/dracut.conf.d",
    "/var/lib/extensions", "/var/lib/confexts",
    # devices, network, services
    "/etc/udev", "/lib/udev/rules.d", "/run/udev", "/etc/NetworkManager", "/etc/NetworkManager/dispatcher.d", "/var/lib/NetworkManager",
    "/etc/systemd", "/lib/systemd/system", "/run/systemd/journal", "/run/systemd/system/x.service", "/var/lib/systemd", "/var/lib/dbus",
    "/etc/dbus-1", "/var/lib/snapd", "/var/lib/cloud", "/var/lib/selinux", "/opt/bin", "/opt/azure",
    # the node's own state in places that are harmless otherwise
    "/mnt/k8s-disks", "/mnt/k8s-disks/0", "/mnt/k8s-disks/0/kubelet", "/mnt/k8s-disks/1/containerd/io.containerd.snapshotter.v1.overlayfs",
    "/mnt/aks", "/mnt/aks/kubelet/pods", "/mnt/aks/containers", "/mnt/stateful_partition", "/mnt/stateful_partition/etc",
    "/mnt/stateful_partition/var/lib/kubelet", "/srv/kubernetes", "/srv/kubernetes/ca.key",
    "/data/kubelet", "/data/docker/overlay2", "/mnt/containerd", "/srv/rancher/k3s", "/var/lib/puppet/state",
    "/var/lib/authselect", "/opt/puppetlabs/puppet/bin", "/opt/chef",
    # all others, known or not
    "/etc", "/etc/hosts", "/etc/machine-id", "/etc/modprobe.d.bak", "/etc/localtime.d", "/usr", "/usr/local/bin", "/sbin", "/usr/bin",
    "/sbin/modprobe", "/tmp", "/var/lib", "/var/runner", "/var/logs", "/var/tmp", "/run/lock", "/run/xtables.lock", "/run/own",
    "/mnt2", "/database", "/srv.old", "/new-in-some-distribution", "/dev/shm", "/dev/pts", "/etc/../lib/modules", "/var/log/../lib",
]  # fmt: skip
"""Where nobody may write who is not approved."""

FREE = [
    "/var/log", "/var/log/", "/var/log/pods", "/var/log/audit/audit.log", "/mnt", "/mnt/disks/ssd1", "/data/docker-registry", "/mnt/disks/kubelet", "/mnt/k8s-disks/0/cache", "/mnt/stateful_partition/data", "/mnt/aksel", "/srv", "/srv/nfs", "/data",
    "/data/minio", "/etc/localtime", "/var/lib/own", "/var/lib/own/data", "/var/lib/rook", "/var/lib/postgresql", "/var/lib/grafana",
    "/opt/own", "/opt/local-path-provisioner/pvc-1", "/var/lib/own/../other", "/run/promtail", "/var/fluent-bit/state",
]  # fmt: skip

DEVICES = ["/dev/net/tun", "/dev/kvm", "/dev/fuse", "/dev/null", "/dev/dri", "/dev/dri/card0", "/dev/nvidia0", "/dev/kmsg",
           "/dev/infiniband/uverbs0", "/dev/snd", "/dev/ttyUSB0", "/dev/vfio/1", "/dev/vhost-net", "/dev/video0", "/dev/hugepages",
           "/dev/bus/usb/001/002", "/dev/rtc", "/dev/ptp0", "/dev/watchdog", "/dev/tpm0", "/dev/random", "/dev/ipmi0", "/dev/vga_arbiter", "/dev/nic0"]  # fmt: skip

DISKS = ["/dev/sda", "/dev/sda1", "/dev/sdaa3", "/dev/vda", "/dev/xvda", "/dev/nvme0n1", "/dev/nvme0", "/dev/mmcblk0p1", "/dev/dm-0",
         "/dev/mapper/root", "/dev/mapper", "/dev/md0", "/dev/loop0", "/dev/loop-control", "/dev/disk/by-id/x", "/dev/disk", "/dev/block",
         "/dev/block/8:0", "/dev/vg0/root", "/dev/vg0", "/dev/rbd0", "/dev/nbd0", "/dev/zd0", "/dev/sr0", "/dev/sg0", "/dev/bsg/0:0:0:0",
         "/dev/mem", "/dev/kmem", "/dev/port", "/dev/pmem0", "/dev/dax0.0", "/dev/cpu/0/msr", "/dev", "/dev/", "/dev/../dev/sda",
         "/dev/dasda1", "/dev/drbd0", "/dev/char/1:1", "/dev/mtd0", "/dev/ng0n1", "/proc/1/root/dev/sda", "/dev/ubuntu-vg", "/proc/kcore", "/dev/core", "/proc/1/mem"]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/proc/1/root/var/log", "/proc/7/cwd/mnt", "/proc/self/fd/3/data", "/proc/1/task/1/root/srv"]
)
def test_no_place_behind_a_link_of_a_process_is_harmless(path: str) -> None:
    assert rules(mounting(path)) == ["PRV106"]


@pytest.mark.parametrize(
    "path", ["/run/user", "/run/user/0", "/run/user/1000/bus", "/var/run/user/0/systemd/private", "/run/initctl"]
)
def test_a_user_of_the_node_takes_orders_by_its_sockets(path: str) -> None:
    assert rules(mounting(path, readOnly=True)) == ["PRV106"]


@pytest.mark.parametrize("path", ["/proc", "/proc/1", "/proc/self/task", "/proc/1/task/1", "/proc/1/root/proc/1"])
def test_who_may_debug_reaches_the_node_by_its_processes(path: str) -> None:
    debugging = {"capabilities": {"add": ["SYS_PTRACE"]}}
    mount = {"readOnly": True, "recursiveReadOnly": "Enabled"}
    assert rules(mounting(path, security=debugging, **mount)) == ["PRV104"]
    assert rules(mounting(path, **mount)) == rules(mounting("/proc/net", security=debugging, **mount)) == []


@pytest.mark.parametrize("path", ORDERS)
def test_a_socket_that_takes_orders_is_found_in_every_folder_around_it(path: str) -> None:
    for more in ({}, {"readOnly": True}, {"readOnly": True, "recursiveReadOnly": "Enabled"}):
        assert rules(mounting(path, **more)) == ["PRV106"]


@pytest.mark.parametrize("path", WRITTEN)
def test_a_place_that_is_not_known_to_be_harmless_may_not_be_written(path: str) -> None:
    for more in ({}, {"readOnly": False}, {"readOnly": None}, {"readOnly": "true"}):
        assert rules(mounting(path, **more)) == ["PRV106"]


@pytest.mark.parametrize("path", WRITTEN)
def test_it_may_be_read_as_far_as_nothing_below_it_stays_writable(path: str) -> None:
    assert rules(mounting(path, readOnly=True, recursiveReadOnly="Enabled")) == []


@pytest.mark.parametrize("path", FREE)
def test_a_harmless_place_may_be_written(path: str) -> None:
    assert rules(mounting(path)) == rules(mounting(path, security={"privileged": False})) == []


@pytest.mark.parametrize("path", DEVICES)
def test_a_device_that_is_no_disk_and_no_memory_may_be_used(path: str) -> None:
    assert rules(mounting(path)) == rules(mounting(path, kind="CharDevice")) == []


@pytest.mark.parametrize("path", DISKS)
def test_a_disk_or_the_memory_is_found_read_only_or_not(path: str) -> None:
    for more in ({}, {"readOnly": True}, {"readOnly": True, "recursiveReadOnly": "Enabled"}):
        assert rules(mounting(path, **more)) == ["PRV103"]


@pytest.mark.parametrize(
    "path", ["/proc", "/sys", "/sys/kernel", "/sys/fs", "/var/lib", "/var/lib/kubelet", "/var/lib/kubelet/pods", "/boot",
             "/var/lib/docker", "/var/lib/containers", "/proc/sys", "/sys/firmware"]
)  # fmt: skip
def test_read_only_is_not_recursive(path: str) -> None:
    assert rules(mounting(path, readOnly=True)) == ["PRV106"]
    assert rules(mounting(path, readOnly=True, recursiveReadOnly="IfPossible")) == ["PRV106"]
    assert rules(mounting(path, readOnly=True, recursiveReadOnly="Enabled")) == []
    (finding,) = found(mounting(path, readOnly=True))
    assert "readOnly is not recursive" in finding.message


@pytest.mark.parametrize(
    "path", ["/etc", "/etc/os-release", "/lib/modules", "/usr", "/var/lib/docker/containers", "/sys/fs/cgroup", "/sys/class/net",
             "/proc/cpuinfo", "/etc/machine-id", "/run/log/journal", "/usr/share/zoneinfo", "/proc/1/root/etc/os-release"]
)  # fmt: skip
def test_a_folder_with_nothing_mounted_below_may_be_read(path: str) -> None:
    assert rules(mounting(path, readOnly=True)) == []


@pytest.mark.parametrize(
    ("path", "inner", "rule"),
    [
        ("/var/log", "app", []), ("/var/lib", "own", []), ("/var/lib", "own/data", []), ("/", "var/log", []), ("/mnt", "x", []),
        ("/var/lib", "kubelet", ["PRV106"]), ("/", "etc/cron.d", ["PRV106"]), ("/var", "run/docker.sock", ["PRV106"]),
        ("/dev", "sda", ["PRV103"]), ("/dev", "kvm", []), ("/var/lib", "own/../kubelet", ["PRV106"]),
    ],
)  # fmt: skip
def test_a_sub_path_is_what_the_container_sees(path: str, inner: str, rule: list[str]) -> None:
    assert rules(mounting(path, subPath=inner)) == rule


def test_what_a_sub_path_with_a_variable_will_be_nobody_knows() -> None:
    assert rules(mounting("/var/lib", subPathExpr="$(NAME)")) == ["PRV106"]
    assert rules(mounting("/var/log", subPathExpr="$(NAME)")) == []


@pytest.mark.parametrize("path", [r"C:\var\log", "c:/var/log", r"\\.\pipe\containerd-containerd"])
def test_a_path_of_windows_reaches_no_linux_kernel(path: str) -> None:
    assert rules(mounting(path)) == []


def test_each_place_has_a_reason_and_is_found_or_not_as_its_table_says() -> None:
    for place in (*HARMLESS, *DANGEROUS, *SOCKETS, *MOUNT_POINTS, *MOUNT_FOLDERS, *OWN_FOLDERS):
        assert place.reason, place
    for place in HARMLESS:
        assert rules(mounting(place.path)) == [], place
    for place in (*DANGEROUS, *MOUNT_POINTS, *MOUNT_FOLDERS):
        assert rules(mounting(place.path)) == ["PRV106"], place
    for socket in SOCKETS:
        assert rules(mounting(socket.path, readOnly=True)) == ["PRV106"], socket
    for name in SOCKET_NAMES:
        assert rules(mounting(f"/mnt/{name}", readOnly=True)) == ["PRV106"], name


@pytest.mark.parametrize("folder", sorted(TAKEN))
def test_a_folder_of_ones_own_is_none_of_those_that_belong_to_the_node(folder: str) -> None:
    for name, reason in TAKEN[folder].items():
        for path in (f"{folder}/{name.replace('*', 'x')}", f"{folder}/{name.replace('*', '')}/data"):
            (finding,) = found(mounting(path))
            assert reason in finding.message or path in finding.message
        if "*" not in name:
            assert rules(mounting(f"{folder}/{name}ish")) == [] or any(
                other.endswith("*") and f"{name}ish".startswith(other[:-1]) for other in TAKEN[folder]
            )
