"""The field of a driver's spec that may have taken an object out of a tree: where the refusal is reported."""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.findings import FieldPath
from kmodgate.renderer.deliveries.boot.objects import BOOT_MODULE_CONFIG, cluster_of
from kmodgate.renderer.deliveries.delivery import DEFAULT, DELIVERIES
from kmodgate.renderer.fleet.clusters.cluster_selectors import Clusters
from kmodgate.renderer.fleet.faulty_specs import FaultySpecs
from kmodgate.renderer.fleet.specs import Cluster, KernelDriver
from kmodgate.renderer.fleet.targets.targets import MergedSpec, merged_specs
from kmodgate.renderer.removals.leaving import Leaving


def cause(item: Leaving, driver: KernelDriver, clusters: Iterable[Cluster]) -> FieldPath:
    """Return the field by which the driver has other objects on the cluster now, in an override where it stands there.

    That is `spec.clusters` where the driver does not select the cluster any more, or nothing else has changed.
    """
    known = {cluster.name: cluster for cluster in clusters}
    merging = merged_specs(driver, Clusters([*known.values()]), [], [], FaultySpecs())
    specs = {cluster.name: merged for cluster, merged in merging}
    name = cluster_of(item.value or {}) or item.cluster
    cluster = known.get(name)
    hub = cluster.acm.hub if cluster is not None and cluster.acm else ""
    merged = specs.get(name) or specs.get(hub)
    if merged is None:
        return ("spec", "clusters")
    if item.is_at_boot:
        return _at_boot(item, merged)
    namespace = as_map(merged.spec["namespace"]).get("name")
    if item.spoke:
        return merged.place(("hub", "selector"))[0]
    if DELIVERIES[str(merged.spec.get("delivery", DEFAULT))].kind != item.kind:
        return merged.place(("delivery",))[0]
    if {item.namespace, item.place} - {"", namespace}:
        return merged.place(("namespace", "name"))[0]
    return ("spec", "clusters")


def _at_boot(item: Leaving, merged: MergedSpec) -> FieldPath:
    """The field by which nodes load the driver at boot in another way, or not any more."""
    boot = merged.spec.get("boot")
    if isinstance(boot, dict):
        is_other_kind = (item.kind == BOOT_MODULE_CONFIG[1]) is not bool(boot.get("bootModuleConfig"))
        is_other_pool = boot.get("pool") != item.place != ""
        field = "bootModuleConfig" if is_other_kind else "pool" if is_other_pool else ""
        return merged.place(("boot", field) if field else ("boot",))[0]
    place, is_override = merged.place(("boot",))
    for index, override in enumerate(merged.source.overrides):
        if not is_override and index not in merged.applied and override.patch.get("boot"):
            return ("spec", "overrides", index, "clusters")
    return place
