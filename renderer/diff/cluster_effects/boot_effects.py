"""What changes of boot configuration do to nodes: the pool reboots, one node after the other.

Sources: Machine Config Operator of OpenShift, docs/MachineConfigDaemon.md (updates, paused pools, what needs a reboot);
internal/controllers/bmc_reconciler.go of rh-ecosystem-edge/kernel-module-management.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.views.boot_config import boot_config
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.diff.effects.affected import Objects, Places, Sums
from kmodgate.renderer.diff.effects.changed_fields import Kind, ObjectChange
from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.fleet.clusters.pools import groups_in_pool, is_in_pool, knows_its_nodes
from kmodgate.renderer.fleet.specs import JsonMap

_LIKELY: tuple[FieldPath, ...] = (("spec",), ("data",))


def add_boot(change: ObjectChange, places: Places, objects: Objects, sums: Sums) -> None:
    """Add what a change of an object does that has nodes load a driver at boot."""
    found = boot_config(change.manifest.value)
    if found is None:
        return
    was = change.before and boot_config(change.before.value)
    if change.after is not None and was and was.pool != found.pool:  # the former pool loses or keeps it
        add_boot(replace(change, after=None), places, objects, sums)
    likely, told = _effect(change)
    if likely is Effect.NOTHING:
        sums.add(likely, change, f"boot|{change.manifest.identity.kind}").clusters.update(change.clusters)
        return
    for name in change.clusters:
        cluster = places.clusters.get(cluster_of(change.manifest.value) or name)
        others = [value for value in objects(name) if likely is Effect.IN_TREE and _is_alike(value, change)]
        if cluster is None or not knows_its_nodes(cluster):
            successors = [value for value in others if _pool(value) == found.pool]
            effect, detail = _with_successor(likely, told, change, successors)
            sums.add(effect, change, detail, *_LIKELY).add_unknown(name)
            continue
        for group in groups_in_pool(cluster, found.pool):
            successors = [value for value in others if is_in_pool(cluster, group, _pool(value))]
            effect, detail = _with_successor(likely, told, change, successors)
            kind = Effect.PAUSED if group.is_paused and effect in (Effect.REBOOT, Effect.IN_TREE) else effect
            sums.add(kind, change, detail, *_LIKELY).add(cluster.name, group)


def _with_successor(
    effect: Effect, word: str, change: ObjectChange, successors: Sequence[JsonMap]
) -> tuple[Effect, str]:
    """The effect with its detail; an object that goes is no loss to nodes on which another one loads the same."""
    if successors:
        value = successors[0]
        effect, word = Effect.REBOOT, f"replaced by {value['kind']} {metadata_of(value)['name']}"
    identity = change.manifest.identity
    return effect, f"{word}|{identity.kind}|{identity.name}|{_pool(change.manifest.value)}"


def _is_alike(value: JsonMap, change: ObjectChange) -> bool:
    """Whether an object has nodes of the same cluster load the same kernel module at boot."""
    found, gone = boot_config(value), boot_config(change.manifest.value)
    is_same = found is not None and gone is not None and found.module == gone.module
    return is_same and cluster_of(value) == cluster_of(change.manifest.value)


def _pool(value: JsonMap) -> str:
    found = boot_config(value)
    return found.pool if found else ""


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
