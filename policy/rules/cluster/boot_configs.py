"""DAY2: objects that have nodes load a kernel module at boot, and get into each other's way there."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.facts import EVERYWHERE, Object, as_map, metadata_of
from kmodgate.policy.findings import GIVE_FACTS, NOT_CHECKED, FieldPath, Problem, Severity
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.kmm.kinds import MACHINE_CONFIG
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.boot_config import (
    POOL_LABEL,
    SHARED_FILE,
    BootConfig,
    boot_config,
    roles_by_convention,
    roles_taken,
)

_KINDS = (MACHINE_CONFIG, "BootModuleConfig")


@rule("DAY201", kinds=_KINDS, facts=True)
def module_loaded_twice_at_boot(review: Review) -> Iterator[Problem]:
    """Two objects have the nodes of one pool load a kernel module of one name at boot.

    Both units run before the network is up, one unloads what the other has loaded, and each reboots the node for an
    image of its own. Also found is a MachineConfig of Red Hat's day-1 utility in a dump of the cluster. A pool that
    people made takes the MachineConfigs of `worker`, too: what is for `worker` meets there what is for that pool. The
    machineConfigSelector of a MachineConfigPool in the dump says it better.

    Fix: keep one of them, and remove the other in the same commit.
    Source: internal/mcfg of rh-ecosystem-edge/kernel-module-management; docs/custom-pools.md of
    openshift/machine-config-operator.
    """
    mine = boot_config(review.object)
    if mine is None:
        return
    for title, other, both in _neighbours(review, mine):
        if in_kernel_form(other.module) == in_kernel_form(mine.module):
            message = f"{title} loads {other.module} at boot of pool {other.pool}, too{both}"
            yield Problem(mine.path, message, f"keep one of the two: remove {title}, or this one")
    if review.user and not review.known.listing("MachineConfig").is_complete:
        yield Problem(mine.path, f"{NOT_CHECKED}: the other MachineConfigs of pool {mine.pool}", GIVE_FACTS)


@rule("DAY202", kinds=_KINDS, facts=True, severity=Severity.WARNING)
def scripts_of_the_day_1_utility(review: Review) -> Iterator[Problem]:
    """Red Hat's day-1 utility, or a BootModuleConfig, loads another kernel module at boot of the same pool.

    All MachineConfigs of the utility, and those that KMM writes for a BootModuleConfig, have their scripts and files
    at the same paths: of two in a pool one counts. One beside kmodgate's own works, and reboots the nodes for its image
    by itself. A pool that people made takes the MachineConfigs of `worker`, too.

    Fix: move its module to a driver with `boot`, whose files have names of their own, and remove it.
    Source: internal/mcfg of rh-ecosystem-edge/kernel-module-management.
    """
    mine = boot_config(review.object)
    if mine is None:
        return
    for title, other, both in _neighbours(review, mine):
        if SHARED_FILE in other.files and in_kernel_form(other.module) != in_kernel_form(mine.module):
            then = (
                "both have their scripts at the same paths, and one counts"
                if SHARED_FILE in mine.files
                else "each reboots by itself"
            )
            what = f"{title} loads {other.module} at boot of pool {other.pool}{both}"
            message = f"{what} by the day-1 utility: {then}"
            fix = f"load {other.module} by a driver with boot, too, and remove {title}"
            if title.startswith("BootModuleConfig "):
                message = f"{what}, as the day-1 utility does: {then}"
                fix = (
                    f"leave bootModuleConfig out for {other.module}: a MachineConfig of kmodgate's has files of its own"
                )
            yield Problem(mine.path, message, fix)


@rule("DAY203", kinds=_KINDS, facts=True, severity=Severity.WARNING)
def pool_that_applies_nothing(review: Review) -> Iterator[Problem]:
    """A driver at boot is for a pool of machines that is paused, or that the cluster does not have.

    Nothing is applied to the nodes of a paused MachineConfigPool until it is resumed, upgrades included; a
    MachineConfig for a pool that does not exist stays without effect.

    Fix: resume the pool when its nodes may reboot; name a pool of the cluster.
    Source: MachineConfigPool v1 and docs/MachineConfigController.md of openshift/machine-config-operator.
    """
    mine = boot_config(review.object)
    if mine is None or review.cluster.topology == "hosted":  # which has NodePools
        return
    pool = review.known.find("MachineConfigPool", "", mine.pool)
    if pool is None:
        others = sorted(map(_name, review.known.listing("MachineConfigPool").objects))
        fix = f"name one of its pools: {', '.join(others[:5])}" if others else "name a pool of the cluster"
        yield Problem(
            _pool_of(review), f"the cluster has no pool {mine.pool}: no node loads {mine.module} at boot", fix
        )
    elif as_map(as_map(pool).get("spec")).get("paused") is True:
        message = f"pool {mine.pool} is paused: its nodes apply nothing of this until it is resumed"
        yield Problem(
            _pool_of(review), message, "resume it when its nodes may reboot: set spec.paused of the pool to false"
        )


def _pool_of(review: Review) -> FieldPath:
    """The field that names the pool."""
    return ("metadata", "labels", POOL_LABEL) if review.kind == MACHINE_CONFIG else ("spec", "machineConfigPoolName")


def _neighbours(review: Review, mine: BootConfig) -> Iterator[tuple[str, BootConfig, str]]:
    """The other objects that load something at boot of the same nodes, by kind and name.

    With each comes, where the pools differ, which nodes take the MachineConfigs of both. A BootModuleConfig and the
    MachineConfig that KMM writes for it are one.
    """
    own, written = _identity(review.object), _written(review.object)
    for item in _listed(review):
        other = boot_config(item)
        if other is None or _identity(item) == own:
            continue
        is_one = _written(item) == written and item.get("kind") != review.object.get("kind")
        both = _meeting(review, mine.pool, other.pool)
        if both is not None and not is_one:
            yield f"{item.get('kind')} {_name(item)}", other, both


def _meeting(review: Review, first: str, second: str) -> str | None:
    """Which nodes take the MachineConfigs of two pools, for a message; None where none do, empty for one pool."""
    if first == second:
        return ""
    if review.cluster.topology == "hosted":  # its NodePools take nothing of each other
        return None
    listing = review.known.listing("MachineConfigPool")
    taken = {} if listing.is_complete else {name: roles_by_convention(name) for name in (first, second)}
    taken |= {_name(item): roles_taken(item) for item in listing.objects}
    pools = sorted(name for name, roles in taken.items() if {first, second} <= roles)
    return f" (nodes of pool {pools[0]} take the MachineConfigs of {first} and {second})" if pools else None


def _listed(review: Review) -> Iterator[Object]:
    yield from review.known.listing("MachineConfig").objects
    yield from review.known.listing("BootModuleConfig", EVERYWHERE).objects


def _identity(item: Object) -> tuple[object, ...]:
    return (item.get("kind"), metadata_of(item).get("namespace"), _name(item))


def _name(item: Object) -> str:
    return str(metadata_of(item).get("name", ""))


def _written(item: Object) -> str:
    """The MachineConfig by which nodes load it: the object itself, or what KMM writes for a BootModuleConfig."""
    return str(as_map(item.get("spec")).get("machineConfigName", "")) or _name(item)
