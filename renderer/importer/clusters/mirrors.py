"""Mirror sets of OpenShift → `spec.mirrors` of the Cluster, as far as they rename no image of the imported drivers.

A mirror in a spec rewrites references, and one on the nodes does not: with another name KMM loads a driver again.
Source: config/v1 and operator/v1alpha1 (ImageContentSourcePolicy) of github.com/openshift/api.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.formats.dockerfiles import variables
from kmodgate.policy.formats.image_mirrors import Mirror, References, pulled
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.views.builds.base_images import base_images, filled
from kmodgate.policy.views.builds.dockerfile import BUILD_ARGUMENTS, dockerfile_of
from kmodgate.policy.views.image_fields import image_fields
from kmodgate.renderer.compile.mirrors.mirror_sets import NAME
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.importer.clusters.cluster_draft import Settings
from kmodgate.renderer.importer.objects.reading import Found, Objects

_KINDS: dict[str, tuple[str, References]] = {
    "ImageDigestMirrorSet": ("imageDigestMirrors", "digest"),
    "ImageTagMirrorSet": ("imageTagMirrors", "tag"),
    "ImageContentSourcePolicy": ("repositoryDigestMirrors", "digest"),
}
"""Kind → the field of its spec that has the mirrors, and the references that they are for."""


def add_mirrors(objects: Objects, settings: Settings) -> None:
    """Add the mirrors of a cluster; of a source the first one of the first object."""
    modules = [found for found in objects.values() if found.is_module]
    mirrors: dict[tuple[str, str], Json] = {}
    for found in objects.values():
        if found.identity.kind in _KINDS:
            affected = [item for item in modules if not (_is_ours(found) and item.is_rendered)]
            images = sorted({image for item in affected for image in _images(item, objects)})
            _add_set(found, images, mirrors, settings)


def _is_ours(found: Found) -> bool:
    """Whether kmodgate rendered a mirror set, beside Modules whose images have the mirror's name."""
    return found.identity.name == NAME and found.is_rendered


def _add_set(found: Found, images: list[str], mirrors: dict[tuple[str, str], Json], settings: Settings) -> None:
    key, references = _KINDS[found.identity.kind]
    for index, entry in enumerate(items_of(map_of(found.value.get("spec")).get(key))):
        item = map_of(entry)
        source, places = str(item.get("source", "")), [str(place) for place in items_of(item.get("mirrors"))]
        for number, place in enumerate(places):
            path = ("spec", key, index, "mirrors", number)
            policy = str(item.get("mirrorSourcePolicy", "AllowContactingSource"))
            mirror = Mirror(source, place, references, policy)
            renamed = next((image for image in images if pulled(image, [mirror])), "")
            if (source, references) in mirrors:
                message = "not carried over: a spec has one mirror of a source"
                fix = "nothing, where the first one has all images"
            elif renamed:
                message = f"not carried over: it would give {renamed} another name, and KMM load it again"
                fix = f"add {{source: {source}, mirror: {place}, type: {references}}} to spec.mirrors when that may be"
            else:
                new = _entry(mirror, found)
                if settings.put(found, path[:4], "mirrors", [*mirrors.values(), new], addition=[new]):
                    mirrors[source, references] = new
                continue
            settings.lost.append(found.lost("IMP004", path, message, fix))
    if _is_ours(found):
        settings.spec["mirrorObjects"] = True
    settings.spec["platform"] = "openshift"
    settings.take(found)


def _entry(mirror: Mirror, found: Found) -> Json:
    """The mirror as the spec says it; who is asked beside it counts only where render makes the object."""
    is_ours = found.identity.name == NAME and mirror.source_policy != "AllowContactingSource"
    more: dict[str, Json] = {"mirrorSourcePolicy": mirror.source_policy} if is_ours else {}
    return {"source": mirror.source, "mirror": mirror.mirror, "type": mirror.references, **more}


def _images(module: Found, objects: Objects) -> Iterator[str]:
    """The images that a Module names, with those that the Dockerfiles beside it begin with."""
    yield from (image for _, image in image_fields(module.value))
    for found in objects.values():
        is_beside = found.identity.kind == "ConfigMap" and found.identity.namespace == module.identity.namespace
        dockerfile = dockerfile_of(found.value) if is_beside else None
        for base in base_images(dockerfile) if dockerfile is not None else ():
            uses = list(variables(base.written, dockerfile.escape)) if dockerfile else []
            yield filled(base.written, uses, dockerfile.arguments if dockerfile else {}, BUILD_ARGUMENTS)
