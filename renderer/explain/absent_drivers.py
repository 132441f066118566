"""Objects that clusters do not have because their driver is `state: absent` there, or does not go there at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, format_path
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.delivery import delivery_of
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.targets.targets import Target
from kmodgate.renderer.manifests.manifest import Identity

_FOR_MODULES = ("kerneldriver", "managedclustermodule")
"""What stands for a driver in place of its Module."""


@dataclass(frozen=True, slots=True)
class Absence:
    """One object, the clusters that do not have it, and the line that says `state: absent` for them."""

    title: str
    clusters: tuple[str, ...]
    origin: Origin


def absences(found: CompiledFleet, kind: str, namespace: str, name: str, cluster: str | None) -> list[Absence]:
    """Return where an object is absent, by kind and name; namespace and cluster are any if they are empty."""
    clusters: dict[tuple[str, Origin], list[str]] = defaultdict(list)
    for target in found.targets:
        if target.is_absent and cluster in (None, target.cluster.name):
            for identity in _identities(found, target):
                kinds = (kind.lower(), *(_FOR_MODULES if kind == "Module" else ()))
                same = identity.kind.lower() in kinds and identity.name == name
                if same and namespace in ("", identity.namespace):
                    clusters[str(identity), target.variant.origin(("state",))].append(target.cluster.name)
    return [Absence(title, tuple(sorted({*names})), origin) for (title, origin), names in clusters.items()]


def _identities(found: CompiledFleet, target: Target) -> Iterator[Identity]:
    """The object that stands for the driver, and what the driver brings along on other clusters."""
    driver, delivery = target.variant.driver.name, delivery_of(target.variant)
    kind = "KernelDriver" if delivery.is_labelled else delivery.kind  # whose objects have other names than it
    module = Identity(delivery.group, kind, target.variant.namespace, driver)
    brought = {
        manifest.identity: None
        for manifests in found.of_drivers.values()
        for manifest in manifests
        if manifest.owner == driver and manifest.identity.kind != "Namespace"
    }
    yield from {module: None, **brought}


def why_not_there(found: CompiledFleet, name: str, cluster: str | None) -> str:
    """Say which line keeps a driver from a cluster; nothing where no driver has the name, or it goes there."""
    driver = next((driver for driver in found.fleet.drivers if driver.name == name), None)
    if driver is None or cluster is None:
        return ""
    if any(target.variant.driver is driver and target.cluster.name == cluster for target in found.targets):
        return ""
    path = not_selected_by(found, name, cluster)
    if not path:
        return ""
    line = driver.document.position(path)[0]
    return f"{format_path(path)} of the driver does not select {cluster}: {driver.document.file}:{line}"


def not_selected_by(found: CompiledFleet, driver: str, cluster: str) -> FieldPath:
    """The field of a driver that keeps it from a cluster; nothing where it goes there, by its hub or by itself."""
    targets = {target.cluster.name: target for target in found.targets if target.variant.driver.name == driver}
    if cluster in targets or any(item.owner == driver for item in found.delivered.get(cluster, ())):
        return ()
    hub = targets.get(hub_of(found, cluster))
    is_by_hub = hub is not None and hub.variant.spec.get("delivery") == "hub" and not hub.is_absent
    return ("spec", "hub", "selector") if is_by_hub else ("spec", "clusters")


def hub_of(found: CompiledFleet, cluster: str) -> str:
    """The hub of a spoke; nothing for any other cluster."""
    acm = next((item.acm for item in found.fleet.clusters if item.name == cluster), None)
    return acm.hub if acm is not None and acm.role == "spoke" else ""
