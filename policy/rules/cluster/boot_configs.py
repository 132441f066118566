"""DAY2: objects that have nodes load a kernel module at boot, and get into each other's way there."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.kmm.kinds import MACHINE_CONFIG
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.boot_config import SHARED_FILE, BootConfig, boot_config

_KINDS = (MACHINE_CONFIG, "BootModuleConfig")


@rule("DAY201", kinds=_KINDS, facts=True)
def module_loaded_twice_at_boot(review: Review) -> Iterator[Problem]:
    """Two objects have the nodes of one pool load a kernel module of one name at boot.

    Both units run before the network is up, one unloads what the other has loaded, and each reboots the node for an
    image of its own. Also found is a MachineConfig of Red Hat's day-1 utility in a dump of the cluster.

    Fix: keep one of them, and remove the other in the same commit.
    Source: internal/mcfg of rh-ecosystem-edge/kernel-module-management; Machine Config Operator of OpenShift.
    """
    mine = boot_config(review.object)
    for name, other in _neighbours(review, mine):
        if mine is not None and in_kernel_form(other.module) == in_kernel_form(mine.module):
            message = f"{name} loads {other.module} at boot of pool {mine.pool}, too"
            yield Problem(mine.path, message, f"keep one of the two: remove {name}, or this one")


@rule("DAY202", kinds=_KINDS, facts=True, severity=Severity.WARNING)
def scripts_of_the_day_1_utility(review: Review) -> Iterator[Problem]:
    """A MachineConfig of Red Hat's day-1 utility loads another kernel module at boot of the same pool.

    All MachineConfigs of the utility, and those that KMM writes for a BootModuleConfig, have their scripts and files
    at the same paths: of two in a pool one counts. One beside kmodgate's own works, and reboots the nodes for its image
    by itself.

    Fix: move its module to a driver with `boot`, whose files have names of their own, and remove it.
    Source: internal/mcfg of rh-ecosystem-edge/kernel-module-management.
    """
    mine = boot_config(review.object)
    if mine is None:
        return
    is_shared = review.kind == "BootModuleConfig" or SHARED_FILE in mine.files
    for name, other in _neighbours(review, mine):
        if SHARED_FILE in other.files and in_kernel_form(other.module) != in_kernel_form(mine.module):
            then = (
                "both have their scripts at the same paths, and one counts" if is_shared else "each reboots by itself"
            )
            message = f"{name} of the day-1 utility loads {other.module} at boot of pool {mine.pool}: {then}"
            yield Problem(mine.path, message, f"load {other.module} by a driver with boot, too, and remove {name}")


def _neighbours(review: Review, mine: BootConfig | None) -> Iterator[tuple[str, BootConfig]]:
    """The other MachineConfigs that load something at boot of the same pool, by their names."""
    own = str(metadata_of(review.object).get("name", ""))
    written = str(as_map(review.object.get("spec")).get("machineConfigName", ""))  # by KMM, for a BootModuleConfig
    is_machine_config = review.kind == MACHINE_CONFIG
    for item in review.known.listing("MachineConfig").objects if mine is not None else ():
        name, found = str(metadata_of(item).get("name", "")), boot_config(item)
        if found is None or mine is None or found.pool != mine.pool or name == written:
            continue
        if not (is_machine_config and name == own):
            yield f"MachineConfig {name}", found
