"""What one Module makes of one node, before and after a change, and what follows from the two.

Sources: internal/controllers/{module,nmc,mic,device_plugin}_reconciler.go of Kernel Module Management; Argo CD,
docs/user-guide/sync-options.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.kmm.nodes.node_selection import Node, why_not_selected
from kmodgate.policy.kmm.resolution.reload_triggers import (
    as_stored,
    daemonset_settings,
    has_loader_daemonsets,
    node_config,
    reasons,
)
from kmodgate.policy.kmm.resolution.resolve import Resolution
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.deliveries.daemonset.module_view import POD, STRATEGY
from kmodgate.renderer.diff.effects.changed_fields import ObjectChange
from kmodgate.renderer.diff.effects.effect import BY_DAEMON_SETS, Effect
from kmodgate.renderer.fleet.clusters.nodes import node_of_group
from kmodgate.renderer.fleet.fields.field_table import SYNC_OPTIONS
from kmodgate.renderer.fleet.specs import Cluster, NodeGroup
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.plan.resolutions import plain_reason

PLUGINS = {"devicePlugin": "device-plugin", "dra": "DRA driver"}
"""The parts of a Module that run pods of their own, and what these are."""

_NAMES = (
    ("moduleLoader", "serviceAccountName", "ServiceAccount"),
    ("imageRepoSecret", "name", "pull secret"),
)

ROLLS = "rolls"
"""Detail of a reload by KMM 1.x, whose DaemonSets unload and load on one node after the other."""

_ON_DELETE = "OnDelete"

Outcome = tuple[Effect, str, list[str]]
"""What nodes do, what tells it apart from others of its kind, and the fields that cause it."""


@dataclass(frozen=True, slots=True)
class Side:
    """A Module on a node, before or after a change: what is loaded, or why nothing is.

    `keeps`: the node goes on with the version that it has until its version label changes. `refused`: Secure Boot of
    the node refuses the kernel module, which nobody signs. `fails`: KMM fails at the Module, and changes nothing.
    """

    resolution: Resolution | None
    reason: str
    keeps: bool = False
    refused: bool = False
    fails: bool = False


def names_left(before: Any, after: Any) -> Iterator[tuple[FieldPath, str, str]]:
    """Yield the path of each name that worker pods still need, what it is the name of, and its successor or nothing."""
    for block, key, what in _NAMES:
        old, new = ((module["spec"].get(block) or {}).get(key) for module in (before, after))
        if old and old != new:
            yield ("spec", block, key), f"{what} {old}", new or ""


def config(module: Any, release: Release) -> dict[str, Any]:
    """Return what nodes are told to load, as far as the fields tell without a kernel."""
    loader = container(module)
    common = {"imagePullPolicy": loader.get("imagePullPolicy") or "", "modprobe": as_stored(loader["modprobe"])}
    mappings = []
    for mapping in loader["kernelMappings"]:
        image = mapping.get("containerImage") or loader.get("containerImage")
        tls = mapping.get("registryTLS", loader.get("registryTLS")) or {}
        removed = mapping.get("inTreeModulesToRemove", loader.get("inTreeModulesToRemove")) or []
        single = mapping.get("inTreeModuleToRemove") or loader.get("inTreeModuleToRemove")
        is_insecure = bool(tls.get("insecure") or tls.get("insecureSkipTLSVerify"))
        kernels = mapping.get("literal") or "", mapping.get("regexp") or ""
        mappings.append((*kernels, image, is_insecure, [single] if single else removed))
    more = daemonset_settings(module) if has_loader_daemonsets(release) else {}
    return {**common, "kernelMappings": mappings, **more}


def effect(change: ObjectChange, was: Side, now: Side, node: Node, release: Release) -> Outcome | None:
    """Return what nodes of one kernel do; None where they do nothing."""
    if was.resolution is None:
        return None if now.resolution is None else (Effect.REFUSED if now.refused else Effect.LOAD, "", [])
    if now.resolution is None:
        return _without_driver(change, now)
    old, new = was.resolution, now.resolution
    why = _why(change, old, new, release)
    waits = old.version != new.version and (now.keeps or not node.observed)
    if not why:
        return (Effect.VERSION, new.version, ["version"]) if waits else rolled(change)
    if now.refused and (was.refused or old.image != new.image):
        return (Effect.REFUSED, "", why) if was.refused else (Effect.LOSE, new.version if waits else "", ["sign", *why])
    if was.refused and not now.refused:
        return Effect.LOAD, "", why
    if waits:
        return Effect.ORDERED, new.version, why
    return reload(value(change.after)["spec"].get(STRATEGY), release, why)


def _why(change: ObjectChange, old: Resolution, new: Resolution, release: Release) -> list[str]:
    """Return the fields by which nodes reload; `pod` is all that a pod of DaemonSets has beside modprobe's settings."""
    sides = value(change.before), value(change.after)
    why = reasons(*(node_config(side, found, release) for side, found in zip(sides, (old, new), strict=True)))
    settings = [{key: item for key, item in container(side)["modprobe"].items() if key != POD} for side in sides]
    return [POD if key == "modprobe" and settings[0] == settings[1] else key for key in why]


