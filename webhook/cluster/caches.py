"""What is kept of each kind: bytes or small values, never the objects, and an index by what rules ask for.

Ten thousand Modules of the usual size take nine megabytes here; as JSON twenty, and as dicts several times that.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from sys import intern
from typing import Any, overload

import orjson

from kmodgate.policy.cluster.facts import NodeEntry, node_entries, node_of
from kmodgate.policy.cluster.pruning import pruned_module
from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.node_placement import Nodes
from kmodgate.webhook.cluster.watch import Key, Map

_SOME = 100
"""Of a whole cluster: whether there are any is what is asked."""


class ObjectCache:
    """Objects in the form that `prune` gives them."""

    def __init__(self, prune: Callable[[Map], Map]) -> None:
        self.changes = 0
        self._prune = prune
        self._texts: dict[Key, bytes] = {}

    def put(self, key: Key, item: Map) -> None:
        text = _encoded(self._prune(item))
        if self._texts.get(key) != text:
            self._texts[key] = text
            self.changes += 1

    def drop(self, key: Key) -> None:
        if self._texts.pop(key, None) is not None:
            self.changes += 1

    def keys(self) -> Iterator[Key]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def get(self, key: Key) -> dict[str, Any] | None:
        text = self._texts.get(key)
        return None if text is None else orjson.loads(text)

    def of(self, namespace: str) -> list[Map]:
        """All objects of a namespace; for kinds of which a cluster has few."""
        return [orjson.loads(text) for key, text in self._texts.items() if key[0] == namespace]


class ModuleCache:
    """Modules, pruned; found by name, by namespace, and as neighbours: by what they load and make."""

    def __init__(self) -> None:
        self.changes = 0
        self._texts: dict[Key, bytes] = {}
        """As JSON, deflated: the mappings of a Module repeat each other."""
        self._namespaces = _Index()
        self._loading = _Index()
        self._making = _Index()
        self._dra = _Index()

    def put(self, key: Key, item: Map) -> None:
        pruned = pruned_module(item)
        text = _deflated(pruned)
        if self._texts.get(key) == text:
            return
        self.drop(key)
        self.changes += 1
        self._texts[key] = text
        for index, value in self._indexed(key, pruned):
            index.add(value, key)

    def drop(self, key: Key) -> None:
        old = self._texts.pop(key, None)
        if old is None:
            return
        self.changes += 1
        for index, value in self._indexed(key, _inflated(old)):
            index.remove(value, key)

    def keys(self) -> Iterator[Key]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def get(self, key: Key) -> dict[str, Any] | None:
        text = self._texts.get(key)
        return None if text is None else _inflated(text)

    def of(self, namespace: str) -> list[Map]:
        """All Modules of a namespace; for an empty name the first ones of all."""
        keys = self._namespaces.keys(namespace) if namespace else islice(self._texts, _SOME)
        return [_inflated(self._texts[key]) for key in keys]

    def loading(self, name: str) -> Sequence[ModuleView]:
        return _Views(self, self._loading.keys(name))

    def making(self, name: str) -> Sequence[ModuleView]:
        return _Views(self, self._making.keys(name))

    def dra(self) -> Sequence[ModuleView]:
        return _Views(self, self._dra.keys(""))

    def _indexed(self, key: Key, pruned: Map) -> Iterator[tuple[_Index, str]]:
        yield self._namespaces, key[0]
        view = ModuleView(pruned)
        for name in view.loaded:
            yield self._loading, name
        for name in {item.text("name") for item in view.device_classes}:
            yield self._making, name
        if view.spec.optional("dra") is not None:
            yield self._dra, ""


class EntryCache:
    """The entries of NodeModulesConfigs, by the namespace of their Modules."""

    def __init__(self) -> None:
        self.changes = 0
        self._namespaces: dict[str, set[str]] = {}
        self._entries: dict[str, dict[str, list[NodeEntry]]] = {}

    def put(self, key: Key, item: Map) -> None:
        node, found = key[1], dict[str, list[NodeEntry]]()
        for entry in node_entries(item):
            found.setdefault(entry.namespace, []).append(_interned(entry))
        known = self._namespaces.get(node)
        if known is not None and {name: self._entries[name][node] for name in known} == found:
            return
        self.drop(key)
        self.changes += 1
        self._namespaces[node] = set(found)
        for namespace, entries in found.items():
            self._entries.setdefault(namespace, {})[node] = entries

    def drop(self, key: Key) -> None:
        node = key[1]
        self.changes += node in self._namespaces
        for namespace in self._namespaces.pop(node, ()):
            nodes = self._entries[namespace]
            del nodes[node]
            if not nodes:
                del self._entries[namespace]

    def keys(self) -> Iterator[Key]:
        return (("", node) for node in self._namespaces)

    def __len__(self) -> int:
        return len(self._namespaces)

    def of(self, namespace: str) -> list[NodeEntry]:
        """What all nodes hold of the Modules of a namespace; for an empty name the first entries of all."""
        if not namespace:
            found = (entry for nodes in self._entries.values() for entries in nodes.values() for entry in entries)
            return list(islice(found, _SOME))
        return [entry for entries in self._entries.get(namespace, {}).values() for entry in entries]


class NodeCache:
    """Nodes as rules look at them. Most labels of a node are those of its neighbours: equal texts are kept once."""

    def __init__(self) -> None:
        self.changes = 0
        self._nodes: dict[str, Node] = {}
        self._all: Nodes | None = None

    def put(self, key: Key, item: Map) -> None:
        node = node_of(item)
        labels = {intern(label): intern(value) for label, value in node.labels.items()}
        node = Node(node.name, labels, node.taints, intern(node.kernel), node.observed, node.secure_boot)
        if self._nodes.get(key[1]) != node:
            self._nodes[key[1]] = node
            self._set_changed()

    def drop(self, key: Key) -> None:
        if self._nodes.pop(key[1], None) is not None:
            self._set_changed()

    def keys(self) -> Iterator[Key]:
        return (("", name) for name in self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def _set_changed(self) -> None:
        self.changes += 1
        self._all = None

    def all(self) -> Sequence[Node]:
        if self._all is None:
            self._all = Nodes(self._nodes.values())
        return self._all


class _Index:
    """Which objects have a value, in the order in which they came.

    Most values have one object, which stands there without a dict around it: four MiB less with 10,000 Modules.
    """

    def __init__(self) -> None:
        self._keys: dict[str, Key | dict[Key, None]] = {}

    def add(self, value: str, key: Key) -> None:
        held = self._keys.setdefault(value, key)
        if isinstance(held, dict):
            held[key] = None
        elif held != key:
            self._keys[value] = {held: None, key: None}

    def remove(self, value: str, key: Key) -> None:
        held = self._keys[value]
        if isinstance(held, dict):
            held.pop(key, None)
        if held == key or not held:
            del self._keys[value]

    def keys(self, value: str) -> Collection[Key]:
        held = self._keys.get(value, ())
        return held if isinstance(held, dict) or not held else (held,)


class _Views(Sequence[ModuleView]):
    """Modules that are read when they are looked at: a rule rarely looks at more than the first."""

    def __init__(self, cache: ModuleCache, keys: Collection[Key]) -> None:
        self._cache = cache
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> ModuleView: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ModuleView]: ...

    def __getitem__(self, index: int | slice) -> ModuleView | Sequence[ModuleView]:
        if isinstance(index, slice):
            return [self._view(key) for key in self._keys[index]]
        return self._view(self._keys[index])

    def _view(self, key: Key) -> ModuleView:
        return ModuleView(self._cache.get(key) or {})


def _encoded(item: Map) -> bytes:
    """The item as JSON, copied: orjson's own bytes take four kilobytes, however short the text in them is."""
    return bytes(memoryview(orjson.dumps(item)))


def _deflated(item: Map) -> bytes:
    return zlib.compress(orjson.dumps(item), 1)


def _inflated(text: bytes) -> dict[str, Any]:
    item: dict[str, Any] = orjson.loads(zlib.decompress(text))
    return item


def _interned(entry: NodeEntry) -> NodeEntry:
    return NodeEntry(
        intern(entry.node),
        intern(entry.namespace),
        intern(entry.name),
        intern(entry.service_account),
        intern(entry.image_repo_secret),
        entry.is_loaded,
    )
