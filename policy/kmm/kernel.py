"""Kernel versions as KMM writes them, and their architecture and flavour.

Sources: internal/kernel/kernel.go and internal/utils/replaceStrings.go of Kernel Module Management; `uname -r` of Red
Hat's real-time kernels, `5.14.0-284.11.1.rt14.296.el9_2.x86_64` up to 9.2 and `….x86_64+rt` after it.
"""

from __future__ import annotations

from kmodgate.policy.lazy import lazy_regex

_FOREIGN = lazy_regex(r"[^A-Za-z0-9\-._]")
_SEPARATORS = lazy_regex(r"[.,-]")
_OLD_REAL_TIME = lazy_regex(r"\.rt[0-9]+\.")
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loong64",
}
"""Machine in a kernel version → value of the node label `kubernetes.io/arch`."""


class BadKernel(ValueError):
    """A kernel version that has no major, minor and patch part."""


def trimmed(kernel: str) -> str:
    """The version of a node without one trailing `+`; KMM's callers trim it, the mapper itself does not."""
    return kernel.removesuffix("+")


def architecture(kernel: str) -> str:
    """Return the architecture that a kernel version names, as nodes write it; empty if it names none."""
    return next((name for machine, name in _ARCHITECTURES.items() if machine in kernel), "")


def flavour(kernel: str) -> str:
    """Return `rt` or `64k` of a kernel of that flavour; one trailing `+` alone is no flavour."""
    return "rt" if _OLD_REAL_TIME.search(kernel) else trimmed(kernel).partition("+")[2]


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
