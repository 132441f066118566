"""Changes of mirror sets → the nodes that the Machine Config Operator drains for them, and the drivers that unload.

A source that an ImageDigestMirrorSet gains is the one change that it makes without a drain; a single node is never
drained, as nothing could be moved from it. A drain begins with a cordon, and KMM unloads every driver that does not
tolerate the taint of that.

Sources: pkg/daemon/drain.go and pkg/daemon/update.go of openshift/machine-config-operator;
internal/controllers/module_reconciler.go of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.views.module import ModuleView
from kmodgate.renderer.compile.mirrors.mirror_sets import KINDS
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.diff.effects.affected import Objects, Sums
from kmodgate.renderer.diff.effects.changed_fields import ObjectChange
from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.fleet.specs import Cluster, JsonMap

_OF_DIGESTS, _ = KINDS["digest"]
_KINDS = [kind for kind, _ in KINDS.values()]
_GROUP = "config.openshift.io"
_LOADING = ("Module", "DaemonSet")


def add_drains(changes: Iterable[ObjectChange], clusters: Mapping[str, Cluster], objects: Objects, sums: Sums) -> None:
    """Add what happens to nodes because of mirror sets that come, change or go."""
    for change in changes:
        identity = change.manifest.identity
        if (
            identity.group == _GROUP
            and identity.kind in _KINDS
            and (change.fields or not (change.before and change.after))
        ):
            for name in change.clusters:
                _add(change, clusters[name], objects, sums)


def _add(change: ObjectChange, cluster: Cluster, objects: Objects, sums: Sums) -> None:
    if cluster.topology == "sno":
        sums.add(Effect.NOTHING, change, "single").clusters.add(cluster.name)
        return
    if not _is_drained_for(change):
        sums.add(Effect.NOTHING, change, "digests").clusters.add(cluster.name)
        return
    drivers = [value for value in objects(cluster.name) if value["kind"] in _LOADING and driver_of(value)]
    unloaded = sorted(_unloaded(drivers))
    if unloaded:
        sum = sums.add(Effect.CORDON, change, "|".join(unloaded))
    else:
        sum = sums.add(Effect.DRAIN, change, "" if drivers else "no drivers")
    sum.why[f"{change.manifest.identity.kind} {change.kind}"] = None
    if not cluster.nodes:
        sum.add_unknown(cluster.name)
    for group in cluster.nodes:
        sum.add(cluster.name, group)


def _is_drained_for(change: ObjectChange) -> bool:
    """Whether the change is anything but sources that an ImageDigestMirrorSet gains."""
    if change.manifest.identity.kind != _OF_DIGESTS or change.after is None:
        return change.before is None or change.after is None or _entries(change.before) != _entries(change.after)
    before = {} if change.before is None else _entries(change.before)
    after = _entries(change.after)
    return any(after.get(source) != entry for source, entry in before.items())


def _entries(manifest: Any) -> dict[str, Any]:
    """The entries of a mirror set by their sources."""
    lists = (items for items in manifest.value["spec"].values() if isinstance(items, list))
    return {item["source"]: item for items in lists for item in items}


def _unloaded(objects: Iterable[JsonMap]) -> Iterator[str]:
    """The names of the Modules that load a driver and do not tolerate a cordon."""
    for value in objects:
        module = ModuleView(value)
        if value["kind"] == "Module" and module.loader is not None and not module.tolerates_cordons:
            yield str(metadata_of(value)["name"])
