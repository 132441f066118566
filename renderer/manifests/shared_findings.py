"""Findings about objects that several clusters have."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from weakref import WeakKeyDictionary

from kmodgate.policy.findings import Finding
from kmodgate.renderer.manifests.manifest import Manifest


class SharedFindings:
    """Asks once about an object, and adds the names of the clusters that have it. It keeps no object alive."""

    def __init__(self) -> None:
        self._clusters: WeakKeyDictionary[Manifest, dict[Hashable, list[str]]] = WeakKeyDictionary()
        self._found: list[tuple[list[Finding], list[str]]] = []

    def add(self, manifest: Manifest, key: Hashable, cluster: str, find: Callable[[], Iterable[Finding]]) -> None:
        """Add a cluster that has an object; `find` is called for the first cluster of each key."""
        known = self._clusters.setdefault(manifest, {})
        names = known.get(key)
        if names is None:
            names = known[key] = []
            if found := list(find()):
                self._found.append((found, names))
        if not names or names[-1] != cluster:
            names.append(cluster)

    def findings(self) -> Iterator[Finding]:
        """Yield the findings so far, with the clusters of their objects where they have no clusters of their own."""
        for found, names in self._found:
            for finding in found:
                yield finding if finding.clusters else replace(finding, clusters=tuple(names))
