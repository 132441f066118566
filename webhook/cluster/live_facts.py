"""Facts from a cluster that runs, as old as its caches, and facts of which some have just been asked for."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence

from kmodgate.policy.cluster.facts import (
    MANAGED_BY,
    NOT_LISTED,
    UNKNOWN,
    Facts,
    Listing,
    NodeEntry,
    Object,
    Unknown,
    is_of_driver,
    with_answers,
)
from kmodgate.policy.cluster.pruning import pruned_daemon_set, pruned_hub_module, pruned_namespace, pruned_runtime_class
from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.policy.views.other_modules import Neighbours
from kmodgate.webhook.cluster.api_server import ApiServer
from kmodgate.webhook.cluster.caches import EntryCache, ModuleCache, NodeCache, ObjectCache
from kmodgate.webhook.cluster.watch import Cache, Resource, Timings, Watch

Wanted = tuple[str, str, str]
"""Kind, namespace (empty for a kind without) and name."""

TOO_OLD = 120.0
"""Seconds since the last proof of life after which nothing of a kind counts as known.

A proof comes with every bookmark, about once a minute. One that is missed ends the watch after 90 seconds; the half
minute that is left is for connecting and listing again, so that a hiccup of the API server costs nobody a denial.
"""

NAMESPACES = Resource("Namespace", "/api/v1/namespaces", metadata_only=True)
NODES = Resource("Node", "/api/v1/nodes")
RUNTIME_CLASSES = Resource("RuntimeClass", "/apis/node.k8s.io/v1/runtimeclasses")
MODULES = Resource("Module", "/apis/kmm.sigs.x-k8s.io/v1beta1/modules", optional=True)
CONFIGS = Resource("NodeModulesConfig", "/apis/kmm.sigs.x-k8s.io/v1beta1/nodemodulesconfigs", optional=True)
HUB_MODULES = Resource(
    "ManagedClusterModule", "/apis/hub.kmm.sigs.x-k8s.io/v1beta1/managedclustermodules", optional=True
)
DAEMON_SETS = Resource("DaemonSet", "/apis/apps/v1/daemonsets", optional=True, labels="=".join(MANAGED_BY))
"""Those that kmodgate renders, which load drivers or run their plugins, and no other one of a cluster."""


class LiveFacts:
    """What the watches over one API server keep. Secrets are neither listed nor watched."""

    def __init__(self, server: ApiServer, *, too_old: float = TOO_OLD, timings: Timings | None = None) -> None:
        self._too_old = too_old
        self._namespaces = ObjectCache(pruned_namespace)
        self._classes = ObjectCache(pruned_runtime_class)
        self._modules = ModuleCache()
        self._hub_modules = ObjectCache(pruned_hub_module)
        self._entries = EntryCache()
        self._nodes = NodeCache()
        self._daemon_sets = ObjectCache(pruned_daemon_set)
        caches: list[tuple[Resource, Cache]] = [
            (NAMESPACES, self._namespaces),
            (MODULES, self._modules),
            (CONFIGS, self._entries),
            (HUB_MODULES, self._hub_modules),
            (RUNTIME_CLASSES, self._classes),
            (NODES, self._nodes),
            (DAEMON_SETS, self._daemon_sets),
        ]
        self._watches = {item.kind: Watch(server, item, cache, timings) for item, cache in caches}

    @property
    def watches(self) -> Iterable[Watch]:
        """One for each kind; nothing is known before they run."""
        return self._watches.values()

    @property
    def revision(self) -> Hashable:
        """How often each kind has changed, and whether it is known; equal as long as all answers are the same."""
        return tuple([(watch.cache.changes, self._knows(kind)) for kind, watch in self._watches.items()])

    def age(self, kind: str) -> float:
        """Seconds since what is known of a kind was proven to be so; infinite for a kind that is not watched."""
        return self._watches[kind].age if kind in self._watches else math.inf

    def find(self, kind: str, namespace: str, name: str) -> Object | Unknown | None:
        """A Namespace, Module or RuntimeClass, pruned to what rules look at; UNKNOWN for what is not watched."""
        caches: dict[str, ObjectCache | ModuleCache] = {
            "Namespace": self._namespaces,
            "Module": self._modules,
            "RuntimeClass": self._classes,
        }
        return caches[kind].get((namespace, name)) if kind in caches and self._knows(kind) else UNKNOWN

    def listing(self, kind: str, namespace: str = "") -> Listing:
        """The Modules of a namespace, or all ManagedClusterModules; of no other kind a list is kept."""
        if kind == "ManagedClusterModule":
            return Listing(self._hub_modules.of(""), self._knows(kind))
        return Listing(self._modules.of(namespace), self._knows(kind)) if kind == "Module" else NOT_LISTED

    def neighbours(self) -> Neighbours:
        """The Modules that were last known, however old that is: an overlap that was seen is worth a warning."""
        return self._modules

    def nodes(self) -> Sequence[Node] | None:
        return self._nodes.all() if self._knows("Node") else None

    def modules_in(self, namespace: str) -> Sequence[Object] | Unknown:
        return self._modules.of(namespace) if self._knows("Module") else UNKNOWN

    def entries_of(self, namespace: str) -> Sequence[NodeEntry] | Unknown:
        return self._entries.of(namespace) if self._knows("NodeModulesConfig") else UNKNOWN

    def daemon_sets_in(self, namespace: str) -> Sequence[Object] | Unknown:
        if not self._knows("DaemonSet"):
            return UNKNOWN
        return [item for item in self._daemon_sets.of(namespace) if is_of_driver(item)]

    def _knows(self, kind: str) -> bool:
        watch = self._watches[kind]
        return watch.synced and watch.age <= self._too_old


def with_fetched(
    facts: Facts,
    objects: Mapping[Wanted, Object | Unknown | None],
    *,
    modules: Mapping[str, Sequence[Object]] | None = None,
    entries: Mapping[str, Sequence[NodeEntry]] | None = None,
    daemon_sets: Mapping[str, Sequence[Object]] | None = None,
) -> Facts:
    """Return facts of which some are replaced by answers that were fetched for one review."""
    modules, entries, daemon_sets = modules or {}, entries or {}, daemon_sets or {}

    def find(kind: str, namespace: str, name: str) -> Object | Unknown | None:
        key = (kind, namespace, name)
        return objects[key] if key in objects else facts.find(kind, namespace, name)

    def listing(kind: str, namespace: str = "") -> Listing:
        found = modules.get(namespace) if kind == "Module" else None
        return facts.listing(kind, namespace) if found is None else Listing(found, is_complete=True)

    def modules_in(namespace: str) -> Sequence[Object] | Unknown:
        found = modules.get(namespace)
        return facts.modules_in(namespace) if found is None else found

    def entries_of(namespace: str) -> Sequence[NodeEntry] | Unknown:
        found = entries.get(namespace)
        return facts.entries_of(namespace) if found is None else found

    def daemon_sets_in(namespace: str) -> Sequence[Object] | Unknown:
        found = daemon_sets.get(namespace)
        return facts.daemon_sets_in(namespace) if found is None else found

    return with_answers(
        facts,
        find=find,
        listing=listing,
        modules_in=modules_in,
        entries_of=entries_of,
        daemon_sets_in=daemon_sets_in,
    )
