"""The kinds that rules look at: their groups, the versions that KMM has served, and the kind of an object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kmodgate.policy.findings import plain_text
from kmodgate.policy.kmm.misnamed_kinds import HUB_GROUP, KMM_GROUP, KMM_GROUPS, meant_group, meant_kind, names_kmm
from kmodgate.policy.lazy import lazy_regex

MODULE_KINDS = ("Module", "ManagedClusterModule")
CLUSTER_MODULE = ("Module",)
"""The Module of the cluster that the facts are of; a hub's is for others."""

PREFLIGHT_KINDS = ("PreflightValidation", "PreflightValidationOCP")

INNER_KINDS = ("NodeModulesConfig", "ModuleImagesConfig", "ModuleBuildSignConfig")
"""The kinds in which KMM keeps what it has decided: which image a node loads, and what builds and signs it."""

BOOT_KINDS = ("BootModuleConfig", "InitramfsModule")
"""Kinds beside Module by which people have kernel modules loaded, of Red Hat's build."""

WITH_IMAGES = ("PreflightValidationOCP", *BOOT_KINDS)
"""Kinds beside Module that name images, in fields called `…Image`."""

MACHINE_CONFIG = "machineconfiguration.openshift.io/MachineConfig"
"""The kind of OpenShift by which nodes load a module at boot; its units name the images."""

MANAGED_CLUSTER = "cluster.open-cluster-management.io/ManagedCluster"
"""The kind of Open Cluster Management by whose labels a hub selects its spokes."""

GROUPS = {
    "Module": KMM_GROUP,
    "ManagedClusterModule": HUB_GROUP,
    "PreflightValidation": KMM_GROUP,
    "PreflightValidationOCP": KMM_GROUP,
    **dict.fromkeys((*BOOT_KINDS, *INNER_KINDS), KMM_GROUP),
}
"""Kind → its group, for the kinds that rules look at outside the core group."""

VERSIONS = {
    "Module": ("v1beta1",),
    "ManagedClusterModule": ("v1beta1",),
    "PreflightValidation": ("v1beta1", "v1beta2"),
    "PreflightValidationOCP": ("v1beta1", "v1beta2"),
    "BootModuleConfig": ("v1beta1",),
    "InitramfsModule": ("v1alpha1", "v1beta1", "v1beta2", "v1"),
    **dict.fromkeys(INNER_KINDS, ("v1beta1",)),
}
"""Kind → the versions that KMM has ever served; of a kind that is still to come those that it may get."""

SERVED = {kind: [f"{GROUPS[kind]}/{version}" for version in versions] for kind, versions in VERSIONS.items()}
"""Kind → the values that `apiVersion` of such an object may have."""

MISSPELT = "a kind of KMM, in other letters"
"""The kind of a review whose object no API server knows, though its author surely meant KMM's."""

MISPLACED = "a kind of KMM, in another group or number"
"""The kind of a review whose object is of a former group of KMM, of one that is nearly KMM's, or of the wrong one of
its groups, or whose kind is written in the plural or with a letter or two wrong."""

NEW_KIND = "a kind of KMM that is not known"
"""The kind of a review whose object is of KMM's groups and of a kind that no table names."""


def kind_of(value: Mapping[str, Any]) -> str:
    """Return the kind of an object, if its group is that of the rules.

    That of another group is given with the group, unless it is surely meant as one of KMM's.
    """
    version, kind = plain_text(value.get("apiVersion", "")), plain_text(value.get("kind", ""))
    if version in SERVED.get(kind, ()):
        return kind
    group, _, _ = version.rpartition("/")
    if GROUPS.get(kind, "") == group:
        return kind
    if not group and (kind in GROUPS or meant_group(version)):
        return MISPLACED
    if group not in KMM_GROUPS:
        is_meant = meant_group(group) or (kind in GROUPS and names_kmm(group))
        return MISPLACED if is_meant else f"{group}/{kind}"
    if any(group == known and kind.lower() == name.lower() for name, known in GROUPS.items()):
        return MISSPELT
    return MISPLACED if meant_kind(kind, tuple(GROUPS)) else NEW_KIND


_SHAPES = {"moduleLoader": "Module", "moduleSpec": "ManagedClusterModule", "kernelModuleImage": "BootModuleConfig"}
"""Field of a spec that one kind alone has → that kind."""

_CALLED_MODULE = lazy_regex(r"(?:kernel|kmm|k)?[-_]?mod(?:ule)?s?", re.IGNORECASE)


def kind_by_shape(value: Mapping[str, Any]) -> str:
    """Return the kind that an object of an unknown one means, by the fields of its spec or by its name.

    Empty where it may well be a kind that is new.
    """
    spec = value.get("spec")
    shape = next((known for field, known in _SHAPES.items() if isinstance(spec, Mapping) and field in spec), "")
    return shape or ("Module" if _CALLED_MODULE.fullmatch(plain_text(value.get("kind", ""))) else "")
