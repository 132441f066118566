"""What clusters get through the objects of another one: the Modules of a hub's spokes, and what is around these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kmodgate.policy.findings import Finding
from kmodgate.renderer.deliveries.delivery import driver_of, is_at_boot
from kmodgate.renderer.deliveries.hub.attached_sides import needed_as
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.wording import listed


def delivered_objects(of_drivers: Mapping[str, list[Manifest]]) -> dict[str, list[Manifest]]:
    """What clusters of the fleet get through the objects of others."""
    found: dict[str, list[Manifest]] = {name: [] for name in of_drivers}
    for manifests in of_drivers.values():
        for manifest in manifests:
            for name in manifest.elsewhere.keys() & found.keys():
                found[name] += manifest.elsewhere[name]
    return found


def delivered_twice(
    delivered: Mapping[str, list[Manifest]], placed: Mapping[str, list[tuple[str, Manifest]]]
) -> Iterator[Finding]:
    """Report a driver that a spoke gets from its hub and by an object of its own, of whatever kind."""
    for name, manifests in delivered.items():
        objects = [manifest for _, manifest in placed[name]] if manifests else []
        loading = [item for item in objects if not is_at_boot(item.value) and not _is_hub_module(item)]
        own = {driver: item for item in loading if (driver := driver_of(item.value))}
        for manifest in manifests:
            other = own.get(driver_of(manifest.value))
            if other is not None:
                more = "" if other.identity == manifest.identity else f": {other.identity}"
                message = f"{manifest.identity} on cluster {name} is made by its hub and by an object of its own{more}"
                fix = "deliver the driver there in one way: narrow spec.clusters, or spec.hub.selector"
                finding = Finding("HUB406", message, fix, f"KernelDriver {manifest.owner}")
                yield replace(other.at_origin(finding, ("metadata", "name")), clusters=(name,))


def works_of_one_name(
    placed: Mapping[str, list[tuple[str, Manifest]]], clusters: Iterable[Cluster]
) -> Iterator[Finding]:
    """Report a ManagedClusterModule whose ManifestWork for a spoke, which KMM names after it, is there already."""
    for hub in clusters:
        objects = [manifest for _, manifest in placed[hub.name]] if hub.is_hub else []
        works = {
            (item.identity.namespace, item.identity.name): item
            for item in objects
            if item.identity.kind == "ManifestWork"
        }
        for module in objects:
            spokes = sorted(spoke.name for spoke in hub.spokes if _selects(module, spoke))
            taken = [name for name in spokes if (name, module.identity.name) in works]
            if taken:
                name, other = module.identity.name, works[taken[0], module.identity.name].owner
                message = (
                    f"KMM calls its ManifestWork {name}, too, for each spoke of {module.identity}: it and that of "
                    f"driver {other} overwrite each other ({listed(taken, 3)})"
                )
                fix = "rename the driver: kmodgate- begins the names of what accompanies other drivers"
                finding = Finding("HUB407", message, fix, str(module.identity))
                yield replace(module.at_origin(finding, ("metadata", "name")), clusters=tuple(taken))


def pull_secrets_twice(
    placed: Mapping[str, list[tuple[str, Manifest]]], clusters: Iterable[Cluster]
) -> Iterator[Finding]:
    """Report a pull secret that a Policy copies to the spokes, and that a ManifestWork makes there as well."""
    for hub in clusters:
        objects = [manifest for _, manifest in placed[hub.name]] if hub.is_hub else []
        copied = {item.owner for item in objects if item.identity.kind == "Policy" and item.identity.name != item.owner}
        secrets = {item.owner: ("Secret", _pull_secret(item)) for item in objects if _is_hub_module(item)}
        for driver, secret in secrets.items():
            works = [item for item in objects if item.identity.kind == "ManifestWork" and item.owner == driver]
            carried = [item for work in works for items in work.elsewhere.values() for item in items]
            made = next((item for item in carried if needed_as(item.value) == secret), None)
            if driver in copied and made is not None:
                others = f"by the Policy that copies it, and by {made.identity}"
                message = f"the spokes get the pull secret {secret[1]} twice: {others}"
                fix = "remove hub.copyPullSecret, or what is attached"
                finding = Finding("HUB408", message, fix, str(made.identity))
                yield replace(made.at_origin(finding, ("metadata", "name")), clusters=(hub.name,))


def _is_hub_module(manifest: Manifest) -> bool:
    return manifest.identity.kind == "ManagedClusterModule"


def _pull_secret(module: Manifest) -> str:
    value: Any = module.value
    return str((value["spec"]["moduleSpec"].get("imageRepoSecret") or {}).get("name", ""))


def _selects(module: Manifest, spoke: Cluster) -> bool:
    value: Any = module.value
    return _is_hub_module(module) and (value["spec"].get("selector") or {}).items() <= spoke.labels.items()
