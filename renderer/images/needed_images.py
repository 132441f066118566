"""A compiled fleet → the images that its clusters pull and that nothing in them makes, by the names of their sources.

What KMM builds or signs is made in the cluster; the images that it starts from are not. The driver toolkit comes with
OpenShift's release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.findings import FieldPath, format_path
from kmodgate.policy.formats.dockerfiles import variables
from kmodgate.policy.formats.image_mirrors import pulled
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.kmm.node_selection import why_not_selected
from kmodgate.policy.kmm.resolution.resolve import Resolution, Unresolved, resolve
from kmodgate.policy.views.base_images import base_images, filled
from kmodgate.policy.views.dockerfile import KEY, dockerfile_of
from kmodgate.policy.views.image_fields import image_fields
from kmodgate.policy.views.module import ModuleView
from kmodgate.renderer.compile.compiler import CompiledFleet
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

    def add(self, reference: str, use: str, cluster: Cluster) -> None:
        """Add an image that a cluster pulls; none that still has a variable."""
        if "$" in reference:
            self.unknown[f"{cluster.name}: {use}: {reference} has a variable that is not known"] = None
            return
        image = self.images.setdefault(reference, NeededImage(reference))
        image.uses[use] = None
        found = pulled(reference, cluster.mirrors)
        image.pulled_as[cluster.name] = reference if found is None else found.reference


def needed_images(found: CompiledFleet, only: Sequence[str], asked: Sequence[str]) -> NeededImages:
    """Return the images of all clusters, or of some, for the kernels that nodes run, get next, or are asked about."""
    result = NeededImages()
    for cluster in found.fleet.clusters:
        if only and cluster.name not in only:
            continue
        objects = [manifest.unmirrored or manifest for _, manifest in found.placed.get(cluster.name, ())]
        dockerfiles = {item.identity.name: item.value for item in objects if KEY in as_map(item.value.get("data"))}
        for manifest in objects:
            if manifest.identity.kind in MODULE_KINDS:
                _of_module(cluster, manifest, dockerfiles, asked, result)
            else:
                for path, image in image_fields(manifest.value):
                    result.add(image, _use(manifest, path), cluster)
    return result


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
    if view.loader is None:
        return
    module = {"metadata": metadata_of(manifest.value), "spec": view.spec.value}
    kernels = list(dict.fromkeys(_kernels(cluster, module, asked)))
    if not kernels:
        kernels = [mapping.literal for mapping in view.literals]
        result.unknown[
            f"{cluster.name}: the kernels of its nodes, so that images of {manifest.identity} are missing"
        ] = None
    for kernel in kernels:
        try:
            resolution = resolve(module, trimmed(kernel))
        except Unresolved:
            continue  # no mapping: nothing is loaded, and nothing pulled
        for image, what in _starting_points(resolution, module, dockerfiles):
            if image:
                result.add(image, f"{manifest.identity}: {what}", cluster)
            else:
                result.unknown[f"{cluster.name}: {manifest.identity}: {what}"] = None


def _kernels(cluster: Cluster, module: Mapping[str, Any], asked: Sequence[str]) -> Iterator[str]:
    """The kernels of the nodes that a Module selects."""
    for nodes in cluster.nodes:
        group = group_of(cluster, [nodes])
        if not why_not_selected(module, group.node):
            yield from (kernel for kernel, _ in group.kernels_by_phase(asked))


def _starting_points(
    found: Resolution, module: Mapping[str, Any], dockerfiles: Mapping[str, JsonMap]
) -> Iterator[tuple[str, str]]:
    """The images that a kernel needs from elsewhere, each with what it is."""
    if found.build is not None:
        name = as_map(found.build.get("dockerfileConfigMap")).get("name")
        dockerfile = dockerfile_of(dockerfiles.get(str(name), {}))
        if dockerfile is None:
            yield "", f"the Dockerfile in ConfigMap {name}, which the fleet does not have, and so its base images"
            return
        given = {item["name"]: item["value"] for item in found.build.get("buildArgs") or ()}
        values = {**dockerfile.arguments, **given, **_of_build(found, module)}
        for written, line in base_images(dockerfile):
            image = filled(written, list(variables(written, dockerfile.escape)), values)
            if image:
                yield image, f"base image, line {line} of its Dockerfile"
    elif found.sign is not None:
        yield found.sign["unsignedImage"], "unsignedImage"
    else:
        yield found.image, "containerImage"


def _of_build(found: Resolution, module: Mapping[str, Any]) -> dict[str, str]:
    """The build arguments that KMM sets; the driver toolkit is of OpenShift's release and has none here."""
    metadata = module["metadata"]
    kernel = {"KERNEL_VERSION": found.kernel, "KERNEL_FULL_VERSION": found.kernel}
    names = {"MOD_NAME": str(metadata.get("name", "")), "MOD_NAMESPACE": str(metadata.get("namespace", ""))}
    return {**kernel, **names, "DTK_AUTO": ""}
