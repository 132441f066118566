"""What happens to the pods of device plugins and DRA drivers, and to DeviceClasses.

The pods of a Module with a loader run where its driver is loaded; those of a Module without one on all nodes of the
selector, which is part of the pod template then. A new `version` makes a second DaemonSet, and pods move with the
version labels. A reload of the driver does not touch them: the ready label stays on the node meanwhile
(internal/controllers/nmc_reconciler.go, removeOrphanedLabels). Before KMM's head and Red Hat's 2.7 nothing deletes the
DaemonSet of a plugin that goes from a Module that stays.
Sources: internal/controllers/{device_plugin,dra}_reconciler.go of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.kmm.versions import asks_for_nothing, deletes_plugin_daemonsets
from kmodgate.renderer.diff.effects import causes
from kmodgate.renderer.diff.effects.affected import Places, Sums
from kmodgate.renderer.diff.effects.changed_fields import ObjectChange
from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.diff.effects.module_effects import PLUGINS, container, value
from kmodgate.renderer.fleet.specs import NodeGroup
from kmodgate.renderer.manifests.manifest import Identity
from kmodgate.renderer.removals.driver_nodes import group_has_driver

_KEPT_EMPTY = ("volumeAttributes", "options", "matchLabels", "limits", "requests")
"""Maps in which an empty text is a value; elsewhere Go leaves it out."""

_CLASSES: FieldPath = ("spec", "dra", "deviceClasses")


class PluginPods:
    """Adds up what changes of Modules do to the pods beside the driver."""

    def __init__(self, places: Places, sums: Sums) -> None:
        self._places = places
        self._sums = sums
        self.renamed: set[tuple[Identity, str, str]] = set()
        """Module, cluster and group of renamed Modules; no group where none is known."""
        self.replaced: set[tuple[Identity, str, str]] = set()
        """Module, cluster and plugin of renamed Modules: their pods are told with the rename."""

    def add(self, change: ObjectChange) -> None:
        """Add what happens to pods; the pods of a renamed Module are part of the rename."""
        before, after = value(change.before), value(change.after)
        for key, what in PLUGINS.items():
            old, new = _pods(before, key), _pods(after, key)
            if old is None and new is None:
                continue
            fields = (("spec", key), *_REASONS)
            for name in change.clusters:
                for group, how in self._groups(before, after, name, key):
                    if (change.manifest.identity, name, key) not in self.replaced or (
                        (change.manifest.identity, name, group.name) not in self.renamed
                    ):
                        self._sums.add(Effect.RESTART, change, f"{what} {how}", *fields).add(name, group)
                cluster = self._places.clusters[name]
                how = self._how(before, after, key, name)
                is_blind = not (cluster.nodes or cluster.has_inventory)
                if how and is_blind and (change.manifest.identity, name, key) not in self.replaced:
                    self._sums.add(Effect.RESTART, change, f"{what} {how}", *fields).add_unknown(name)

    def _groups(self, before: Any, after: Any, name: str, key: str) -> Iterator[tuple[NodeGroup, str]]:
        """The groups of a cluster on which pods start, stop, restart or move, and which of it they do."""
        how = self._how(before, after, key, name)
        for group in self._places.clusters[name].nodes:
            had, has = self._runs(before, key, name, group), self._runs(after, key, name, group)
            has = has or (had and _pods(after, key) is not None and self._is_left_alone(after, name, group))
            if had and not has:
                is_left = how == "stay" and (not container(before) or self._has_driver(after, name, group))
                yield group, "stay" if is_left else "stop"
            elif has and not had:
                yield group, "spread" if how == "spread" else "start"
            elif has and how:
                yield group, how

    def _how(self, before: Any, after: Any, key: str, name: str) -> str:
        """How the pods change on one cluster, whose KMM may leave the DaemonSet of a plugin that goes."""
        how = _how(_pods(before, key), _pods(after, key))
        is_left = how == "stop" and after is not None and key == "devicePlugin"
        return "stay" if is_left and not deletes_plugin_daemonsets(self._places.release(name)) else how

    def _runs(self, module: Any, key: str, name: str, group: NodeGroup) -> bool:
        return _pods(module, key) is not None and self._has_driver(module, name, group)

    def _is_left_alone(self, module: Any, name: str, group: NodeGroup) -> bool:
        """Whether KMM fails at the Module on nodes of a group, which keep what they have."""
        nodes = (node for found, node in self._places.nodes(name) if found is group)
        return any(self._places.after(module, name, node).fails for node in nodes)

    def _has_driver(self, module: Any, name: str, group: NodeGroup) -> bool:
        return group_has_driver(module, self._places.clusters[name], group, self._places.resolver)


_REASONS: tuple[FieldPath, ...] = (
    causes.TOLERATIONS,
    ("spec", "imageRepoSecret"),
    causes.VERSION,
    causes.SELECTOR,
    causes.LOADER,
)
"""Fields beside the plugin itself by which its pods change."""


def _pods(module: Any, key: str) -> Mapping[str, Any] | None:
    """What the pods of a plugin are made of; None where the Module has no such plugin.

    DeviceClasses and the name of the DRA driver are no part of it.
    """
    spec = (module or {}).get("spec", {})
    if key not in spec:
        return None
    loader = container(module)
    own = {name: item for name, item in spec[key].items() if name not in ("deviceClasses", "driverName")}
    return {
        "pod": as_sent({**own, "tolerations": spec.get("tolerations"), "secret": spec.get("imageRepoSecret")}),
        "selector": None if loader else dict(spec.get("selector") or {}),
        "version": (loader or {}).get("version") or "",
    }


def _how(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> str:
    """How pods change where they run before and after; empty where they stay as they are."""
    if old is None or new is None:
        return "" if old is new else "start" if old is None else "stop"
    if (old["selector"] is None) is not (new["selector"] is None):
        return "spread" if old["selector"] is None else "wait"
    if old["version"] != new["version"]:
        return "move"
    return "" if old == new else "restart"


def as_sent(settings: Any) -> Any:
    """Return settings of pods as KMM sends them: empty texts and lists count as absent."""
    if isinstance(settings, list):
        return [as_sent(item) for item in settings]
    if not isinstance(settings, dict):
        return settings
    sent = {}
    for key, item in settings.items():
        is_empty = item in ("", [], None) or (key == "resources" and asks_for_nothing(item))
        if not is_empty:
            sent[key] = item if key in _KEPT_EMPTY else as_sent(item)
    return sent


def add_device_classes(change: ObjectChange, sums: Sums, moved: set[tuple[str, str]]) -> None:
    """Add what happens to the DeviceClasses of a Module, which are the cluster's.

    `moved` are those with another owner from now on, as pairs of cluster and class.
    """
    old, new = (_classes(value(side)) for side in (change.before, change.after))
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) == new.get(name):
            continue
        verb = "creates" if name not in old else "deletes" if name not in new else "changes"
        effect = Effect.NEW_CLASS if verb == "creates" else Effect.DEVICE_CLASS
        clusters = [cluster for cluster in change.clusters if (cluster, name) not in moved]
        if clusters:
            sums.add(effect, change, f"{verb} {name}", _CLASSES).clusters.update(clusters)


def moved_classes(found: list[ObjectChange]) -> set[tuple[str, str]]:
    """Return cluster and name of the DeviceClasses that one Module gives up and another one takes over."""
    gone: set[tuple[str, str]] = set()
    new: set[tuple[str, str]] = set()
    for change in found:
        old, now = (_classes(value(side)) for side in (change.before, change.after))
        gone.update((cluster, name) for cluster in change.clusters for name in old if name not in now)
        new.update((cluster, name) for cluster in change.clusters for name in now if name not in old)
    return gone & new


def _classes(module: Any) -> dict[str, Any]:
    """The DeviceClasses of a Module by their names."""
    dra = (module or {}).get("spec", {}).get("dra") or {}
    return {item["name"]: as_sent(item) for item in dra.get("deviceClasses") or ()}
