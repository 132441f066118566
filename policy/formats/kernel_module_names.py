"""Names of kernel modules: `-` and `_` are the same letter to the kernel, which writes `_`."""

from __future__ import annotations


def in_kernel_form(name: str) -> str:
    """Return a name as the kernel writes it.

    Source: kernel modules of Linux (scripts/Makefile.lib writes KBUILD_MODNAME with `_`), modprobe(8).
    """
    return name.replace("-", "_")
