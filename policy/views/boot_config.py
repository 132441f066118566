"""What an object has nodes load at boot: a MachineConfig, the ConfigMap of a NodePool, or a BootModuleConfig.

kmodgate's own and those of Red Hat's day-1 utility tell it by the same variables of a systemd unit.
Sources: internal/mcfg of rh-ecosystem-edge/kernel-module-management; docs/custom-pools.md of
openshift/machine-config-operator.
"""

from __future__ import annotations

import re

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import OBJECTS, parse
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept
from kmodgate.policy.views.part import Map, list_in, map_in, maps_in, text_in

POOL_LABEL = "machineconfiguration.openshift.io/role"
NODE_POOL_LABEL = "kmodgate.io/node-pool"
DRIVER_LABEL = "kmodgate.io/driver"
"""The label by which an object of a kind that has other uses stands for a driver, with the driver's name."""

SHARED_FILE = "/usr/local/bin/replace-kernel-module.sh"
"""The script of Red Hat's utility, under one path in every MachineConfig of it, and of KMM for a BootModuleConfig."""

WORKER_POOL = "worker"
BUILT_IN_POOLS = frozenset((WORKER_POOL, "master", "arbiter"))
"""The MachineConfigPools that the operator makes; each takes the MachineConfigs of its own role alone."""

_VARIABLE = lazy_regex(r'^[^\S\n]*Environment="?(\w+)=([^"\n]*)"?[^\S\n]*$', re.MULTILINE)
_TELLING = ("KERNEL_MODULE", "KERNEL_MODULE_IMAGE", "TAG_PREFIX", "TAG_SUFFIX", "WORKER_IMAGE")
_LONGEST = 1 << 20
_KERNEL = "${KERNEL_FULL_VERSION}"


@dataclass(frozen=True, slots=True)
class BootConfig:
    """A kernel module, and the image that it comes from: its tag is the kernel's version, after `prefix`.

    `path` leads to the field that says so, and `worker_path` to the one with the worker's image. `driver` is kmodgate's
    name of it, empty where others wrote the object.
    """

    pool: str
    driver: str
    module: str
    image: str
    prefix: str
    suffix: str
    worker_image: str
    path: FieldPath
    worker_path: FieldPath
    files: frozenset[str] = frozenset()

    def for_kernel(self, kernel: str) -> str:
        """Return the reference that a node with a kernel pulls."""
        return f"{self.image}:{self.prefix}{kernel}{self.suffix}"

    def is_pulled_by(self, image: str, kernel: str = "") -> bool:
        """Whether a reference of a Module, or of a mapping for one kernel, is what nodes pull at boot.

        The image alone, without a tag, is as well if its tag is the kernel's version and nothing else.
        """
        is_bare = image == self.image and not self.prefix and not self.suffix
        return is_bare or image == self.for_kernel(_KERNEL) or bool(kernel and image == self.for_kernel(kernel))


def boot_config(value: Map) -> BootConfig | None:
    """Return what an object has nodes load at boot; None where that is nothing."""
    kind, labels = text_in(value, "kind"), map_in(map_in(value, "metadata"), "labels")
    pool, driver = text_in(labels, POOL_LABEL), text_in(labels, DRIVER_LABEL)
    if kind == "MachineConfig":
        # without a pool nothing is applied; the operator merges those of a pool into one without the label
        return _of_machines(value, pool, driver, ()) if pool else None
    if kind == "BootModuleConfig":
        return _of_operator(value)
    if kind == "ConfigMap" and NODE_POOL_LABEL in labels:
        inner = machine_config_of(value)
        return _of_machines(inner, text_in(labels, NODE_POOL_LABEL), driver, ("data", "config")) if inner else None
    return None


def line_naming(text: str, image: str) -> int:
    """Return the line of a unit or script that names an image, from 1; 0 where none does."""
    lines = text.replace("%%", "%").split("\n")
    return next((number for number, line in enumerate(lines, 1) if f"={image}" in line), 0)


