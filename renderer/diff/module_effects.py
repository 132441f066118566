"""What one Module makes of one node, before and after a change, and what follows from the two.

Sources: internal/controllers/{module,nmc,mic,device_plugin}_reconciler.go of Kernel Module Management; Argo CD,
docs/user-guide/sync-options.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.kmm.node_selection import Node, why_not_selected
from kmodgate.policy.kmm.reload_triggers import node_config, reasons
from kmodgate.policy.kmm.resolve import IMAGE_INPUTS, Resolution
from kmodgate.renderer.diff.changed_fields import ObjectChange
from kmodgate.renderer.diff.sentences import Effect
from kmodgate.renderer.fleet.field_table import SYNC_OPTIONS
from kmodgate.renderer.fleet.nodes import node_of_group
from kmodgate.renderer.fleet.specs import Cluster, NodeGroup
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.plan.resolutions import plain_reason

PLUGINS = {"devicePlugin": "device-plugin", "dra": "DRA driver"}
"""The parts of a Module that run pods of their own, and what these are."""

_NAMES = (
    ("moduleLoader", "serviceAccountName", "ServiceAccount"),
    ("imageRepoSecret", "name", "pull secret"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """A Module on a node, before or after: what is loaded, `keeps` until its version label changes, or why nothing."""

    resolution: Resolution | None
    reason: str
    keeps: bool = False


def pod(spec: Mapping[str, Any], key: str) -> Any:
    """What the pods of a plugin are made of; its DeviceClasses and the name of its driver are not."""
    part = spec.get(key)
    own = {name: value for name, value in (part or {}).items() if name not in ("deviceClasses", "driverName")}
    return part is not None, own, spec.get("tolerations"), spec.get("imageRepoSecret")


def plugin_changes(before: Any, after: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the key of each plugin whose pods change, what they are, and how: start, stop or restart.

    A restart is what a change of their DaemonSet amounts to.
    """
    old, new = ((module or {}).get("spec", {}) for module in (before, after))
    for key, what in PLUGINS.items():
        if (key in old or key in new) and pod(old, key) != pod(new, key):
            yield key, what, "start" if key not in old else "stop" if key not in new else "restart"


def names_left(before: Any, after: Any) -> Iterator[tuple[FieldPath, str]]:
    """Yield the path of each name that another one takes the place of, and what it is the name of."""
    for block, key, what in _NAMES:
        old, new = ((module["spec"].get(block) or {}).get(key) for module in (before, after))
        if old and old != new:
            yield ("spec", block, key), f"{what} {old}"


def config(container: Mapping[str, Any]) -> dict[str, Any]:
    """What nodes are told to load, as far as the fields tell without a kernel."""
    common = {key: container.get(key) for key in ("imagePullPolicy", "modprobe")}
    mappings = []
    for mapping in container["kernelMappings"]:
        image = mapping.get("containerImage") or container.get("containerImage")
        shared = [mapping.get(key, container.get(key)) for key in ("registryTLS", "inTreeModulesToRemove")]
        mappings.append((mapping.get("literal"), mapping.get("regexp"), image, *shared))
    return {**common, "kernelMappings": mappings}


def effect(change: ObjectChange, was: Side, now: Side, node: Node) -> tuple[Effect, str, list[str]] | None:
    """What nodes of one kernel do, with what tells it apart from others of its kind, and the fields that cause it."""
    if was.resolution is None:
        return None if now.resolution is None else (Effect.LOAD, "", [])
    if now.resolution is None:
        return Effect.UNLOAD, plain_reason(now.reason) if change.after else gone(change.manifest), []
    old, new = was.resolution, now.resolution
    why = reasons(node_config(value(change.before), old), node_config(value(change.after), new))
    if not why:
        return None
    waits = old.version != new.version and (now.keeps or not node.observed)
    return (Effect.ORDERED, new.version, why) if waits else (Effect.RELOAD, "", why)


def is_retained(module: Manifest) -> bool:
    """Whether Argo CD leaves a Module behind that is not in the tree any more."""
    return "Prune=false" in annotations_of(module).get(SYNC_OPTIONS, "")


def gone(module: Manifest) -> str:
    """How a Module leaves: Argo CD asks before it prunes one, unless its driver says otherwise."""
    return "confirmed" if "Prune=confirm" in annotations_of(module).get(SYNC_OPTIONS, "") else "gone"


def stale(was: Resolution, now: Resolution) -> Iterator[tuple[str, str]]:
    """The inputs of an image that changed although its name did not."""
    for block, keys in IMAGE_INPUTS.items():
        old, new = getattr(was, block), getattr(now, block)
        if new is not None:
            yield from ((block, key) for key in keys if (old or {}).get(key) != new.get(key))


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
