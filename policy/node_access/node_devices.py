"""Device nodes by which a container reaches a disk or the memory of the node. All others are harmless.

Reading and `readOnly` make no difference: a device node on a read-only mount is opened for writing all the same.

Source: devices.txt of the Linux kernel (Documentation/admin-guide); the folders below /dev that udev makes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.pod import is_below


class _Devices(NamedTuple):
    names: re.Pattern[str]
    what: str


_KINDS = (
    _Devices(lazy_regex(r"(mem|kmem|port|oldmem|crash|nvram|vmcore|(dax|pmem)[0-9].*)"), "memory of the node"),
    _Devices(lazy_regex(r"(msr[0-9]*)"), "registers of the node's processors"),
    _Devices(
        lazy_regex(
            r"(sd|hd|vd|xvd|ubd|dasd)[a-z]+[0-9]*|(nvme|ng)[0-9].*|mmcblk[0-9].*|(dm-|md|zd|zram|ram|loop|nbd|rbd|sr|scd"
            r"|bcache|drbd|fd|mtd|mtdblock|ubi|ubiblock|sg|st|nst|osst|mspblk|rssd|fioa?|rnbd|ublkb|ublkc)[0-9].*"
            r"|dasd.*|vg|vg[-_0-9].*|.*vg[0-9]*|centos.*|rhel.*|fedora.*|pve|loop-control|btrfs-control|cdrom|root|ublk-control|device-mapper"
        ),
        "a disk of the node",
    ),
)  # fmt: skip

_FOLDERS = {
    "accel": "accelerators", "bus/usb": "devices at USB", "dma_heap": "buffers of devices",
    "dri": "graphics", "fpga": "accelerators", "hugepages": "pages of the container itself",
    "infiniband": "RDMA", "input": "keyboards and the like", "net": "tunnels", "nvidia-caps": "graphics",
    "nvidia-caps-imex-channels": "graphics", "serial": "serial lines", "snd": "sound", "usb": "devices at USB",
    "vas": "accelerators", "vfio": "devices that are given away", "vhost-vdpa": "networks", "dvb": "receivers",
    "davinci": "accelerators", "crypto": "accelerators", "qat": "accelerators", "sgx": "enclaves", "tee": "enclaves",
    "v4l": "cameras",
}  # fmt: skip
"""Folders below /dev that hold no disk and no memory, and what is in them."""

_OF_SESSIONS = ("/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console", "/dev/ptmx")
"""What is no device: terminals and memory that processes of the node share."""


_MEMORY_IN_PROC = lazy_regex(r"/proc/(kcore|vmcore|kmem|[^/]+(/task/[^/]+)?/mem)")


def reached_by(path: str) -> str:
    """What a clean path gives: `a disk of the node`, its memory, or all devices; empty for all others."""
    if _MEMORY_IN_PROC.fullmatch(path):
        return "memory of the node"
    if path == "/dev":
        return "all devices of the node"
    if not path.startswith("/dev/") or is_shared(path):
        return ""
    name = path.removeprefix("/dev/")
    top, _, rest = name.partition("/")
    if top == "cpu" and rest:
        return "registers of the node's processors"
    if rest or top in ("disk", "mapper", "block", "cpu", "md", "zvol", "ubi", "bsg", "raw"):
        return "" if any(is_below(name, folder) for folder in _FOLDERS) else "a disk of the node"
    return next((kind.what for kind in _KINDS if kind.names.fullmatch(top)), "")


def is_shared(path: str) -> bool:
    """Whether a clean path below /dev is what processes of the node share, and no device."""
    return any(is_below(path, place) for place in _OF_SESSIONS)
