"""The fleet as git has it at the revision that a check compares with, and the Modules that have left since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.renderer import git
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.compile.git_revision import compile_revision
from kmodgate.renderer.deliveries.delivery import is_driver
from kmodgate.renderer.errors import UNNEEDED_REMOVAL, Unusable
from kmodgate.renderer.fleet.files import MARKER, OUTPUT
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Removal
from kmodgate.renderer.fleet.targets import absent_drivers
from kmodgate.renderer.manifests.manifest import Identity, Manifest
from kmodgate.renderer.removals.leaving import Leaving, Permissions
from kmodgate.renderer.removals.refusals import Refusals
from kmodgate.renderer.tree import index
from kmodgate.renderer.tree.file_names import Layout


def base_fleet(root: Path, against: str | None) -> BaseFleet | None:
    """Compile the fleet of the revision; None where there is none, or where nothing has changed since."""
    revision = git.revision(str(root), against)
    if revision is None or not revision.changed(str(root)):
        return None
    compiled = compile_revision(root, revision, [])
    return None if compiled is None else BaseFleet(root, revision, compiled)


class BaseFleet:
    """A fleet at a revision, with the digests of its rendered files."""

    def __init__(self, root: Path, revision: git.Revision, compiled: CompiledFleet) -> None:
        self.revision = revision
        self.compiled = compiled
        self._output = root / OUTPUT

    @cached_property
    def objects(self) -> dict[tuple[str, Identity], Manifest]:
        """The objects by cluster and identity."""
        placed = self.compiled.placed.items()
        return {(name, item.identity): item for name, objects in placed for _, item in objects}

    def digests(self, cluster: str, identity: Identity, wanted: str) -> tuple[str, ...]:
        """Return the digests that the file of an object has had in the index from the revision to HEAD, newest first.

        Where the revision has the wanted one, the commits after it are not read. Where no index names the object, the
        tree is not in git: the digest is that of what the specs of the revision make.
        """
        path = self._output / cluster / index.INDEX
        found = _digests_in_index(self.revision, path, identity)
        if wanted not in found:
            later = [_digests_in_index(revision, path, identity) for revision in self.revision.later(path)]
            found = [digest for digests in (*later, found) for digest in digests]
        return tuple(found) or (self._rendered_digest(cluster, identity),)

    def is_on_disk(self, cluster: str, identity: Identity) -> bool:
        """Whether the index on disk names an object; also where the revision has no tree to restore."""
        _, entries = index.read_index(str(self._output), cluster)
        wanted = index.entry("", "", identity).object
        if any(entry.object == wanted for entry in entries.values()):
            return True
        return self.revision.text(self._output / cluster / index.INDEX) is None

    def _rendered_digest(self, cluster: str, identity: Identity) -> str:
        files = Layout().files(self.compiled.placed[cluster]).values()
        return next(file.digest for file in files if file.identity == identity)


def _digests_in_index(revision: git.Revision, path: Path, identity: Identity) -> list[str]:
    text = revision.text(path)
    try:
        entries = {} if text is None else index.parse_index(text.encode(), str(path))
    except Unusable:  # an index that nobody can read has allowed nothing
        return []
    wanted = index.entry("", "", identity).object
    return [entry.digest for entry in entries.values() if entry.object == wanted]


def removal_findings(base: BaseFleet | None, now: CompiledFleet) -> Iterator[Finding]:
    """Modules that the fleet does not make any more without a permission, and entries that nothing needs."""
    leaving = [] if base is None else list(_leaving(base, now))
    permissions = Permissions(now.fleet.removals)
    if base is not None:
        refusals = Refusals(now.fleet, permissions, lambda: base.compiled.fleet.clusters, revision=base.revision.name)
        yield from refusals.of(leaving, MARKER)
    present = {
        (name, item.identity.namespace, item.identity.name)
        for name, objects in now.placed.items()
        for _, item in objects
        if is_driver(item.identity)
    }
    needed = {item.key for item in leaving}
    for entry in now.fleet.removals:
        if entry.key in present:
            message = f"Module {entry.namespace}/{entry.name} is in the tree of {entry.cluster} again"
            yield _note(entry, message, "run kmodgate render, which drops the entry")
        elif base is not None and entry.key not in needed:
            message = f"Module {entry.namespace}/{entry.name} has not left {entry.cluster} since {base.revision.name}"
            yield _note(entry, message, "delete the entry, once the removal is merged")


def _leaving(base: BaseFleet, now: CompiledFleet) -> Iterator[Leaving]:
    present = {(name, item.identity) for name, objects in now.placed.items() for _, item in objects}
    absent = absent_drivers(now.targets)
    allowed = {entry.key: entry.digest for entry in now.fleet.removals}
    for (name, identity), manifest in base.objects.items():
        if is_driver(identity) and (name, identity) not in present and (name, identity.name) not in absent:
            wanted = allowed.get((name, identity.namespace, identity.name))
            digests = () if wanted is None else base.digests(name, identity, wanted)
            is_indexed = base.is_on_disk(name, identity)
            yield Leaving(name, identity.namespace, identity.name, digests, manifest.value, is_indexed=is_indexed)


def _note(entry: Removal, message: str, fix: str) -> Finding:
    finding = finding_at(entry.document, entry.path, UNNEEDED_REMOVAL, message, fix)
    return replace(finding, severity=Severity.INFO, mode=Mode.AUDIT)
