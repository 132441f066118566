"""What KMM compares to tell whether nodes have to unload and load a Module again.

Source: ModuleConfig in api/v1beta1/nodemodulesconfig_types.go, and internal/controllers/nmc_reconciler.go, of Kernel
Module Management.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmodgate.policy.kmm.resolve import Resolution


def node_config(module: Mapping[str, Any], found: Resolution) -> dict[str, Any]:
    """What a node is told to load, by the names of the Module's fields.

    ServiceAccount, pull secret, tolerations and version are not part of it: a change of those reloads nothing.
    """
    tls = found.registry_tls
    return {
        "containerImage": found.image,
        "imagePullPolicy": module["spec"]["moduleLoader"]["container"].get("imagePullPolicy") or "",
        "registryTLS": bool(tls.get("insecure") or tls.get("insecureSkipTLSVerify")),
        "inTreeModulesToRemove": found.in_tree_modules_to_remove or [],
        "modprobe": found.modprobe,
    }


def reasons(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields whose change makes nodes reload; none where nothing is reloaded."""
    return [key for key in after if before[key] != after[key]]
