"""A Module that leaves the tree unloads its driver from every node: only a permission in the commit lets it go."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator

from kmodgate.policy.findings import Finding
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.deliveries.delivery import LOSS, delivery_of_object
from kmodgate.renderer.fleet.files import OUTPUT, REMOVALS
from kmodgate.renderer.fleet.fleet import Fleet, names_of
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Removal
from kmodgate.renderer.removals.causes import cause
from kmodgate.renderer.removals.driver_nodes import HUB_KIND, driver_nodes
from kmodgate.renderer.removals.leaving import BaseClusters, Leaving, Permissions
from kmodgate.renderer.wording import counted, listed


class Refusals:
    """Finds the Modules that leave a fleet without a permission.

    `source` is the word for what they leave: "the tree of " on disk, or nothing where specs are compared. `revision` is
    the one that they are compared with, from which git can restore the tree.
    """

    def __init__(
        self, fleet: Fleet, permissions: Permissions, base: BaseClusters, *, source: str = "", revision: str = "HEAD"
    ) -> None:
        self._fleet = fleet
        self._permissions = permissions
        self._base = base
        self._source = source
        self._revision = revision
        self._clusters = {cluster.name: cluster for cluster in fleet.clusters}

    def of(self, items: Iterable[Leaving], file: str = "") -> Iterator[Finding]:
        """One finding a Module with its clusters and nodes, and one for each entry with another digest.

        `file` is named for a Module without a spec, where its rendered file is not known.
        """
        refused: dict[str, list[Leaving]] = defaultdict(list)
        for item in items:
            entry = self._permissions.entry(item.key)
            if entry is None:
                refused[f"{HUB_KIND} {item.name}" if item.spoke else item.object].append(item)
            elif entry.digest not in item.digests:
                yield self._other_digest(entry, item)
        for _, places in sorted(refused.items()):
            yield self._finding(sorted(places, key=lambda item: item.cluster), file)

    def _other_digest(self, entry: Removal, item: Leaving) -> Finding:
        message = (
            f"allows {item.object} to leave {item.cluster} with another content than it has there, "
            f"which {self._loss([item])}"
        )
        fix = f'write digest: "{item.digests[0]}", if it is to leave as it is there'
        return finding_at(entry.document, (*entry.path, "digest"), "GIT001", message, fix)

    def _finding(self, places: list[Leaving], file: str) -> Finding:
        item, clusters = places[0], [place.cluster for place in places]
        message = (
            f"{item.object} would leave {self._source}{counted(len(clusters), 'cluster')} "
            f"({listed(clusters)}), which {self._loss(places)}"
        )
        retired = len(clusters) == 1 and clusters[0] not in names_of(self._fleet)
        name = f"'{clusters[0]}/*'" if retired else item.driver
        restore = "" if all(place.is_indexed for place in places) else f"git checkout {self._revision} -- {OUTPUT} && "
        meant = f"{restore}kmodgate render --allow-removal {name}, which writes the permission into {REMOVALS}"
        fix = (
            f"if it is meant: {meant}, or `state: absent` in the spec; "
            f"if not: look for a changed label, selector, name or namespace"
        )
        if item.is_at_boot:
            fix = (
                f"if it is meant: {meant}; "
                f"if not: put spec.boot back as it was, or look for a changed label, selector or name"
            )
        if item.spoke:
            message, fix = self._of_spokes(places, f"{restore}kmodgate render --allow-removal {name}")
        for driver in self._fleet.drivers:
            if driver.name == item.driver:
                return finding_at(driver.document, cause(item, driver, self._fleet.clusters), "GIT001", message, fix)
        name = os.path.abspath(item.file) if item.file else file
        return Finding("GIT001", message, fix, item.object, "metadata.name", file=name)

    def _of_spokes(self, places: list[Leaving], command: str) -> tuple[str, str]:
        """Message and fix for a driver that stays on its hub, and that the hub takes away from spokes."""
        spokes, hubs = sorted({place.spoke for place in places}), sorted({place.cluster for place in places})
        message = (
            f"{places[0].name} would leave {counted(len(spokes), 'spoke')} ({listed(spokes)}) of {listed(hubs)}, which "
            f"{self._loss(places)} at once: nobody is asked there"
        )
        fix = (
            f"if it is meant: {command}, which writes the permission into {REMOVALS}; if not: look for a changed label "
            f"or acm.hub of the spoke, or for a changed spec.hub.selector"
        )
        return message, fix

    def _loss(self, places: list[Leaving]) -> str:
        """What happens to the nodes; all of the places are of one kind."""
        value = next((place.value for place in places if place.value is not None), None)
        delivery = None if value is None else delivery_of_object(value)
        return (delivery.loss if delivery else LOSS).format(self._nodes(places))

    def _nodes(self, places: list[Leaving]) -> str:
        """How many nodes have the driver now; those of a retired cluster as the base revision has them."""
        found = [(place.value, place.spoke or cluster_of(place.value or {}) or place.cluster) for place in places]
        if any(cluster not in self._clusters for _, cluster in found):
            self._clusters = {**{cluster.name: cluster for cluster in self._base()}, **self._clusters}
        return driver_nodes((value, self._clusters.get(cluster)) for value, cluster in found)