def roles_taken(pool: Map) -> frozenset[str]:
    """Return the roles of the MachineConfigs that a MachineConfigPool selects; its own where it names none."""
    selector = map_in(map_in(pool, "spec"), "machineConfigSelector")
    found = {text_in(map_in(selector, "matchLabels"), POOL_LABEL)} - {""}
    for item in maps_in(selector, "matchExpressions"):
        if item.get("key") == POOL_LABEL and item.get("operator") == "In":
            found |= set(map(str, list_in(item, "values")))
    return frozenset(found or {text_in(map_in(pool, "metadata"), "name")})


def roles_by_convention(pool: str) -> frozenset[str]:
    """Return the roles that a pool of a name takes where nobody knows the pool itself.

    One that people made takes those of `worker`, too: the operator supports no other.
    """
    return frozenset((pool,)) if pool in BUILT_IN_POOLS else frozenset((pool, WORKER_POOL))


def boot_variables(value: Map) -> dict[str, str]:
    """Return the variables of the units of a MachineConfig that are about the module which it loads at boot."""
    found: dict[str, str] = {}
    for unit in list_in(map_in(map_in(map_in(value, "spec"), "config"), "systemd"), "units"):
        variables = dict(_VARIABLE.findall(text_in(unit, "contents"))) if isinstance(unit, dict) else {}
        if "KERNEL_MODULE_IMAGE" in variables:
            found = {**variables, **found}
    return {name: text.replace("%%", "%") for name, text in found.items()}


def machine_config_of(config_map: Map) -> Map | None:
    """Return the MachineConfig that the ConfigMap of a NodePool holds."""
    labels = map_in(map_in(config_map, "metadata"), "labels")
    return _inner(text_in(map_in(config_map, "data"), "config")) if NODE_POOL_LABEL in labels else None


def boot_lines(unit: object) -> str:
    """Return the lines of a systemd unit that say what it loads at boot; empty for any other unit."""
    text = text_in(unit, "contents") if isinstance(unit, dict) else ""
    found = [(name, value) for name, value in _VARIABLE.findall(text) if name in _TELLING]
    lines = "".join(f'Environment="{name}={value}"\n' for name, value in found)
    return lines if {"KERNEL_MODULE", "KERNEL_MODULE_IMAGE"} <= {name for name, _ in found} else ""


def _of_operator(value: Map) -> BootConfig:
    spec = map_in(value, "spec")
    return BootConfig(
        text_in(spec, "machineConfigPoolName"),
        text_in(map_in(value, "metadata"), "name"),
        text_in(spec, "kernelModuleName"),
        text_in(spec, "kernelModuleImage"),
        "",
        "",
        text_in(spec, "workerImage"),
        ("spec", "kernelModuleImage"),
        ("spec", "workerImage"),
        frozenset({SHARED_FILE}),
    )


def _of_machines(value: Map, pool: str, driver: str, place: FieldPath) -> BootConfig | None:
    """The module that a unit of a MachineConfig loads; `place` is the path of a text that holds the MachineConfig."""
    config = map_in(map_in(value, "spec"), "config")
    for index, unit in enumerate(list_in(map_in(config, "systemd"), "units")):
        variables = dict(_VARIABLE.findall(text_in(unit, "contents"))) if isinstance(unit, dict) else {}
        if variables.get("KERNEL_MODULE") and "KERNEL_MODULE_IMAGE" in variables:
            path = place or ("spec", "config", "systemd", "units", index, "contents")
            files = frozenset(text_in(item, "path") for item in maps_in(map_in(config, "storage"), "files"))
            return BootConfig(
                pool,
                driver,
                variables["KERNEL_MODULE"],
                variables["KERNEL_MODULE_IMAGE"],
                variables.get("TAG_PREFIX", ""),
                variables.get("TAG_SUFFIX", ""),
                variables.get("WORKER_IMAGE", ""),
                path,
                path,
                files,
            )
    return None


@kept
def _inner(text: str) -> Map | None:
    """The MachineConfig in a text; None where there is none."""
    if "MachineConfig" not in text or len(text) > _LONGEST:
        return None
    documents, _ = parse(text, "", OBJECTS)
    found = documents[0].value if documents else None
    return found if isinstance(found, dict) and found.get("kind") == "MachineConfig" else None
