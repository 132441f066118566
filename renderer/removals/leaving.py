"""Objects that stand for drivers and leave the tree of a cluster, and the entries of removals.yaml that allow it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.renderer.deliveries.boot.objects import MACHINE_CONFIG, cluster_of
from kmodgate.renderer.deliveries.daemonset.module_view import module_of
from kmodgate.renderer.deliveries.delivery import driver_label, is_at_boot
from kmodgate.renderer.deliveries.hub.hub_module import selects_as_before
from kmodgate.renderer.deliveries.hub.manifest_works import MANIFEST_WORK
from kmodgate.renderer.fleet.clusters.pools import keeps_nodes
from kmodgate.renderer.fleet.specs import Cluster, JsonMap, Removal
from kmodgate.renderer.removals.driver_nodes import HUB_KIND, module_of_hub
from kmodgate.renderer.tree import index
from kmodgate.renderer.tree.compare import Change, object_in, parsed
from kmodgate.renderer.tree.index import DriverKey
from kmodgate.renderer.wording import driver_title
from kmodgate.schemas.compiled import object_schema

BaseClusters = Callable[[], Iterable[Cluster]]
"""The clusters of the revision that a fleet is compared with: a retired cluster has its nodes there."""

Key = tuple[str, str, str, str, str]
"""Cluster, and kind, namespace, driver and place of what stands for it there."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A driver that leaves the tree of one cluster, by the Module or the other object that stands for it.

    `digests` are those of its file, the newest first: an entry with one of them allows the removal. They are not looked
    up where no entry names the object. `value` is the object as it was, None where its file cannot be read; `file` is
    the rendered file, where it is known. `is_indexed` is whether the index on disk still names the object, so that a
    render can write its entry.
    """

    cluster: str
    kind: str
    namespace: str
    name: str
    place: str
    digests: tuple[str, ...]
    value: JsonMap | None = field(repr=False)
    file: str = ""
    is_indexed: bool = True

    @property
    def spoke(self) -> str:
        """The spoke that the hub takes the driver away from; nothing where the driver leaves `cluster` itself."""
        return self.namespace if self.kind == MANIFEST_WORK[1] else ""

    @property
    def key(self) -> Key:
        return self.cluster, self.kind, self.namespace, self.name, self.place

    @property
    def object(self) -> str:
        """Return `Module drivers/nic`; what is loaded at boot by the name that its object has."""
        if self.value is not None and self.is_at_boot:
            return driver_title(self.kind, self.namespace, str(metadata_of(self.value)["name"]))
        return driver_title(self.kind, self.namespace, self.name, self.place)

    @property
    def is_at_boot(self) -> bool:
        """Whether it is what nodes load at boot that leaves, and perhaps not the driver."""
        return self.value is not None and is_at_boot(self.value)

    @property
    def driver(self) -> str:
        """The name of the driver's spec; `name` also has the hosted cluster whose nodes load it at boot."""
        labels = as_map(metadata_of(self.value).get("labels")) if self.value is not None and self.is_at_boot else {}
        return str(labels.get("app.kubernetes.io/name", self.name))

    @property
    def names(self) -> set[str]:
        """By what `--allow-removal` may name it: NAME, CLUSTER/NAME or CLUSTER/*."""
        clusters = {self.cluster, cluster_of(self.value or {})} - {""}
        places = {f"{cluster}/{name}" for cluster in clusters for name in (self.name, self.driver, "*")}
        return {self.name, self.driver} | places


class Permissions:
    """The entries of removals.yaml by their object."""

    def __init__(self, entries: Iterable[Removal]) -> None:
        self._entries = {entry.key: entry for entry in entries}

    def entry(self, key: Key) -> Removal | None:
        """Return the entry of an object, whatever its digest."""
        return self._entries.get(key)

    def allow(self, item: Leaving) -> bool:
        """Whether an entry allows the removal of exactly this object."""
        entry = self.entry(item.key)
        return entry is not None and entry.digest in item.digests


def leaving_on_disk(
    change: Change, absent: set[tuple[str, str]], clusters: Mapping[str, Cluster], base: BaseClusters
) -> Iterator[Leaving]:
    """The drivers that a render would take out of the tree on disk.

    Not those with `state: absent` in their spec (`absent`), not those that the interrupted run of the journal was
    already allowed to remove, not those of spokes whose Cluster spec is gone (`clusters` are those that have one) and
    that keep the Module of their hub, and not those of a pool whose nodes get the driver by another one.
    """
    places = {(item.cluster, *entry.key) for item in change.clusters for entry in item.owned.values() if entry.place}
    for item in _all_leaving(change):
        resumed = change.journal.removals.get(item.cluster, []) if change.journal else []
        is_forgotten = item.spoke and item.spoke not in clusters and _stays_on_spokes(change, item)
        is_asked = (item.cluster, item.name) not in absent and item.name not in resumed and not is_forgotten
        if is_asked and not stays_in_pool(item, clusters.get(item.cluster), base, places):
            yield item


