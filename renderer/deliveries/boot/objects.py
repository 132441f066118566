"""What loads a driver at boot, as objects: a MachineConfig, the ConfigMap of a NodePool, or a BootModuleConfig.

Sources: Machine Config Operator of OpenShift; openshift/hypershift, docs/content/how-to/automated-machine-management
(`config` of a NodePool); BootModuleConfig v1beta1 of rh-ecosystem-edge/kernel-module-management.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from typing import Literal

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.formats.image_mirrors import Mirror, pulled
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.versions import has_boot_module_config
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.boot_config import NODE_POOL_LABEL, POOL_LABEL, machine_config_of
from kmodgate.renderer.deliveries.boot.boot_settings import BootSettings, boot_settings, image_path
from kmodgate.renderer.deliveries.boot.ignition import ignition
from kmodgate.renderer.deliveries.kmm import objects as kmm
from kmodgate.renderer.fleet.clusters.pools import (
    hosted_driver,
    is_in_pool,
)
from kmodgate.renderer.fleet.fields.field_table import cause
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, JsonMap, NodeGroup
from kmodgate.renderer.fleet.targets.referenced_files import Sources
from kmodgate.renderer.fleet.targets.targets import Variant
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.emit_yaml import emit
from kmodgate.renderer.manifests.manifest import DRIVER_LABEL, Manifest
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

MACHINE_CONFIG = ("machineconfiguration.openshift.io", "MachineConfig")
NODE_POOL_CONFIG = ("", "ConfigMap")
BOOT_MODULE_CONFIG = ("kmm.sigs.x-k8s.io", "BootModuleConfig")

CLUSTER_ANNOTATION = "kmodgate.io/hosted-cluster"
"""The annotation by which the configuration of a NodePool names the cluster of the nodes, in which it does not lie."""


_ANY = "1"
"""A kernel version, where any does."""

_IMAGE_LINE = lazy_regex(r'Environment="(KERNEL_MODULE_IMAGE|TAG_PREFIX|TAG_SUFFIX|WORKER_IMAGE)=')
_IMAGE_FIELDS: dict[str, FieldPath] = {
    "KERNEL_MODULE_IMAGE": ("boot", "image"),
    "TAG_PREFIX": ("boot", "image"),
    "TAG_SUFFIX": ("boot", "image"),
    "WORKER_IMAGE": ("boot", "workerImage"),
}
"""The fields of the spec that the variables of a unit name an image by."""


@dataclass(frozen=True, slots=True)
class Site:
    """What of a cluster decides the objects; empty `takes` is a cluster that takes no machine configuration.

    `name` and `namespace` are those of a hosted cluster, and of its NodePools on the one that manages it.
    """

    takes: Literal["", "machine config", "node pool config"]
    worker_image: str = ""
    has_boot_module_config: bool = False
    name: str = ""
    namespace: str = ""
    mirrors: tuple[Mirror, ...] = ()
    worker: Origin | None = field(default=None, compare=False)
    """Where `worker_image` stands: of clusters with the same image, in the first one's spec."""


def site(cluster: Cluster) -> Site:
    """Return what of a cluster decides the objects."""
    if why_none(cluster):
        return Site("")
    if cluster.hosted is not None:
        name, namespace = cluster.name, cluster.hosted.namespace
        return Site("node pool config", cluster.worker_image, False, name, namespace, cluster.mirrors, worker(cluster))
    release = cluster.release
    is_known = release is not None and has_boot_module_config(release)
    return Site("machine config", cluster.worker_image, is_known, mirrors=cluster.mirrors, worker=worker(cluster))


def worker(cluster: Cluster) -> Origin | None:
    """Return where a cluster names KMM's worker; None where it does not."""
    document, path = cluster.document, ("spec", "tools", "worker")
    return Origin(document.file, *document.position(path), "cluster", path) if cluster.worker_image else None


def management(cluster: Cluster) -> str:
    """Return the cluster in whose tree the configuration of NodePools lies."""
    return cluster.hosted.management if cluster.hosted else cluster.name


