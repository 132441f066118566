"""All specs of one repository, loaded together."""

from __future__ import annotations

from dataclasses import field, replace

from kmodgate.policy.data_class import dataclass
from kmodgate.renderer.fleet.faulty_specs import FaultySpecs
from kmodgate.renderer.fleet.files import FleetFiles
from kmodgate.renderer.fleet.specs import Cluster, DriverPolicy, ImageService, KernelDriver, Removal


@dataclass(slots=True)
class Fleet:
    """All specs of one repository; `files` reads what they refer to.

    `is_whole` is false when some cluster may be missing, because its spec or file could not be used: a selector that
    matches nothing may then be right.
    """

    files: FleetFiles
    is_whole: bool = True
    drivers: list[KernelDriver] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    services: list[ImageService] = field(default_factory=list)
    policies: list[DriverPolicy] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    """The Modules that may leave the tree, each once."""
    faulty: FaultySpecs = field(default_factory=FaultySpecs)

    def with_faulty(self) -> Fleet:
        """Return the fleet with the specs that have schema errors, to be judged and not to be written."""
        drivers, clusters = [*self.drivers, *self.faulty.drivers], [*self.clusters, *self.faulty.clusters]
        services, policies = [*self.services, *self.faulty.services], [*self.policies, *self.faulty.policies]
        return replace(self, drivers=drivers, clusters=clusters, services=services, policies=policies)

    def link_spokes(self) -> None:
        """Tell each hub which clusters name it as theirs."""
        clusters = self.with_faulty().clusters
        for hub in clusters:
            hub.spokes[:] = [item for item in clusters if item.acm and item.acm.hub == hub.name and item is not hub]

    def leave_out(self, spec: KernelDriver | Cluster | ImageService | DriverPolicy) -> None:
        """Take a spec away."""
        for holder in (self, self.faulty):
            holder.drivers = [item for item in holder.drivers if item is not spec]
            holder.clusters = [item for item in holder.clusters if item is not spec]
            holder.services = [item for item in holder.services if item is not spec]
            holder.policies = [item for item in holder.policies if item is not spec]


def names_of(fleet: Fleet) -> list[str]:
    """The names of the clusters."""
    return [cluster.name for cluster in fleet.clusters]