def stays_in_pool(
    item: Leaving, cluster: Cluster | None, base: BaseClusters, places: Iterable[tuple[str, ...]]
) -> bool:
    """Whether all nodes of the pool that a MachineConfig leaves are in another one, for which the driver has one.

    `places` are cluster, kind with its group, namespace, driver and place of what the drivers have now.
    """
    if item.kind != MACHINE_CONFIG[1] or cluster is None:
        return False
    now = [place[-1] for place in places if place[:-1] == (item.cluster, "/".join(MACHINE_CONFIG), "", item.name)]
    before = next((found for found in base() if found.name == cluster.name), cluster) if now else cluster
    return any(keeps_nodes(before, cluster, item.place, pool) for pool in now)


def _stays_on_spokes(change: Change, item: Leaving) -> bool:
    """Whether the spokes that the ManagedClusterModule of a driver selects keep its Module after a render."""
    cluster = next(found for found in change.clusters if found.cluster == item.cluster)
    paths = {
        f"{cluster.cluster}/{path}"
        for path, entry in cluster.before.items()
        if (entry.object_kind, entry.driver) == (HUB_KIND, item.name)
    }
    sides = [(parsed(file.old), parsed(file.new)) for file in cluster.files if file.path in paths]
    return bool(paths) and all(was and selects_as_before(was, now or None) for was, now in sides)


def _all_leaving(change: Change) -> Iterator[Leaving]:
    for cluster in change.clusters:
        staying = {entry.driver for entry in cluster.owned.values() if entry.object_kind == HUB_KIND}
        whole = {files[0].driver for files in cluster.leaving if files[0].object_kind == HUB_KIND} - staying
        for files in cluster.leaving:
            entry = files[0]
            if is_of_one_spoke(entry.key) and entry.driver in whole:
                continue
            paths = [f"{change.output}/{cluster.cluster}/{item.path}" for item in files]
            key = cluster.cluster, entry.object_kind, entry.namespace, entry.driver, entry.place
            value = _value(paths)
            if is_of_one_spoke(entry.key):
                value = _module_of_spokes(f"{change.output}/{cluster.cluster}", cluster.before, entry.driver)
            yield Leaving(*key, (index.digest_of(files),), value, paths[0])


def is_of_one_spoke(key: DriverKey) -> bool:
    """Whether it is a ManifestWork, which leaves when its hub takes a driver away from a spoke.

    Where the whole driver leaves the hub, its ManagedClusterModule speaks for all spokes.
    """
    return key[0] == "/".join(MANIFEST_WORK)


def _module_of_spokes(folder: str, before: Mapping[str, index.Entry], driver: str) -> JsonMap | None:
    """The Module that a hub makes on the spokes of a driver, as far as its files tell."""
    found = (path for path, item in before.items() if (item.object_kind, item.driver) == (HUB_KIND, driver))
    values = (_value([f"{folder}/{path}"]) for path in found)
    return next((module_of_hub(value) for value in values if value is not None), None)


def named(items: Iterable[Leaving], allowed: Iterable[str]) -> list[Leaving]:
    """Return the Modules that `--allow-removal` names: NAME, CLUSTER/NAME or CLUSTER/*."""
    names = set(allowed)
    return [item for item in items if item.names & names]


def unused_names(change: Change, allowed: Sequence[str]) -> list[str]:
    """Return the names after `--allow-removal` that no leaving Module has: mistyped, or done by an earlier run."""
    leaving = {name for item in _all_leaving(change) for name in item.names} if allowed else set()
    return [name for name in allowed if name not in leaving]


def _value(files: Iterable[str]) -> JsonMap | None:
    """What stands for a driver in its rendered files; where they are DaemonSets, the Module that loads as they do.

    None where a file is gone, or where somebody has made one invalid.
    """
    values = [object_in(file) for file in files]
    found = [value for value in values if value]
    if not found or len(found) < len(values):
        return None
    if is_at_boot(found[0]):
        return found[0]
    if all(map(driver_label, found)):
        return module_of(found)
    schema = object_schema(found[0])
    return found[0] if schema is not None and schema.is_valid(defaulted(found[0])) else None
