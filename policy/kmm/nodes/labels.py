"""Node labels of a Module, and the name of the image between build and sign.

Sources: internal/utils/kmmlabels.go, internal/nmc/labels.go and internal/module/helper.go of Kernel Module Management.
"""

from __future__ import annotations

_PREFIX = "kmm.node.kubernetes.io"


def version_label(namespace: str, name: str) -> str:
    """What an administrator sets on a node to get a version of an ordered upgrade."""
    return f"{_PREFIX}/version-module.{namespace}.{name}"


def labels(namespace: str, name: str, version: str) -> dict[str, str]:
    """The labels that KMM sets on a node when the Module is loaded there."""
    found = {f"{_PREFIX}/{namespace}.{name}.ready": ""}
    if version:
        found[f"{_PREFIX}/{namespace}.{name}.version.ready"] = version
    return found


def intermediate_image(image: str, namespace: str, name: str) -> str:
    """The unsigned image that KMM up to 2.6 pushes between build and sign; later ones use the final name."""
    separator = "_" if ":" in image else ":"
    return f"{image}{separator}{namespace}_{name}_kmm_unsigned"
