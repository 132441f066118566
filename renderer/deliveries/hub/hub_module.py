"""The objects of a driver on a hub: its ManagedClusterModule, and what builds, signs and accompanies it.

KMM's operator on the hub builds and signs in its own namespace, and makes one ManifestWork a spoke, with the Module in
it. Sources: docs/mkdocs/documentation/hub_spoke.md, internal/manifestwork and internal/controllers/hub of Kernel Module
Management.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kmodgate.policy.cluster.controllers import HUB_NAMESPACES
from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.config import Platform
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Problem
from kmodgate.policy.kmm import versions
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.deliveries.hub import attached_sides, manifest_works, pull_secret_policy
from kmodgate.renderer.deliveries.kmm import objects as kmm
from kmodgate.renderer.fleet.fields.field_table import SYNC_OPTIONS
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.fleet.targets.referenced_files import Sources
from kmodgate.renderer.fleet.targets.targets import Target, Variant
from kmodgate.renderer.manifests.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Spoke:
    """What of a spoke decides the objects that it gets."""

    name: str
    platform: Platform
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Site:
    """What of a hub decides the objects. `namespace` is that of KMM's operator there."""

    namespace: str
    takes_one_removal: bool
    spokes: tuple[Spoke, ...]


def site(cluster: Cluster) -> Site:
    """Return what of a hub, and of the spokes that name it, decides the objects."""
    spokes = (Spoke(item.name, item.platform, tuple(sorted(item.labels.items()))) for item in cluster.spokes)
    is_old = cluster.release is not None and versions.takes_one_removal(cluster.release)
    return Site(operator_namespace(cluster), is_old, tuple(sorted(spokes, key=lambda spoke: spoke.name)))


def operator_namespace(cluster: Cluster) -> str:
    """Return the namespace of KMM's operator on a hub, in which it builds and signs."""
    operator = cluster.kmm
    return (operator and operator.namespace) or HUB_NAMESPACES[operator.flavour if operator else "upstream"]


def selector_of(variant: Variant) -> dict[str, str]:
    """Return the labels by which a driver selects ManagedClusters."""
    hub: Any = variant.spec["hub"]
    return dict(hub["selector"])


def selected_spokes(target: Target) -> list[Cluster]:
    """Return the spokes of a hub that a driver selects, as far as the fleet knows them."""
    selector = selector_of(target.variant)
    return [spoke for spoke in target.cluster.spokes if selector.items() <= spoke.labels.items()]


def copies_pull_secret(variant: Variant) -> bool:
    """Whether the pull secret is to be copied from the hub."""
    hub: Any = variant.spec["hub"]
    return bool(hub.get("copyPullSecret"))


def manifests(variant: Variant, sources: Sources, site: Site) -> list[Manifest]:
    """Every object of one driver on a hub; the ManagedClusterModule is the last."""
    selector = selector_of(variant)
    spokes = [spoke for spoke in site.spokes if selector.items() <= dict(spoke.labels).items()]
    module = kmm.module(variant, sources, takes_one_removal=site.takes_one_removal)
    attached = attached_sides.attached_sides(variant, sources, module, site.namespace)
    works = manifest_works.ManifestWorks(variant, attached.spokes)
    result = [*kmm.dockerfile_config_maps(variant, sources, site.namespace), *attached.hub]
    if copies_pull_secret(variant) and "imageRepoSecret" in variant.spec:
        result += pull_secret_policy.manifests(variant, selector, site.namespace)
    result += (works.manifest(spoke.name, spoke.platform) for spoke in spokes)
    made = kmm.manifest(variant, _managed_cluster_module(variant, module, selector), _trace(variant))
    on_spokes = module_on_spokes(made)
    result.append(replace(made, elsewhere={spoke.name: (on_spokes,) for spoke in spokes}))
    return result


def selects_as_before(was: Mapping[str, Any], now: Mapping[str, Any] | None) -> bool:
    """Whether a ManagedClusterModule still selects every spoke that it selected; none where it is gone or renamed."""
    if now is None or metadata_of(was).get("name") != metadata_of(now).get("name"):
        return False
    before, after = (as_map(as_map(item.get("spec")).get("selector")) for item in (was, now))
    return after.items() <= before.items()


def namespace_on_spokes(value: Mapping[str, Any]) -> str:
    """Return the namespace of the Modules that a ManagedClusterModule makes; another one takes these away."""
    return str(as_map(value.get("spec")).get("spokeNamespace", ""))


def _managed_cluster_module(variant: Variant, module: JsonMap, selector: dict[str, str]) -> JsonMap:
    metadata: Any = module["metadata"]
    return {
        "apiVersion": "hub.kmm.sigs.x-k8s.io/v1beta1",
        "kind": "ManagedClusterModule",
        "metadata": {key: item for key, item in metadata.items() if key != "namespace"},
        "spec": {"moduleSpec": module["spec"], "spokeNamespace": variant.namespace, "selector": {**selector}},
    }


def module_on_spokes(made: Manifest) -> Manifest:
    """Return the Module that a ManagedClusterModule makes, with the mappings from which the hub picks one a kernel.

    The hub carries no registryTLS of a mapping over. `build` and `sign` say here what it does before.
    """
    own: Any = made.value["spec"]
    metadata: Any = made.value["metadata"]
    spec = own["moduleSpec"]
    if loader := spec.get("moduleLoader"):
        container = loader["container"]
        mappings = [
            {key: item for key, item in mapping.items() if key != "registryTLS"}
            for mapping in container["kernelMappings"]
        ]
        spec = {**spec, "moduleLoader": {**loader, "container": {**container, "kernelMappings": mappings}}}
    options = {key: text for key, text in metadata["annotations"].items() if key == SYNC_OPTIONS}
    identity = {"name": metadata["name"], "namespace": own["spokeNamespace"], "annotations": options}
    value: JsonMap = {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": identity,
        "spec": spec,
    }

    def trace(path: FieldPath) -> Origin:
        return made.trace(("spec", "moduleSpec", *path[1:]) if path[:1] == ("spec",) else path)

    return Manifest(value, made.driver, made.file, trace)


def without_signing(module: JsonMap) -> JsonMap:
    """Return the Module of a spoke as the hub makes it, which has built and signed its images before."""
    spec: Any = module["spec"]
    if not (loader := spec.get("moduleLoader")):
        return module
    made = ("build", "sign")
    container = {key: item for key, item in loader["container"].items() if key not in made}
    mappings = container["kernelMappings"]
    container["kernelMappings"] = [{key: item for key, item in one.items() if key not in made} for one in mappings]
    return {**module, "spec": {**spec, "moduleLoader": {**loader, "container": container}}}


def unsupported(value: JsonMap, release: Release) -> Iterator[Problem]:
    """Yield the fields of a ManagedClusterModule that a release of KMM does not know or ignores."""
    spec: Any = value["spec"]
    for problem in versions.unsupported({**value, "spec": spec["moduleSpec"]}, release):
        yield problem._replace(path=("spec", "moduleSpec", *problem.path[1:]))


def _trace(variant: Variant) -> Callable[[FieldPath], Origin]:
    of_module = kmm.ModuleTrace(variant)

    def trace(path: FieldPath) -> Origin:
        if path[:2] == ("spec", "moduleSpec"):
            return of_module(("spec", *path[2:]))
        if path[:2] == ("spec", "spokeNamespace"):
            return variant.origin(("namespace", "name"))
        if path[:2] == ("spec", "selector"):
            return variant.origin(("hub", *path[1:]))
        return of_module(path)

    return trace
