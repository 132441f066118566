"""Every field of an object that names an image which a node pulls, or which a build or signing starts from."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.kmm.kinds import MODULE_KINDS, WITH_IMAGES, kind_of
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Map, list_in, map_in, texts
from kmodgate.policy.views.pod import POD_KINDS, PodView

_MANIFEST_WORK = "work.open-cluster-management.io/ManifestWork"
_WORK: FieldPath = ("spec", "workload", "manifests")
"""Where a ManifestWork has the objects that it carries to a spoke."""


def image_fields(object: Map) -> Iterator[tuple[FieldPath, str]]:
    """Yield path and text of every image that an object names.

    The object is a Module, another kind of KMM with images, a Pod, a workload, or a ManifestWork with any of these. The
    base images of a build are in none of its fields: they stand in its Dockerfile.
    """
    kind = kind_of(object)
    if kind in MODULE_KINDS:
        module = ModuleView(object)
        yield from (*module.images, *module.unsigned_images, *module.pod_images)
    elif kind in WITH_IMAGES:
        yield from ((item.path, item.value) for item in texts(object) if item.is_image and item.value)
    elif kind in POD_KINDS:
        pod = PodView(object, kind)
        yield from (((*item.path, "image"), image) for item in pod.containers if (image := item.text("image")))
        volumes = [item.map("image") for item in pod.volumes if item.optional("image") is not None]
        yield from (((*item.path, "reference"), image) for item in volumes if (image := item.text("reference")))
    elif kind == _MANIFEST_WORK:
        yield from _carried(object)


def _carried(work: Map) -> Iterator[tuple[FieldPath, str]]:
    for index, item in enumerate(list_in(map_in(map_in(work, "spec"), "workload"), "manifests")):
        if isinstance(item, dict):
            yield from (((*_WORK, index, *path), image) for path, image in image_fields(item))
