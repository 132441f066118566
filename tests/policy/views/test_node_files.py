"""Which mounts of a node's files let a container decide what the node loads."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.review import Review
from kmodgate.policy.views.pod import clean

# the folders around what was known alone before, and that which is known by another name
SOCKETS = [
    "/run/containerd/containerd.sock", "/run/containerd", "/run/containerd/", "/run/crio", "/var/run/crio", "/run/k3s",
    "/run/k3s/containerd", "/run/podman/podman.sock", "/run/podman", "/var/run/docker.sock", "/run", "/var/run", "/", "//run//crio", "/var",
]  # fmt: skip
WRITABLE = [
    "/proc", "/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/modprobe", "/sys", "/sys/kernel", "/etc", "/etc/modprobe.d",
    "/etc/modprobe.d/nic.conf", "/usr/lib/modprobe.d", "/lib/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d",
    "/usr/local/lib", "/usr/local", "/etc/modules-load.d", "/usr/lib/modules-load.d", "/run/modules-load.d", "/lib/depmod.d",
    "/lib/systemd/system", "/etc/systemd", "/run/systemd", "/run/systemd/system/x.service", "/sbin", "/usr/sbin", "/sbin/modprobe",
    "/usr/bin", "/etc/udev", "/run/udev", "/lib/udev/rules.d", "/lib", "/lib/modules", "/usr", "/lib/modules/5.14.0/kernel",
    "/boot/efi", "/usr/src", "/etc/../lib/modules",
]  # fmt: skip
HARMLESS = [
    "/run/xtables.lock", "/run/containerd.d", "/run/crio2", "/run/systemd/journal", "/run/udev/data", "/var/log", "/var/lib/kubelet",
    "/etc/modprobe.d.bak", "/etc/hosts", "/etc/cni/net.d", "/proc/sys/net", "/proc/sys/kernel/modprobe2", "/sys/fs/bpf", "/sys/module",
    "/usr/local/bin", "/usr/lib64", "/libexec", "/usr/share", "/opt", "/home", "/var/runner", "/lib64", "/usr/libexec",
]  # fmt: skip


def is_found(path: str, **mount: Any) -> bool:
    container = {"name": "a", "image": "a:1", "volumeMounts": [{"name": "v", "mountPath": "/h", **mount}]}
    spec = {"containers": [container], "volumes": [{"name": "v", "hostPath": {"path": path}}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "apps"}, "spec": spec}
    return "PRV106" in {finding.rule for finding in Engine(Policy(), "admit").evaluate(Review(pod, user="alice"))}


@pytest.mark.parametrize("path", SOCKETS)
def test_a_runtimes_socket_is_found_in_every_folder_around_it(path: str) -> None:
    assert is_found(path)
    assert is_found(path, readOnly=True)


@pytest.mark.parametrize("path", WRITABLE)
def test_what_decides_on_modules_is_found_from_above_and_below_where_it_may_be_written(path: str) -> None:
    assert is_found(path)
    assert is_found(path, readOnly=False)
    assert not is_found(path, readOnly=True)


@pytest.mark.parametrize("path", HARMLESS)
def test_what_only_lies_beside_it_or_is_called_like_it_is_not_found(path: str) -> None:
    assert clean(path) == path
    assert not is_found(path)
