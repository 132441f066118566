"""A compiled fleet → the images that its clusters pull and that nothing in them makes, by the names of their sources.

What KMM builds or signs is made in the cluster; the images that it starts from are not. The driver toolkit comes with
OpenShift's release. A hub makes the images of its spokes, for all kernels that run there, and pulls the others, too.
What nodes pull to load at boot is named without a kernel, which is the tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, format_path
from kmodgate.policy.formats.dockerfiles import variables
from kmodgate.policy.formats.image_mirrors import Mirror, pulled
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.kmm.nodes.node_selection import why_not_selected
from kmodgate.policy.kmm.resolution.resolve import Resolution, Unresolved, resolve
from kmodgate.policy.views.boot_config import BootConfig, boot_config
from kmodgate.policy.views.builds.base_images import base_images, filled
from kmodgate.policy.views.builds.dockerfile import KEY, dockerfile_of
from kmodgate.policy.views.image_fields import image_fields
from kmodgate.policy.views.module import ModuleView
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.deliveries.hub.hub_module import operator_namespace
from kmodgate.renderer.fleet.clusters.pools import groups_in_pool
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.plan.coverage import group_of


@dataclass(slots=True)
class NeededImage:
    """An image: the objects and fields that name it, and the name by which each cluster pulls it."""

    reference: str
    uses: dict[str, None] = field(default_factory=dict)
    pulled_as: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class NeededImages:
    """The images by their references, and what could not be found out."""

    images: dict[str, NeededImage] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)

    def add(self, reference: str, use: str, cluster: Cluster, mirrors: Sequence[Mirror] | None = None) -> None:
        """Add an image that a cluster pulls, from its own mirrors or others; none that still has a variable."""
        if "$" in reference:
            self.miss(cluster, f"{use}: {reference} has a variable that is not known")
            return
        image = self.images.setdefault(reference, NeededImage(reference))
        image.uses[use] = None
        found = pulled(reference, cluster.mirrors if mirrors is None else mirrors)
        image.pulled_as[cluster.name] = reference if found is None else found.reference

    def miss(self, cluster: Cluster, what: str) -> None:
        """Note what could not be found out about a cluster."""
        self.unknown[f"{cluster.name}: {what}"] = None


def needed_images(found: CompiledFleet, only: Sequence[str], asked: Sequence[str]) -> NeededImages:
    """Return the images of all clusters, or of some, for the kernels that nodes run, get next, or are asked about."""
    result = NeededImages()
    hubs = {spoke.name: hub for hub in found.fleet.clusters for spoke in hub.spokes}
    for cluster in found.fleet.clusters:
        if only and cluster.name not in only:
            continue
        objects = [manifest.unmirrored or manifest for _, manifest in found.placed.get(cluster.name, ())]
        dockerfiles = {item.identity.name: item.value for item in objects if KEY in as_map(item.value.get("data"))}
        for manifest in objects:
            if manifest.identity.kind == "ManagedClusterModule":
                _of_hub_module(cluster, manifest, dockerfiles, asked, result)
            elif manifest.identity.kind in MODULE_KINDS:
                _of_module(cluster, manifest, dockerfiles, asked, result)
            elif manifest.identity.kind != "ManifestWork":  # whose spoke pulls what it carries
                _of_fields(cluster, manifest, result)
        for manifest in found.delivered.get(cluster.name, ()):
            _of_delivered(cluster, manifest.unmirrored or manifest, hubs[cluster.name], asked, result)
    _at_boot(found, only, asked, result)
    return result


def _of_fields(cluster: Cluster, manifest: Manifest, result: NeededImages) -> None:
    if boot_config(manifest.value) is None:  # that names an image without its tag
        for path, image in image_fields(manifest.value):
            result.add(image, _use(manifest, path), cluster)


def _at_boot(found: CompiledFleet, only: Sequence[str], asked: Sequence[str], result: NeededImages) -> None:
    """What nodes pull to load at boot; for those of a hosted cluster it lies in the tree of another one."""
    clusters = {cluster.name: cluster for cluster in found.fleet.clusters}
    for tree in clusters.values():
        for _, placed in found.placed.get(tree.name, ()):
            manifest = placed.unmirrored or placed
            boot, cluster = boot_config(manifest.value), clusters.get(cluster_of(manifest.value), tree)
            if boot is not None and (not only or cluster.name in only):
                own = (item.unmirrored or item for _, item in found.placed.get(cluster.name, ()))
                made = {image for item in own for image in _made(cluster, item, asked)}
                _of_boot(cluster, manifest, boot, made, asked, result)


def _of_boot(
    cluster: Cluster, manifest: Manifest, boot: BootConfig, made: set[str], asked: Sequence[str], result: NeededImages
) -> None:
    """The worker, and the image of each kernel of the pool that KMM does not make itself."""
    if boot.worker_image:
        result.add(boot.worker_image, f"{manifest.identity}: worker image at boot", cluster)
    members = [group_of(cluster, [nodes]) for nodes in groups_in_pool(cluster, boot.pool)]
    kernels = dict.fromkeys(kernel for group in members for kernel, _ in group.kernels_by_phase(asked))
    if not kernels:
        result.miss(cluster, f"the kernels of pool {boot.pool}, so that images of {manifest.identity} are missing")
    for kernel in kernels:
        image = boot.for_kernel(kernel)
        if "+" not in kernel and image not in made:  # no tag has a +: such a kernel loads nothing at boot
            result.add(image, f"{manifest.identity}: image at boot", cluster)


def _made(cluster: Cluster, manifest: Manifest, asked: Sequence[str]) -> Iterator[str]:
    """The images that KMM builds or signs for a Module, of the kernels of its nodes."""
    if manifest.identity.kind not in MODULE_KINDS or ModuleView(manifest.value).loader is None:
        return
    module = {"metadata": metadata_of(manifest.value), "spec": ModuleView(manifest.value).spec.value}
    for kernel in dict.fromkeys(_kernels(cluster, module, asked)):
        try:
            found = resolve(module, trimmed(kernel))
        except Unresolved:
            continue
        if found.build is not None or found.sign is not None:
            yield found.image


def _use(manifest: Manifest, path: FieldPath) -> str:
    return f"{manifest.identity}: {format_path(path)}"


def _of_module(
    cluster: Cluster,
    manifest: Manifest,
    dockerfiles: Mapping[str, JsonMap],
    asked: Sequence[str],
    result: NeededImages,
) -> None:
    view = ModuleView(manifest.value)
    for path, image in view.pod_images:
        result.add(image, _use(manifest, path), cluster)
    module = {"metadata": metadata_of(manifest.value), "spec": view.spec.value}
    kernels, whose = _kernels(cluster, module, asked), f"{cluster.name}: the kernels of its nodes"
    for found in _resolutions(manifest, module, kernels, whose, result):
        _add_starting_points(cluster, manifest, found, module["metadata"], dockerfiles, result)


def _of_hub_module(
    hub: Cluster, manifest: Manifest, dockerfiles: Mapping[str, JsonMap], asked: Sequence[str], result: NeededImages
) -> None:
    """What a hub pulls for its spokes: it builds and signs for each kernel that a node reports, selected or not.

    It pulls a prebuilt image, too, to see that it is there, and sends no Module before. Sources: internal/controllers
    and internal/pod of Kernel Module Management.
    """
    name, namespace = manifest.identity.name, operator_namespace(hub)
    module = {"metadata": {"name": name, "namespace": namespace}, "spec": ModuleView(manifest.value).spec.value}
    spokes = [spoke for spoke in hub.spokes if spoke.name in manifest.elsewhere]
    if not spokes:
        result.miss(hub, f"the spokes that {manifest.identity} selects, so that its images are missing")
    for spoke in spokes:
        groups = (group_of(spoke, [nodes]) for nodes in spoke.nodes)
        kernels = (kernel for group in groups for kernel, _ in group.kernels_by_phase(asked))
        builder = {"name": f"{name}-{spoke.name}", "namespace": namespace}
        whose = f"{hub.name}: the kernels of its spoke {spoke.name}"
        for found in _resolutions(manifest, module, kernels, whose, result):
            _add_starting_points(hub, manifest, found, builder, dockerfiles, result)


def _of_delivered(spoke: Cluster, manifest: Manifest, hub: Cluster, asked: Sequence[str], result: NeededImages) -> None:
    """What a spoke pulls for an object that comes from its hub: nothing that the hub makes.

    Images of Modules are named by the mirrors of the hub, others by those of the spoke.
    """
    is_module = manifest.identity.kind in MODULE_KINDS
    for path, image in ModuleView(manifest.value).pod_images if is_module else image_fields(manifest.value):
        result.add(image, _use(manifest, path), spoke, hub.mirrors if is_module else None)
    if not is_module:
        return
    module = {"metadata": metadata_of(manifest.value), "spec": ModuleView(manifest.value).spec.value}
    kernels, whose = _kernels(spoke, module, asked), f"{spoke.name}: the kernels of its nodes"
    for found in _resolutions(manifest, module, kernels, whose, result):
        if found.build is None and found.sign is None:
            result.add(found.image, f"{manifest.identity}: containerImage", spoke, hub.mirrors)


def _resolutions(
    manifest: Manifest, module: Mapping[str, Any], kernels: Iterable[str], whose: str, result: NeededImages
) -> Iterator[Resolution]:
    """What a Module makes of kernels; without any, what it makes of those that it names.

    Of a kernel without a mapping nothing is loaded, and nothing pulled.
    """
    view = ModuleView(manifest.value)
    if view.loader is None:
        return
    known = list(dict.fromkeys(kernels))
    if not known:
        known = [mapping.literal for mapping in view.literals]
        result.unknown[f"{whose}, so that images of {manifest.identity} are missing"] = None
    for kernel in known:
        with suppress(Unresolved):
            yield resolve(module, trimmed(kernel))


def _add_starting_points(
    cluster: Cluster,
    manifest: Manifest,
    found: Resolution,
    builder: Mapping[str, Any],
    dockerfiles: Mapping[str, JsonMap],
    result: NeededImages,
) -> None:
    for image, what in _starting_points(found, builder, dockerfiles):
        if image:
            result.add(image, f"{manifest.identity}: {what}", cluster)
        else:
            result.miss(cluster, f"{manifest.identity}: {what}")


def _kernels(cluster: Cluster, module: Mapping[str, Any], asked: Sequence[str]) -> Iterator[str]:
    """The kernels of the nodes that a Module selects."""
    for nodes in cluster.nodes:
        group = group_of(cluster, [nodes])
        if not why_not_selected(module, group.node):
            yield from (kernel for kernel, _ in group.kernels_by_phase(asked))


def _starting_points(
    found: Resolution, builder: Mapping[str, Any], dockerfiles: Mapping[str, JsonMap]
) -> Iterator[tuple[str, str]]:
    """The images that a kernel needs from elsewhere, each with what it is; `builder` is the metadata of what builds."""
    if found.build is not None:
        name = as_map(found.build.get("dockerfileConfigMap")).get("name")
        dockerfile = dockerfile_of(dockerfiles.get(str(name), {}))
        if dockerfile is None:
            yield "", f"the Dockerfile in ConfigMap {name}, which the fleet does not have, and so its base images"
            return
        given = {item["name"]: item["value"] for item in found.build.get("buildArgs") or ()}
        values = {**dockerfile.arguments, **given, **_of_build(found, builder)}
        for written, line, _ in base_images(dockerfile):
            image = filled(written, list(variables(written, dockerfile.escape)), values)
            if image:
                yield image, f"base image, line {line} of its Dockerfile"
    elif found.sign is not None:
        yield found.sign["unsignedImage"], "unsignedImage"
    else:
        yield found.image, "containerImage"


def _of_build(found: Resolution, builder: Mapping[str, Any]) -> dict[str, str]:
    """The build arguments that KMM sets; the driver toolkit is of OpenShift's release and has none here."""
    kernel = {"KERNEL_VERSION": found.kernel, "KERNEL_FULL_VERSION": found.kernel}
    names = {"MOD_NAME": str(builder.get("name", "")), "MOD_NAMESPACE": str(builder.get("namespace", ""))}
    return {**kernel, **names, "DTK_AUTO": ""}
