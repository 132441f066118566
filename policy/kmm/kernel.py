"""Kernel versions as KMM writes them.

Sources: internal/kernel/kernel.go and internal/utils/replaceStrings.go of Kernel Module Management.
"""

from __future__ import annotations

import re

_FOREIGN = re.compile(r"[^A-Za-z0-9\-._]")
_SEPARATORS = re.compile(r"[.,-]")


class BadKernel(ValueError):
    """A kernel version that has no major, minor and patch part."""


def trimmed(kernel: str) -> str:
    """The version of a node without one trailing `+`; KMM's callers trim it, the mapper itself does not."""
    return kernel.removesuffix("+")


def normalised(kernel: str) -> str:
    """The version with `_` for everything that an image tag cannot hold."""
    return _FOREIGN.sub("_", kernel)


def dns_safe(kernel: str) -> str:
    """The version as build and sign pods have it in their names."""
    return normalised(kernel).lower().replace("_", "-").replace(".", "-").strip("-")


def variables(kernel: str) -> dict[str, str]:
    """The variables of templates, from a normalised version. Raises BadKernel, in KMM's words."""
    parts = _SEPARATORS.split(kernel)
    if len(parts) < 3:
        raise BadKernel(f"invalid kernel version {kernel}: expected at least three components (major.minor.patch)")
    return {
        "KERNEL_FULL_VERSION": kernel,
        "KERNEL_VERSION": kernel,
        "KERNEL_XYZ": ".".join(parts[:3]),
        "KERNEL_X": parts[0],
        "KERNEL_Y": parts[1],
        "KERNEL_Z": parts[2],
    }
