"""What is known of a cluster beside the object at hand. "Not known" is an answer of its own: no rule ever guesses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from types import SimpleNamespace
from typing import Any, Protocol, cast

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.policy.lazy import lazy
from kmodgate.policy.views.boot_config import DRIVER_LABEL
from kmodgate.policy.views.node_placement import Nodes
from kmodgate.policy.views.other_modules import ListedNeighbours, Neighbours

Object = Mapping[str, Any]


class Unknown(Enum):
    """The answer of facts that nobody has."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN

SECURE_BOOT = "kmodgate.io/secure-boot"
"""The node label by which an administrator says so; a node reports nothing of it itself."""


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """What a node holds, or is to hold, of one Module: an item of a NodeModulesConfig's spec or status.

    An entry of the status stays until the kernel module is unloaded, and names what the unloading pod needs.
    """

    node: str
    namespace: str
    name: str
    service_account: str
    image_repo_secret: str
    is_loaded: bool
    """Whether it stands in the status, and not only in the spec."""


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """The objects of a kind that are known, and whether there are no others."""

    objects: Sequence[Object] = ()
    is_complete: bool = False


EVERYWHERE = "*"
"""In place of a namespace: the objects of a kind in all namespaces."""

NOT_LISTED = Listing()
"""What is said of a kind of which nobody keeps a list."""


class Facts(Protocol):
    """The answers that rules ask for."""

    def find(self, kind: str, namespace: str, name: str) -> Object | Unknown | None:
        """An object, None if it does not exist, UNKNOWN if nobody knows."""
        ...

    def listing(self, kind: str, namespace: str = "") -> Listing:
        """The objects of a kind in a namespace, EVERYWHERE, or of one that has none."""
        ...

    def neighbours(self) -> Neighbours:
        """The Modules that are known."""
        ...

    def nodes(self) -> Sequence[Node] | None:
        """All nodes, or None where they are not known."""
        ...

    def modules_in(self, namespace: str) -> Sequence[Object] | Unknown:
        """All Modules of a namespace, those that are being deleted too, with what they refer to.

        For an empty name some of the whole cluster, a hub's ManagedClusterModules too: none only if there is none.
        """
        ...

    def entries_of(self, namespace: str) -> Sequence[NodeEntry] | Unknown:
        """What all nodes hold, or are to hold, of the Modules of a namespace, or for an empty name of any."""
        ...

    def daemon_sets_in(self, namespace: str) -> Sequence[Object] | Unknown:
        """The DaemonSets of drivers in a namespace (`is_of_driver`), with what their pods refer to."""
        ...


QUESTIONS = tuple(name for name in vars(Facts) if not name.startswith("_"))
"""The names of the questions that rules ask."""


def with_answers(facts: Facts | None, /, **answers: Callable[..., Any]) -> Facts:
    """Return facts of which some questions are answered by functions instead; without `facts`, all of them."""
    others = {name: getattr(facts, name) for name in QUESTIONS if name not in answers}
    return cast("Facts", SimpleNamespace(**others, **answers))


_NONE = Listing(is_complete=True)


