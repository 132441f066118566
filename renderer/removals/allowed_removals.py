"""A render and the Modules that leave its tree: what removals.yaml and the command line allow, and what is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from kmodgate.policy.findings import Finding
from kmodgate.renderer import git
from kmodgate.renderer.compile.git_revision import compile_revision
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.removals.leaving import Key, Permissions, leaving_on_disk, named
from kmodgate.renderer.removals.refusals import Refusals
from kmodgate.renderer.removals.removals_file import RemovalsChange, plan_change
from kmodgate.renderer.tree.compare import Change
from kmodgate.renderer.tree.render import Rendered


class AllowedRemovals:
    """Sorts the Modules that a render takes out of the tree; `change` is what it does to removals.yaml."""

    def __init__(
        self, change: Change, fleet: Fleet, rendered: Rendered, names: Collection[str], reason: str | None
    ) -> None:
        self._fleet = fleet
        self._permissions = Permissions(fleet.removals)
        clusters = {item.name: item for item in fleet.clusters}
        leaving = list(leaving_on_disk(change, rendered.absent, clusters, self._base_clusters))
        unallowed = [item for item in leaving if not self._permissions.allow(item)]
        new = named(unallowed, names)
        self._refused = [item for item in unallowed if item not in new]
        self.change: RemovalsChange = plan_change(fleet, _present(change), new, reason)

    def refused(self) -> list[Finding]:
        """Return one finding a Module that nobody has allowed to leave, with its clusters and nodes."""
        refusals = Refusals(self._fleet, self._permissions, self._base_clusters, source="the tree of ")
        return list(refusals.of(self._refused))

    def _base_clusters(self) -> Iterable[Cluster]:
        revision = git.revision(str(self._fleet.files.root), None)
        compiled = compile_revision(self._fleet.files.root, revision, []) if revision else None
        return compiled.fleet.clusters if compiled else []

    def lines(self) -> Iterator[str]:
        """Yield one line for each entry that is appended or dropped."""
        for item in self.change.added:
            yield f"allows {item.object} to leave {item.cluster} (digest {item.digests[0]})"
        for entry in self.change.dropped:
            yield f"drops the entry of {entry.object} on {entry.cluster}, which is in the tree again"


def _present(change: Change) -> set[Key]:
    """What stands for drivers in the trees of the compared clusters."""
    entries = ((cluster.cluster, entry) for cluster in change.clusters for entry in cluster.owned.values())
    return {(name, item.object_kind, item.namespace, item.driver, item.place) for name, item in entries if item.driver}
