"""The fleet as git has it at the revision that a check compares with, and the Modules that have left since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.renderer import git
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.compile.forgotten_spokes import forgotten_spokes
from kmodgate.renderer.compile.git_revision import compile_revision
from kmodgate.renderer.deliveries.delivery import driver_of, is_at_boot, place_of
from kmodgate.renderer.errors import UNNEEDED_REMOVAL, Unusable
from kmodgate.renderer.fleet.files import MARKER, OUTPUT
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import JsonMap, Removal
from kmodgate.renderer.fleet.targets.targets import absent_drivers
from kmodgate.renderer.manifests.manifest import Identity, Manifest
from kmodgate.renderer.removals.driver_nodes import HUB_KIND
from kmodgate.renderer.removals.leaving import Key, Leaving, Permissions, is_of_one_spoke, stays_in_pool
from kmodgate.renderer.removals.refusals import Refusals
from kmodgate.renderer.tree import index
from kmodgate.renderer.tree.file_names import Layout
from kmodgate.renderer.tree.index import DriverKey


def base_fleet(root: Path, against: str | None) -> BaseFleet | None:
    """Compile the fleet of the revision; None where there is none, or where nothing has changed since."""
    revision = git.revision(str(root), against)
    if revision is None or not revision.changed(str(root)):
        return None
    compiled = compile_revision(root, revision, [])
    return None if compiled is None else BaseFleet(root, revision, compiled)


class BaseFleet:
    """A fleet at a revision, or a part of it, with the digests of its rendered files."""

    def __init__(self, root: Path, revision: git.Revision, compiled: CompiledFleet) -> None:
        self.revision = revision
        self.compiled = compiled
        self._output = root / OUTPUT

    @cached_property
    def objects(self) -> dict[tuple[str, Identity], Manifest]:
        """The objects by cluster and identity."""
        placed = self.compiled.placed.items()
        return {(name, item.identity): item for name, objects in placed for _, item in objects}

    def digests(self, cluster: str, driver: DriverKey, wanted: str) -> tuple[str, ...]:
        """Return the digests that the files of a driver have had in the index from the revision to HEAD, newest first.

        Where the revision has the wanted one, the commits after it are not read. Where no index names the driver, the
        tree is not in git: the digest is that of what the specs of the revision make.
        """
        path = self._output / cluster / index.INDEX
        found = _digest_in_index(self.revision, path, driver)
        if wanted != found:
            later = [_digest_in_index(revision, path, driver) for revision in self.revision.later(path)]
            return tuple(digest for digest in (*later, found) if digest) or (self._rendered_digest(cluster, driver),)
        return (found,)

    def is_on_disk(self, cluster: str, driver: DriverKey) -> bool:
        """Whether the index on disk names a driver; also where the revision has no tree to restore."""
        _, entries = index.read_index(str(self._output), cluster)
        if any(_stands_for(entry, driver) for entry in entries.values()):
            return True
        return self.revision.text(self._output / cluster / index.INDEX) is None

    def _rendered_digest(self, cluster: str, driver: DriverKey) -> str:
        files = Layout().files(self.compiled.placed[cluster])
        entries = (file.entry for file in files.values())
        return index.digest_of(entry for entry in entries if entry.key == driver)


def _digest_in_index(revision: git.Revision, path: Path, driver: DriverKey) -> str:
    text = revision.text(path)
    try:
        entries = {} if text is None else index.parse_index(text.encode(), str(path))
    except Unusable:  # an index that nobody can read has allowed nothing
        return ""
    return index.digest_of(entry for entry in entries.values() if _stands_for(entry, driver))


def _stands_for(entry: index.Entry, driver: DriverKey) -> bool:
    return entry.key in (driver, index.without_place(driver))


def removal_findings(base: BaseFleet | None, now: CompiledFleet) -> Iterator[Finding]:
    """Modules that the fleet does not make any more without a permission, and entries that nothing needs."""
    present = Present(now)
    leaving = [] if base is None else list(present.leaving(base))
    if base is not None:
        refusals = Refusals(
            now.fleet, present.permissions, lambda: base.compiled.fleet.clusters, revision=base.revision.name
        )
        yield from refusals.of(leaving, MARKER)
    made = {_key(name, driver) for name, driver in present.drivers}
    needed = {item.key for item in leaving}
    for entry in now.fleet.removals:
        if entry.key in made:
            message = f"{entry.object} is in the tree of {entry.cluster} again"
            yield _note(entry, message, "run kmodgate render, which drops the entry")
        elif base is not None and entry.key not in needed:
            message = f"{entry.object} has not left {entry.cluster} since {base.revision.name}"
            yield _note(entry, message, "delete the entry, once the removal is merged")


class Present:
    """The drivers that a fleet makes now, and the permissions of others to leave."""

    def __init__(self, now: CompiledFleet) -> None:
        self.drivers = set(_drivers(now))
        self._now = now
        self.permissions = Permissions(now.fleet.removals)
        self._absent = absent_drivers(now.targets)
        self._clusters = {cluster.name: cluster for cluster in now.fleet.clusters}

    def unpermitted(self, base: BaseFleet) -> list[Leaving]:
        """Return the drivers of a revision, or of a part of its fleet, that leave without a permission."""
        return [item for item in self.leaving(base) if not self.permissions.allow(item)]

    def leaving(self, base: BaseFleet) -> Iterator[Leaving]:
        """Yield the drivers of a revision, or of a part of its fleet, that the fleet does not make any more."""
        before = _drivers(base.compiled)
        gone = {place: item for place, item in before.items() if place not in self.drivers}
        whole = _on_hubs(gone) - _on_hubs(self.drivers)
        kept = forgotten_spokes(base.compiled, self._now)
        places = {(name, *key) for name, key in self.drivers if key[3]}
        for (name, key), manifest in gone.items():
            is_told = is_of_one_spoke(key) and ((name, key[2]) in whole or (key[1], key[2]) in kept)
            if not is_told and (name, key[2]) not in self._absent:
                wanted = self.permissions.entry(_key(name, key))
                digests = () if wanted is None else base.digests(name, key, wanted.digest)
                value = None if is_at_boot(manifest.value) else _module(base.compiled, name, key)
                is_indexed = base.is_on_disk(name, key)
                item = Leaving(*_key(name, key), digests, value or manifest.value, is_indexed=is_indexed)
                if not stays_in_pool(item, self._clusters.get(name), lambda: base.compiled.fleet.clusters, places):
                    yield item


def _key(cluster: str, driver: DriverKey) -> Key:
    return cluster, driver[0].rpartition("/")[2], *driver[1:]


def _module(compiled: CompiledFleet, cluster: str, key: DriverKey) -> JsonMap | None:
    """The Module of a driver, the Module that loads as its DaemonSets do, or the one that its hub makes on a spoke."""
    _, namespace, driver, _ = key
    if is_of_one_spoke(key):
        return next((item.value for item in compiled.modules(namespace) if item.owner == driver), None)
    found = (item for item in compiled.modules(cluster) if item.owner == driver)
    return next((item.value for item in found if item.identity.namespace == namespace), None)


def _on_hubs(drivers: Iterable[tuple[str, DriverKey]]) -> set[tuple[str, str]]:
    """The hubs and drivers that ManagedClusterModules stand for, whatever their place."""
    return {(name, key[2]) for name, key in drivers if key[0].rpartition("/")[2] == HUB_KIND}


def _drivers(compiled: CompiledFleet) -> dict[tuple[str, DriverKey], Manifest]:
    """The objects that stand for drivers, one for each driver, by cluster and key."""
    found: dict[tuple[str, DriverKey], Manifest] = {}
    for name, objects in compiled.placed.items():
        for _, item in objects:
            entry = index.entry("", "", item.identity, driver_of(item.value), place_of(item.value))
            if entry.driver:
                found.setdefault((name, entry.key), item)
    return found


def _note(entry: Removal, message: str, fix: str) -> Finding:
    finding = finding_at(entry.document, entry.path, UNNEEDED_REMOVAL, message, fix)
    return replace(finding, severity=Severity.INFO, mode=Mode.AUDIT)
