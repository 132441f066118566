"""Names of kernel modules: `-` and `_` are the same letter to the kernel, which writes `_`."""

from __future__ import annotations


def in_kernel_form(name: str) -> str:
    """Return a name as the kernel writes it.

    Source: kernel modules of Linux (scripts/Makefile.lib writes KBUILD_MODNAME with `_`), modprobe(8).
    """
    return name.replace("-", "_")


def name_of_file(path: str) -> str:
    """Return the name of the kernel module in a file such as `/opt/lib/modules/5.14.0/nic.ko.xz`; a name as it is."""
    return path.rpartition("/")[2].partition(".ko")[0]


def configures_modprobe(path: str) -> bool:
    """Whether a file of a node is one that modprobe reads: `/etc/modprobe.d/nic.conf`.

    Source: modprobe.d(5).
    """
    return "/modprobe.d/" in path and path.endswith(".conf")