def why_none(cluster: Cluster) -> str:
    """Why a cluster takes no machine configuration; empty where it does."""
    if cluster.platform != "openshift":
        return "is not OpenShift, and has no Machine Config Operator"
    if cluster.topology == "microshift":
        return "is MicroShift, which has no Machine Config Operator"
    if cluster.is_managed:
        return "is managed: its provider configures the machines, and takes no MachineConfig of others"
    if cluster.topology == "hosted" and cluster.hosted is None:
        return "is hosted, and does not say on which cluster its NodePools are"
    return ""


def machine_configs(variant: Variant, sources: Sources, site: Site) -> list[Manifest]:
    """The MachineConfig of a pool, on a cluster of OpenShift."""
    if site.takes != "machine config" or boot_of(variant).get("bootModuleConfig"):
        return []
    settings = _settings(variant, sources, site)
    name = f"99-{settings.pool}-kmodgate-{settings.driver}"
    return [_pulling(variant, settings, site, lambda found: _machine_config(variant, found, name))]


def node_pool_configs(variant: Variant, sources: Sources, site: Site) -> list[Manifest]:
    """The ConfigMap with a MachineConfig that a NodePool of a hosted cluster names in its `config`."""
    if site.takes != "node pool config":
        return []
    settings = _settings(variant, sources, site)
    return [_pulling(variant, settings, site, lambda found: _node_pool_config(variant, found, site))]


def _node_pool_config(variant: Variant, settings: BootSettings, site: Site) -> JsonMap:
    inner = _machine_config(variant, settings, f"99-{settings.pool}-kmodgate-{settings.driver}")
    metadata = dict(as_map(inner["metadata"]))
    del metadata["annotations"]
    metadata["labels"] = {POOL_LABEL: "worker"}
    name = f"kmodgate-boot-{settings.driver}-{site.name}"
    labels: dict[str, Json] = {
        DRIVER_LABEL: hosted_driver(settings.driver, site.name),
        NODE_POOL_LABEL: settings.pool,
    }
    outer = _metadata(variant, "ConfigMap", name, site.namespace, labels)
    outer["annotations"] = {**as_map(outer["annotations"]), CLUSTER_ANNOTATION: site.name}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": outer,
        "data": {"config": emit({**inner, "metadata": metadata})},
    }


def boot_module_configs(variant: Variant, sources: Sources, site: Site) -> list[Manifest]:
    """The BootModuleConfig by which Red Hat's KMM writes the MachineConfig itself."""
    boot = boot_of(variant)
    if site.takes != "machine config" or not boot.get("bootModuleConfig"):
        return []
    settings = _settings(variant, sources, site)
    spec: JsonMap = {
        "machineConfigName": f"99-{settings.pool}-kmm-{settings.driver}",
        "machineConfigPoolName": settings.pool,
        "kernelModuleImage": settings.image.name,
        "kernelModuleName": settings.module,
    }
    if settings.removals:
        spec["inTreeModulesToRemove"] = list(settings.removals)
    if settings.firmware:
        spec["firmwareFilesPath"] = settings.firmware
    if settings.worker_image:
        spec["workerImage"] = settings.worker_image
    value: JsonMap = {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "BootModuleConfig",
        "metadata": _metadata(variant, "BootModuleConfig", settings.driver, variant.namespace, {}),
        "spec": spec,
    }
    return [_manifest(variant, value, site)]


def is_on(value: JsonMap, cluster: Cluster, group: NodeGroup) -> bool:
    """Whether the nodes of a group are configured by an object."""
    return is_in_pool(cluster, group, pool_of(value))


def pool_of(value: JsonMap) -> str:
    """Return the pool that an object is for; empty where it does not say so."""
    labels = as_map(metadata_of(value).get("labels"))
    named = as_map(value.get("spec")).get("machineConfigPoolName")
    return str(labels.get(POOL_LABEL) or labels.get(NODE_POOL_LABEL) or named or "")


def cluster_of(value: JsonMap) -> str:
    """Return the hosted cluster that an object configures from another one; empty for any other."""
    return str(as_map(metadata_of(value).get("annotations")).get(CLUSTER_ANNOTATION, ""))


