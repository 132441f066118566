"""The cluster that a file outside of specs is for: that of its rendered tree, or any."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.engine import Engine
from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.review import ClusterTraits
from kmodgate.renderer.check.inputs.object_inputs import STDIN
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.fleet.clusters.nodes import nodes_of
from kmodgate.renderer.fleet.files import OUTPUT, OUTPUTS
from kmodgate.renderer.fleet.image_services.service_targets import service_targets
from kmodgate.renderer.fleet.loading.load import load_fleet
from kmodgate.renderer.fleet.root import root_above
from kmodgate.renderer.judge.fleet_judge import FleetJudge, traits_of
from kmodgate.schemas.compiled import any_schema

_HEAD = Release("head")


@dataclass(frozen=True, slots=True)
class Place:
    """The cluster that an object is for, as far as rules look at it."""

    engine: Engine
    cluster: ClusterTraits
    policy: str = ""
    """The name of its DriverPolicy."""
    clusters: tuple[str, ...] = ()
    """The name of the cluster, if it is known."""
    nodes: Sequence[Node] | None = None


class Places:
    """The places of files; a fleet around them is loaded once."""

    def __init__(self, choice: Choice, now: datetime, ims_version: str = "") -> None:
        """`ims_version` is that of the Image Management Service whose objects are given outside of trees."""
        self._choice = choice
        self._now = now
        traits = ClusterTraits(_HEAD, schema_of=any_schema, is_any=True, ims_version=ims_version)
        self._anywhere = Place(Engine(choice.fallback, "check"), traits)
        self._rendered: dict[Path, dict[str, Place]] = {}
        self._folders: dict[str, Place] = {}

    def of(self, name: str) -> Place:
        """Return the cluster that a file is rendered for, by the fleet around it; any cluster for another file."""
        if name == STDIN:
            return self._anywhere
        folder = os.path.dirname(os.path.abspath(name))
        if folder not in self._folders:
            self._folders[folder] = self._of_folder(Path(folder))
        return self._folders[folder]

    def _of_folder(self, folder: Path) -> Place:
        root = root_above(folder)
        below = folder.relative_to(root).parts if root else ()
        if root is None or len(below) < 2 or below[0] not in OUTPUTS:
            return self._anywhere
        if root not in self._rendered:
            self._rendered[root] = self._clusters(root)
        return self._rendered[root].get(below[1], self._anywhere)

    def _clusters(self, root: Path) -> dict[str, Place]:
        fleet = load_fleet(root, root / OUTPUT, [])
        policies = Policies(fleet, self._choice, [])
        judge = FleetJudge(policies, "check", self._now)
        services = service_targets(fleet, [])
        versions = {name: target.release.version for name, target in services.items()}
        return {
            cluster.name: Place(
                judge.engine(cluster),
                replace(traits_of(cluster, unknown=_HEAD), ims_version=versions.get(cluster.name, "")),
                policies.name(cluster.name),
                (cluster.name,),
                nodes_of(cluster),
            )
            for cluster in fleet.clusters
        }
