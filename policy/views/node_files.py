"""Files and folders of a node by which its kernel modules are chosen, or its container runtime is given orders.

A folder around one of them shows it, and what lies within a folder of them is a part of it. Paths are compared in their
parts, after the links that nodes have: `/lib` is `/usr/lib` on most, and `/var/run` is `/run` on all.

Sources: modprobe.d(5), modules-load.d(5), depmod.d(5), systemd.unit(5), udev(7) and proc_sys_kernel(5) of Linux; the
default sockets of containerd, CRI-O, Docker, cri-dockerd, Podman, K3s, k0s and MicroK8s.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.views.pod import is_below

_LINKS = {"/var/run": "/run", "/lib": "/usr/lib", "/bin": "/usr/bin", "/sbin": "/usr/sbin"}

_SOCKETS = (
    "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/docker.sock", "/run/cri-dockerd.sock",
    "/run/podman/podman.sock", "/run/k3s/containerd/containerd.sock", "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
)  # fmt: skip

_MODULES = ("/usr/lib/modules",)

_SETTINGS = (
    *(
        f"{root}/{folder}"
        for root in ("/etc", "/run", "/usr/lib", "/usr/local/lib")
        for folder in ("modprobe.d", "modules-load.d", "depmod.d", "udev/rules.d")
    ),
    "/etc/modprobe.conf", "/etc/modules", "/etc/depmod.conf", "/usr/lib/udev",
    "/etc/systemd", "/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd/system", "/run/systemd/system.control",
    "/run/systemd/transient", "/run/systemd/generator", "/run/systemd/generator.early", "/run/systemd/generator.late",
    "/etc/kernel", "/usr/lib/kernel", "/etc/dracut.conf.d", "/usr/lib/dracut", "/etc/initramfs-tools", "/boot",
    "/usr/src", "/usr/sbin/modprobe", "/usr/bin/kmod", "/proc/sys/kernel/modprobe", "/sys/kernel/uevent_helper",
)  # fmt: skip


def socket_in(path: str) -> str:
    """The socket of a container runtime that a clean path is, or holds; empty if there is none. Reading is enough."""
    where = _followed(path)
    return next((socket for socket in _SOCKETS if is_below(socket, where)), "")


def shows_modules(path: str) -> bool:
    """Whether a clean path is the folder of the kernel modules, lies in it, or holds it."""
    return bool(_met(_followed(path), _MODULES))


def decides_what_is_loaded(path: str) -> bool:
    """Whether who writes to a clean path, or below it, may change what the node loads."""
    where = _followed(path)
    return bool(_met(where, _MODULES) or _met(where, _SETTINGS))


def _met(path: str, places: Iterable[str]) -> str:
    """The first of the places that holds the path, or that the path holds."""
    return next((place for place in places if is_below(path, place) or is_below(place, path)), "")


def _followed(path: str) -> str:
    """The path with the node's link at its beginning followed, if there is one."""
    for link, target in _LINKS.items():
        if is_below(path, link):
            return target + path[len(link) :]
    return path