class SnapshotFacts:
    """Facts from objects at hand: a rendered tree, or a dump of a cluster.

    A kind is complete if all objects of it are there, as in a List that kubectl wrote: only then does a missing object
    not exist. `dump` holds more objects, which count where it has one of the same name.
    """

    def __init__(
        self,
        objects: Iterable[Object],
        complete: Iterable[str] = (),
        nodes: Sequence[Node] | None = None,
        *,
        dump: SnapshotFacts | None = None,
    ) -> None:
        self._complete: set[str] = {*complete, *(dump._complete if dump else ())}
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._modules: list[Object] = []
        self._hub_modules: list[Object] = []
        self._neighbours: Neighbours | None = None
        self._listings: dict[tuple[str, str], Listing] | None = None
        self._given: list[Node] = []
        for item in objects:
            metadata = metadata_of(item)
            kind = str(item.get("kind", ""))
            self._objects[kind, str(metadata.get("namespace", "")), str(metadata.get("name", ""))] = item
            if kind == "Module" and str(item.get("apiVersion", "")).startswith("kmm.sigs.x-k8s.io/"):
                self._modules.append(item)
            elif kind == "ManagedClusterModule":
                self._hub_modules.append(item)
            elif kind == "Node":
                self._given.append(node_of(item))
        if dump is not None:
            self._objects |= dump._objects
            self._modules += dump._modules
            self._hub_modules += dump._hub_modules
            self._given += dump._given
        known = self._given if "Node" in self._complete else nodes
        self._nodes = None if known is None else Nodes(known)

    def find(self, kind: str, namespace: str, name: str) -> Object | Unknown | None:
        found = self._objects.get((kind, namespace, name))
        if found is not None:
            return found
        return None if kind in self._complete else UNKNOWN

    def listing(self, kind: str, namespace: str = "") -> Listing:
        if self._listings is None:
            found: dict[tuple[str, str], list[Object]] = {}
            for (item_kind, where, _), item in self._objects.items():
                found.setdefault((item_kind, where), []).append(item)
                found.setdefault((item_kind, EVERYWHERE), []).append(item)
            self._listings = {key: Listing(items, key[0] in self._complete) for key, items in found.items()}
        known = self._listings.get((kind, namespace))
        return known or (_NONE if kind in self._complete else NOT_LISTED)

    def neighbours(self) -> Neighbours:
        if self._neighbours is None:
            self._neighbours = ListedNeighbours(self._modules)
        return self._neighbours

    def nodes(self) -> Sequence[Node] | None:
        return self._nodes

    def modules_in(self, namespace: str) -> Sequence[Object] | Unknown:
        if "Module" not in self._complete:
            return UNKNOWN
        if not namespace:
            return [*self._modules, *self._hub_modules]
        return self._modules_by_namespace.get(namespace, [])

    def entries_of(self, namespace: str) -> Sequence[NodeEntry] | Unknown:
        if "NodeModulesConfig" not in self._complete:
            return UNKNOWN
        return self._entries.get(namespace, []) if namespace else self._all_entries

    def daemon_sets_in(self, namespace: str) -> Sequence[Object] | Unknown:
        """Those that are there: a dump of a cluster with KMM alone need not have any."""
        return self._daemon_sets.get(namespace, [])

    @lazy
    def _daemon_sets(self) -> dict[str, list[Object]]:
        found: dict[str, list[Object]] = {}
        for (kind, namespace, _), item in self._objects.items():
            if kind == "DaemonSet" and is_of_driver(item):
                found.setdefault(namespace, []).append(item)
        return found

    @lazy
    def _modules_by_namespace(self) -> dict[str, list[Object]]:
        found: dict[str, list[Object]] = {}
        for item in self._modules:
            found.setdefault(str(metadata_of(item).get("namespace", "")), []).append(item)
        return found

    @lazy
    def _all_entries(self) -> list[NodeEntry]:
        configs = (item for (kind, _, _), item in self._objects.items() if kind == "NodeModulesConfig")
        return [entry for item in configs for entry in node_entries(item)]

    @lazy
    def _entries(self) -> dict[str, list[NodeEntry]]:
        """The entries of all NodeModulesConfigs, by the namespace of their Modules."""
        found: dict[str, list[NodeEntry]] = {}
        for entry in self._all_entries:
            found.setdefault(entry.namespace, []).append(entry)
        return found


def node_of(item: Object) -> Node:
    """What KMM looks at of a Node object; parts of another shape count as missing."""
    metadata, spec = metadata_of(item), as_map(item.get("spec"))
    info = as_map(as_map(item.get("status")).get("nodeInfo"))
    taints = spec.get("taints")
    return Node(
        name=str(metadata.get("name", "")),
        labels={str(key): str(value) for key, value in as_map(metadata.get("labels")).items()},
        taints=[
            (str(taint.get("key", "")), str(taint.get("value") or ""), str(taint.get("effect", "")))
            for taint in (taints if isinstance(taints, list) else ())
            if isinstance(taint, Mapping)
        ],
        kernel=str(info.get("kernelVersion", "")),
        secure_boot=as_map(metadata.get("labels")).get(SECURE_BOOT) == "true",
    )


def node_entries(config: Object) -> Iterator[NodeEntry]:
    """The entries of a NodeModulesConfig; parts of another shape count as missing.

    Source: NodeModulesConfig v1beta1 of Kernel Module Management; its name is the node's.
    """
    node = str(metadata_of(config).get("name", ""))
    for part, is_loaded in (("spec", False), ("status", True)):
        items = as_map(config.get(part)).get("modules")
        for item in items if isinstance(items, list) else ():
            entry = as_map(item)
            yield NodeEntry(
                node,
                str(entry.get("namespace", "")),
                str(entry.get("name", "")),
                str(entry.get("serviceAccountName") or ""),
                str(as_map(entry.get("imageRepoSecret")).get("name") or ""),
                is_loaded,
            )


MANAGED_BY = ("app.kubernetes.io/managed-by", "kmodgate")
"""The label of all objects that kmodgate renders, and its value."""


PLUGIN_LABEL = "kmodgate.io/device-plugin"
"""The label of a DaemonSet that runs the device plugin of a driver apart from it; its value is the driver."""


def is_of_driver(daemon_set: Object) -> bool:
    """Whether a DaemonSet loads a driver or runs its device plugin, as kmodgate renders it, and is not being deleted.

    The pods of one that is being deleted end, and unload the driver, with what they were started with.
    """
    metadata = metadata_of(daemon_set)
    labels = as_map(metadata.get("labels"))
    has_driver = bool(labels.get(DRIVER_LABEL) or labels.get(PLUGIN_LABEL))
    is_ours = has_driver and labels.get(MANAGED_BY[0]) == MANAGED_BY[1]
    return is_ours and "deletionTimestamp" not in metadata


def as_map(value: object) -> Mapping[str, Any]:
    """The value if it is a map, else an empty one."""
    if type(value) is dict:  # asking for less is ten times as fast, and nearly always enough
        return value
    return value if value is not None and isinstance(value, Mapping) else {}


def metadata_of(item: object) -> Mapping[str, Any]:
    """Return the metadata of an object, an empty map where it has none."""
    found = item.get("metadata") if type(item) is dict else as_map(item).get("metadata")
    return found if type(found) is dict else as_map(found)