def _machine_config(variant: Variant, settings: BootSettings, name: str) -> JsonMap:
    labels: dict[str, Json] = {POOL_LABEL: settings.pool, DRIVER_LABEL: settings.driver}
    return {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfig",
        "metadata": _metadata(variant, "MachineConfig", name, "", labels),
        "spec": {"config": ignition(settings)},
    }


def _settings(variant: Variant, sources: Sources, site: Site) -> BootSettings:
    loader = as_map(as_map(as_map(kmm.module(variant, sources)["spec"]).get("moduleLoader")).get("container"))
    return boot_settings(variant.driver.name, variant.namespace, boot_of(variant), dict(loader), site.worker_image)


def _mirrored(settings: BootSettings, site: Site) -> BootSettings:
    """The settings with the names that nodes pull by; the texts of units are no fields that name an image."""
    image, worker = settings.image, pulled(settings.worker_image, site.mirrors)
    if found := pulled(image.for_kernel(_ANY), site.mirrors):
        image = replace(image, name=found.reference.removesuffix(image.for_kernel(_ANY).removeprefix(image.name)))
    return replace(settings, image=image, worker_image=worker.reference if worker else settings.worker_image)


def _pulling(variant: Variant, settings: BootSettings, site: Site, made: Callable[[BootSettings], JsonMap]) -> Manifest:
    """The object with the names that nodes pull by, and the one that the spec says."""
    mirrored = _mirrored(settings, site)
    manifest = _manifest(variant, made(settings), site)
    return manifest if mirrored == settings else replace(_manifest(variant, made(mirrored), site), unmirrored=manifest)


def _metadata(variant: Variant, kind: str, name: str, namespace: str, labels: dict[str, Json]) -> JsonMap:
    driver = variant.driver
    place: JsonMap = {"namespace": namespace} if namespace else {}
    return {
        "name": name,
        **place,
        "labels": {**labels, "app.kubernetes.io/name": driver.name, **MANAGED_BY},
        "annotations": {
            **argo.sync_annotations(kind, argo.ASK_BEFORE_REMOVAL),
            kmm.SPEC_ANNOTATION: driver.document.file,
        },
    }


def _manifest(variant: Variant, value: JsonMap, site: Site) -> Manifest:
    kind, file = str(value["kind"]), variant.driver.document.file
    lines = _trace_lines(variant, value, site)
    return Manifest(value, variant.driver, file, _trace(variant, kind, site), lines=lines)


def _trace(variant: Variant, kind: str, site: Site) -> Callable[[FieldPath], Origin]:
    def trace(path: FieldPath) -> Origin:
        place = cause(kind, path) if kind != "ConfigMap" else None
        origin = _origin(variant, place or ("boot",), site)
        return origin if place is not None else replace(origin, source="default")

    return trace


def _trace_lines(variant: Variant, value: JsonMap, site: Site) -> Callable[[FieldPath, int], Origin | None]:
    """Trace the lines of a unit that name an image; paths are those of the MachineConfig, in a ConfigMap, too."""

    def trace(path: FieldPath, line: int) -> Origin | None:
        lines = str(value_at(machine_config_of(value) or value, path, "")).split("\n")
        found = _IMAGE_LINE.match(lines[line - 1]) if line <= len(lines) else None
        return _origin(variant, _IMAGE_FIELDS[found[1]], site) if found else None

    return trace


def _origin(variant: Variant, path: FieldPath, site: Site) -> Origin:
    """The place of a field of the spec, or of what stands for an image that `boot` does not name."""
    boot = boot_of(variant)
    if path == _IMAGE_FIELDS["WORKER_IMAGE"] and site.worker and not boot.get("workerImage"):
        return site.worker
    if path == _IMAGE_FIELDS["KERNEL_MODULE_IMAGE"] and "image" not in boot:
        return variant.origin(image_path(variant.spec))
    return variant.origin(path)


def boot_of(variant: Variant) -> JsonMap:
    """Return `spec.boot` of a driver; empty where there is none."""
    boot = variant.spec.get("boot")
    return boot if isinstance(boot, dict) else {}
