"""Sockets by which a node takes orders, and folders of it in which file systems are mounted: each with the reason.

To order by a socket, reading its folder is enough. A mount with `readOnly: true` is read-only itself, and what is
mounted below it stays as it is, unless the runtime is told to go on: `recursiveReadOnly: Enabled`.

Sources: the same as those of `node_places`; mount_setattr(2) of Linux; KEP-3857 of Kubernetes (recursive read-only).
"""

from __future__ import annotations

from kmodgate.policy.node_access.node_places import Place

_RUNTIME = "makes containers with any right"

SOCKETS = (
    Place("/run/containerd/containerd.sock", _RUNTIME),
    Place("/run/containerd/containerd.sock.ttrpc", _RUNTIME),
    Place("/run/crio/crio.sock", _RUNTIME),
    Place("/run/docker.sock", _RUNTIME),
    Place("/run/dockershim.sock", _RUNTIME),
    Place("/run/docker/containerd/containerd.sock", _RUNTIME),
    Place("/run/cri-dockerd.sock", _RUNTIME),
    Place("/run/podman/podman.sock", _RUNTIME),
    Place("/run/buildkit/buildkitd.sock", _RUNTIME),
    Place("/run/k3s/containerd/containerd.sock", _RUNTIME),
    Place("/run/k0s/containerd.sock", _RUNTIME),
    Place("/run/host-containerd/containerd.sock", _RUNTIME),
    Place("/run/nri/nri.sock", "changes every container before it starts"),
    Place("/var/snap/microk8s/common/run/containerd.sock", _RUNTIME),
    Place("/run/lxd.socket", _RUNTIME),
    Place("/var/snap/lxd/common/lxd/unix.socket", _RUNTIME),
    Place("/run/dbus/system_bus_socket", "orders systemd and other services of the node"),
    Place("/run/systemd/private", "orders systemd, which runs anything as root"),
    Place("/run/initctl", "orders systemd, which runs anything as root"),
    Place("/run/user", "orders systemd and D-Bus of a user, of root too"),
    Place("/run/libvirt/libvirt-sock", "makes machines with any device of the node"),
    Place("/run/snapd.socket", "installs programs on the node"),
    Place("/run/api.sock", "changes the settings of Bottlerocket"),
)
"""Sockets where nodes have them, and folders that are full of them."""

SOCKET_NAMES = {
    **dict.fromkeys(
        ("docker.sock", "containerd.sock", "crio.sock", "podman.sock", "cri-dockerd.sock", "dockershim.sock",
         "buildkitd.sock", "containerd.sock.ttrpc", "lxd.socket"),
        _RUNTIME,
    ),
    "system_bus_socket": "orders systemd and other services of the node",
    "nri.sock": "changes every container before it starts",
    "libvirt-sock": "makes machines with any device of the node",
    "snapd.socket": "installs programs on the node",
}  # fmt: skip
"""What they are called, wherever they lie."""

MOUNT_POINTS = (
    Place("/proc/sys/fs/binfmt_misc", "it decides which programs run files"),
    Place("/sys/fs/cgroup", "it limits every process of the node"),
    Place("/sys/fs/bpf", "programs of the kernel are kept there"),
    Place("/sys/fs/selinux", "it changes the policy of SELinux"),
    Place("/sys/firmware/efi/efivars", "it decides what the node boots"),
    Place("/sys/kernel/config", "it makes devices"),
    Place("/sys/kernel/debug", "it changes the kernel"),
    Place("/sys/kernel/security", "it changes the policies of the kernel"),
    Place("/sys/kernel/tracing", "it changes the kernel"),
    Place("/boot/efi", "the node boots what lies there"),
    Place("/run/user", "keys and sockets of people lie there"),
    Place("/run/netns", "the networks of all pods are there"),
)
"""Where nodes mount a file system of its own that is not harmless."""

MOUNT_FOLDERS = (
    Place("/var/lib/kubelet/pods", "the volumes of all pods are mounted there"),
    Place("/var/lib/kubelet/plugins", "the volumes of all pods are mounted there"),
    Place("/var/lib/docker/overlay2", "the root file systems of all containers are mounted there"),
    Place("/var/lib/containers/storage/overlay", "the root file systems of all containers are mounted there"),
    Place("/run/containerd", "the root file systems of all containers are mounted there"),
    Place("/run/k3s/containerd", "the root file systems of all containers are mounted there"),
)
"""Folders in which a node mounts one file system after the other."""