def _without_driver(change: ObjectChange, now: Side) -> Outcome:
    """What happens on nodes that have the driver, and for which there is none after the change."""
    if change.after is None:
        return Effect.UNLOAD, gone(change.manifest), []
    if not container(change.after.value):
        return Effect.KEPT, "", []
    return (Effect.KEPT, now.reason, []) if now.fails else (Effect.UNLOAD, plain_reason(now.reason), [])


def reload(strategy: Mapping[str, Any] | None, release: Release, why: list[str]) -> Outcome:
    """How a change reaches the nodes: by KMM, or by DaemonSets with a strategy."""
    if strategy is None:
        return Effect.RELOAD, ROLLS if has_loader_daemonsets(release) else "", why
    if strategy.get("type") == _ON_DELETE:
        return Effect.ORDERED, f"{BY_DAEMON_SETS}delete", why
    return Effect.RELOAD, f"{BY_DAEMON_SETS}{_most(strategy)}", why


def rolled(change: ObjectChange) -> Outcome | None:
    """Return what DaemonSets do that roll from now on: they replace the pods that still have an older template.

    Source: Kubernetes, Perform a Rolling Update on a DaemonSet.
    """
    old, new = (value(side)["spec"].get(STRATEGY) or {} for side in (change.before, change.after))
    if old.get("type") != _ON_DELETE or new.get("type") in (None, _ON_DELETE):
        return None
    return Effect.RELOAD, f"{BY_DAEMON_SETS}older|{_most(new)}", [STRATEGY]


def _most(strategy: Mapping[str, Any]) -> object:
    """How many nodes a DaemonSet changes at a time."""
    return (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)


def quiet_detail(before: Any, after: Any) -> str:
    """Tell what changes of a Module by which nodes do nothing, or which kernels get or lose their DaemonSets."""
    if before["spec"] == after["spec"]:
        return "metadata"
    if STRATEGY not in after["spec"]:
        return "spec"
    old, new = ([item["literal"] for item in container(side)["kernelMappings"]] for side in (before, after))
    gone, come = ([kernel for kernel in one if kernel not in other] for one, other in ((old, new), (new, old)))
    return f"{BY_DAEMON_SETS}{', '.join(gone)}|{', '.join(come)}"


def gone(module: Manifest) -> str:
    """How a Module leaves: Argo CD asks before it prunes one, unless its driver says otherwise."""
    how = "confirmed" if "Prune=confirm" in annotations_of(module).get(SYNC_OPTIONS, "") else "gone"
    return f"{BY_DAEMON_SETS}{how}" if STRATEGY in as_map(module.value.get("spec")) else how


def may_select(before: Any, after: Any, group: NodeGroup) -> bool:
    """Whether a Module, as it was or as it is, selects nodes."""
    node = node_of_group(group)
    return any(module is not None and not why_not_selected(module, node) for module in (before, after))


def is_blind(cluster: Cluster, before: Any, after: Any) -> bool:
    """Whether a Module may select nodes of a cluster whose number or kernels are not known."""
    unknown = any(not group.kernels and may_select(before, after, group) for group in cluster.nodes)
    return unknown or not (cluster.nodes or cluster.has_inventory)


def value(manifest: Manifest | None) -> Any:
    """The object, or None."""
    return None if manifest is None else manifest.value


def container(module: Any) -> Any:
    """The part of a Module that loads something, or None."""
    loader = (module or {}).get("spec", {}).get("moduleLoader")
    return loader["container"] if loader else None


def annotations_of(manifest: Manifest) -> Mapping[str, str]:
    """The annotations of an object."""
    return metadata_of(manifest.value).get("annotations") or {}


def is_replaced(job: Manifest) -> bool:
    """Whether Argo CD makes a Job anew instead of changing it, which Kubernetes refuses."""
    found = annotations_of(job)
    return "Replace=true" in found.get(SYNC_OPTIONS, "") or "argocd.argoproj.io/hook" in found
