"""Names of kernel modules: `-` and `_` are the same letter to the kernel, which writes `_`."""

from __future__ import annotations

from kmodgate.policy.lazy import lazy_regex

IS_MODULE_NAME = lazy_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
"""The whole name of a module, without folder and ending."""


def in_kernel_form(name: str) -> str:
    """Return a name as the kernel writes it.

    Source: kernel modules of Linux (scripts/Makefile.lib writes KBUILD_MODNAME with `_`), modprobe(8).
    """
    return name.replace("-", "_")


def name_of_file(path: str) -> str:
    """Return the name of the kernel module in a file such as `/opt/lib/modules/5.14.0/nic.ko.xz`; a name as it is."""
    return path.rpartition("/")[2].partition(".ko")[0]


def is_mounted(name: str) -> bool:
    """Whether a kernel module serves what nodes mount: a file system, by a name that ends in `fs`, or a known one.

    Sources: the modules below fs/ and drivers/block of Linux, and those of OpenAFS, Lustre, Spectrum Scale, Weka,
    PowerFlex, Portworx, DRBD and OpenZFS.
    """
    plain = in_kernel_form(name)
    return plain.endswith("fs") or plain in _STORAGE


_STORAGE = frozenset((
    "9p", "bcache", "ceph", "cifs", "dlm", "dm_crypt", "dm_thin_pool", "dm_vdo", "drbd", "drbd_transport_rdma",
    "drbd_transport_tcp", "ext4", "fuse", "gfs2", "iscsi_tcp", "kvdo", "lnet", "ko2iblnd", "ksocklnd", "libceph",
    "lustre", "mmfs26", "mmfslinux", "nbd", "nfsd", "nfsv3", "nfsv4", "nvme_fabrics", "nvme_rdma", "nvme_tcp", "ocfs2",
    "osc", "ptlrpc", "px", "pxd", "rbd", "rpcrdma", "scini", "spl", "sunrpc", "tracedev", "wekafsgw", "wekafsio",
))  # fmt: skip


BLACKLIST_ARGUMENT = lazy_regex(r"(?:modprobe\.blacklist|module_blacklist|rd\.driver\.blacklist)=(\S+)")
"""An argument of the kernel that keeps modules from being loaded, and their names."""


def configures_modprobe(path: str) -> bool:
    """Whether a file of a node is one that modprobe reads: `/etc/modprobe.d/nic.conf`.

    Source: modprobe.d(5).
    """
    return "/modprobe.d/" in path and path.endswith(".conf")
