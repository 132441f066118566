"""What changes of boot configuration do to nodes: the pool reboots, one node after the other.

Sources: Machine Config Operator of OpenShift, docs/MachineConfigDaemon.md (updates, paused pools, what needs a reboot);
internal/controllers/bmc_reconciler.go of rh-ecosystem-edge/kernel-module-management.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.views.boot_config import boot_config
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.diff.affected import Objects, Places, Sums
from kmodgate.renderer.diff.changed_fields import Kind, ObjectChange
from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.fleet.clusters.pools import groups_in_pool, knows_its_nodes
from kmodgate.renderer.fleet.specs import JsonMap

_LIKELY: tuple[FieldPath, ...] = (("spec",), ("data",))


def add_boot(change: ObjectChange, places: Places, objects: Objects, sums: Sums) -> None:
    """Add what a change of an object does that has nodes load a driver at boot."""
    found = boot_config(change.manifest.value)
    if found is None:
        return
    likely, told = _effect(change)
    if likely is Effect.NOTHING:
        sums.add(likely, change, f"boot|{change.manifest.identity.kind}").clusters.update(change.clusters)
        return
    for name in change.clusters:
        effect, word = likely, told
        if likely is Effect.IN_TREE and (successor := _successor(change.manifest.value, objects(name))):
            effect, word = Effect.REBOOT, f"replaced by {successor}"
        detail = f"{word}|{change.manifest.identity.kind}|{change.manifest.identity.name}|{found.pool}"
        cluster = places.clusters.get(cluster_of(change.manifest.value) or name)
        if cluster is None or not knows_its_nodes(cluster):
            sums.add(effect, change, detail, *_LIKELY).add_unknown(name)
            continue
        for group in groups_in_pool(cluster, found.pool):
            kind = Effect.PAUSED if group.is_paused and effect in (Effect.REBOOT, Effect.IN_TREE) else effect
            sums.add(kind, change, detail, *_LIKELY).add(cluster.name, group)


def _successor(gone: JsonMap, objects: Iterable[JsonMap]) -> str:
    """Kind and name of the object that loads the same kernel module in the same pool now; empty where none does."""
    wanted = _loaded(gone)
    for value in objects:
        if _loaded(value) == wanted:
            return f"{value['kind']} {metadata_of(value)['name']}"
    return ""


def _loaded(value: JsonMap) -> tuple[str, str, str] | None:
    """Hosted cluster, pool and kernel module of an object; None for one that has nodes load nothing at boot."""
    found = boot_config(value)
    return None if found is None else (cluster_of(value), found.pool, found.module)


def _effect(change: ObjectChange) -> tuple[Effect, str]:
    """What happens in the pool, and the word for it."""
    is_by_operator = change.manifest.identity.kind == "BootModuleConfig"
    if change.kind is Kind.REMOVED:
        return (Effect.LEFT_BEHIND if is_by_operator else Effect.IN_TREE), "removed"
    is_changed = change.kind is Kind.ADDED or any(field.path[:1] in _LIKELY for field in change.fields)
    if not is_changed:
        return Effect.NOTHING, ""
    word = "added" if change.kind is Kind.ADDED else "changed"
    return (Effect.NEXT_BOOT if is_by_operator else Effect.REBOOT), word
