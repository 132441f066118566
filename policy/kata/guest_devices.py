"""What a hostPath below /dev is in a pod of Kata: the guest's own device or folder, or the node's.

The Go runtime decides by the path on the node, the Rust runtime by the path in the container, and both hand over a
block device by what the file is, whatever the volume's `type` says. So it is the guest's with either runtime only if
both paths lie below /dev, and the file is a folder or a character device.

Sources: src/runtime/virtcontainers/{utils,container}.go and src/runtime-rs/crates/resource/src/volume of
kata-containers/kata-containers at 7c6ba40c; Documentation/admin-guide/devices.txt of Linux.
"""

from __future__ import annotations

from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.pod import clean, is_below

DEV = "/dev"

_GUESTS_TYPES = ("CharDevice", "Directory")
"""Values of `hostPath.type` for which the kubelet looks at the file, and that are the guest's."""

_CHARACTER = lazy_regex(
    r"/dev/(autofs|btrfs-control|console|cpu_dma_latency|fuse|full|hpet|hwrng|kmsg|kvm|loop-control|mem|null|nvram|port|ptmx"
    r"|random|rtc[0-9]*|sev|sev-guest|sgx_(enclave|provision|vepc)|snapshot|tdx_guest|tpm(rm)?[0-9]+|tty[A-Za-z]*[0-9]*"
    r"|uhid|uinput|urandom|userfaultfd|vcsa?[0-9]*|vhost-(net|vsock)|vsock|watchdog[0-9]*|zero"
    r"|dri/(card|renderD)[0-9]+|infiniband/(issm|rdma_cm|ucm|umad|uverbs)[0-9]*|input/(event|js|mouse)[0-9]+|input/mice"
    r"|kfd|net/tun|nvidia([0-9]+|ctl|-modeset|-uvm|-uvm-tools)|pts/[0-9]+|snd/[A-Za-z0-9]+|vfio/(vfio|[0-9]+))"
)
"""Files that are character devices on any Linux."""

_BLOCK = lazy_regex(
    r"/dev/(block|cciss|dasd|disk|dm-|drbd|fd[0-9]|[hsvx]v?d[a-z]|loop[0-9]|mapper|md[0-9_/]|mmcblk|mtdblock|nbd|nullb"
    r"|nvme|pmem|ram[0-9]|rbd|sr[0-9]|scd[0-9]|ublkb|zd[0-9]|zram|zvol)"
)
"""How the paths of disks begin, of their folders and of their aliases."""


def is_guests_file(path: str, type: str) -> bool:
    """Whether a clean path of a hostPath, of that `type`, is a folder or a character device below /dev."""
    if not is_below(path, DEV) or _BLOCK.match(path):
        return False
    return type in _GUESTS_TYPES or (type == "" and _CHARACTER.fullmatch(path) is not None)


def is_guests_place(mount: Part) -> bool:
    """Whether a mount lies below /dev; the kubelet mounts a `subPath` from a folder of its own, which is the node's."""
    has_sub_path = mount.text("subPath") or mount.text("subPathExpr")
    return not has_sub_path and is_below(clean(mount.text("mountPath")), DEV)
