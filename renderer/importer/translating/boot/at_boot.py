"""What an object says of a kernel module that nodes load at boot, and what of it no spec can say.

Sources: internal/mcfg of rh-ecosystem-edge/kernel-module-management, which the day-1 utility and BootModuleConfig use;
Ignition 3.2.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.kernel_module_names import name_of_file
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.views.boot_config import (
    SHARED_FILE,
    BootConfig,
    boot_config,
    boot_variables,
    machine_config_of,
)
from kmodgate.renderer.deliveries.boot.boot_settings import BootImage, BootSettings
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found

MACHINE_CONFIG, BOOT_MODULE_CONFIG = "MachineConfig", "BootModuleConfig"

_UTILITY = {
    SHARED_FILE,
    "/usr/local/bin/pull-kernel-module-image.sh",
    "/usr/local/bin/wait-for-dispatcher.sh",
}
"""The files of Red Hat's utility, in the place of which kmodgate has files of its own."""

_FIX = "keep it in a MachineConfig of its own, if the nodes need it"


@dataclass(frozen=True, slots=True)
class AtBoot:
    """One object that loads a kernel module at boot; `cluster` is that of the nodes, empty where it lies in it.

    `settings` are those that kmodgate would render it of; parameters of modprobe are in none of these objects.
    """

    found: Found
    config: BootConfig
    settings: BootSettings
    cluster: str = ""

    @property
    def is_by_operator(self) -> bool:
        """Whether KMM writes the MachineConfig."""
        return self.found.identity.kind == BOOT_MODULE_CONFIG

    @property
    def is_by_utility(self) -> bool:
        """Whether others than kmodgate wrote it."""
        return not self.config.driver

    def lost(self, path: FieldPath, message: str, fix: str) -> Finding:
        """Report something that no spec can say."""
        return self.found.lost("IMP002", path, f"not carried over: {message}", fix)


def at_boot(found: Found) -> AtBoot | None:
    """Return what an object loads at boot; None for one that loads nothing."""
    config = boot_config(found.value)
    if config is None:
        return None
    inner = machine_config_of(found.value) if found.identity.kind == "ConfigMap" else found.value
    if found.identity.kind == BOOT_MODULE_CONFIG:
        variables = _of_operator(map_of(found.value.get("spec")))
    else:
        variables = boot_variables(inner or {})
    removals = variables.get("IN_TREE_MODULES_TO_REMOVE", "").replace(",", " ").split()
    modprobe: JsonMap = {"moduleName": config.module, "dirName": variables.get("MODULES_DIR") or "/opt"}
    if firmware := variables.get("FIRMWARE_FILES_PATH"):
        modprobe["firmwarePath"] = firmware
    settings = BootSettings(
        config.driver or found.identity.name,
        config.pool,
        BootImage(config.image, config.prefix, config.suffix),
        config.worker_image,
        tuple(map(name_of_file, removals)),
        modprobe,
    )
    return AtBoot(found, config, settings, cluster_of(found.value))


def _of_operator(spec: JsonMap) -> Mapping[str, str]:
    removals = [str(item) for item in items_of(spec.get("inTreeModulesToRemove"))]
    return {
        "FIRMWARE_FILES_PATH": str(spec.get("firmwareFilesPath") or ""),
        "IN_TREE_MODULES_TO_REMOVE": " ".join(removals),
    }


def beside(item: AtBoot) -> Iterator[Finding]:
    """Report what a MachineConfig of others does beside loading the module: render writes one without."""
    spec = map_of(item.found.value.get("spec"))
    config = map_of(spec.get("config"))
    levels: list[tuple[FieldPath, JsonMap, tuple[str, ...]]] = [
        (("spec",), spec, ("config",)),
        (("spec", "config"), config, ("ignition", "storage", "systemd")),
    ]
    for path, level, known in levels:
        for key, value in level.items():
            if key not in known and value:
                yield item.lost((*path, key), f"{key} does not load a kernel module", _FIX)
    for path, file in _in_list(config, "storage", "files"):
        if (name := str(map_of(file).get("path", ""))) not in _UTILITY:
            yield item.lost(path, f"the file {name}", _FIX)
    for path, unit in _in_list(config, "systemd", "units"):
        if "KERNEL_MODULE" not in str(map_of(unit).get("contents", "")) and not map_of(unit).get("mask"):
            yield item.lost(path, f"the unit {map_of(unit).get('name', '')}", _FIX)


def _in_list(config: JsonMap, section: str, key: str) -> Iterator[tuple[FieldPath, Json]]:
    for index, value in enumerate(items_of(map_of(config.get(section)).get(key))):
        yield ("spec", "config", section, key, index), value
