"""Images that nodes pull at their first boot with a kernel: they must be in the registry before the upgrade.

Source: docs/mkdocs/documentation/day1_limited_option.md of rh-ecosystem-edge/kernel-module-management.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.views.boot_config import boot_config
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.fleet.clusters.pools import is_in_pool
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.plan.coverage import Group, groups_of


@dataclass(slots=True)
class BootImage:
    """One image that nodes need when they boot with a kernel; `clusters` has the number of nodes of each."""

    driver: str
    kernel: str
    image: str
    clusters: dict[str, int] = field(default_factory=dict)

    @property
    def is_possible(self) -> bool:
        """Whether an image can have the kernel's version as its tag."""
        return "+" not in self.kernel

    @property
    def nodes(self) -> int:
        return sum(self.clusters.values())


def boot_images(found: CompiledFleet, asked: Sequence[str], only: Iterable[str] = ()) -> list[BootImage]:
    """Return the images of the kernels that nodes get next, by driver and kernel."""
    wanted, images = set(only), dict[tuple[str, str, str], BootImage]()
    clusters = {cluster.name: cluster for cluster in found.fleet.clusters}
    for name, placed in found.placed.items():
        for _, manifest in placed:
            config = boot_config(manifest.value)
            cluster = clusters.get(cluster_of(manifest.value) or name)
            if config is None or cluster is None or (wanted and cluster.name not in wanted):
                continue
            for group, kernel in _coming(cluster, config.pool, asked):
                image = config.for_kernel(kernel)
                item = images.setdefault(
                    (manifest.owner, kernel, image), BootImage(manifest.owner or config.module, kernel, image)
                )
                item.clusters[cluster.name] = item.clusters.get(cluster.name, 0) + group.count
    return [images[key] for key in sorted(images)]


def _coming(cluster: Cluster, pool: str, asked: Sequence[str]) -> Iterator[tuple[Group, str]]:
    """The nodes of a pool with each kernel that they get next, and do not run yet."""
    pools = {group.name for group in cluster.nodes if is_in_pool(cluster, group, pool)}
    for group in groups_of(cluster, ()):
        if set(group.names) <= pools:
            yield from ((group, kernel) for kernel in group.coming(asked) if [*group.kernels] != [kernel])
