"""Images whose tags render has extended by a hash → `contentTag` and the images as their author wrote them."""

from __future__ import annotations

import re

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.compile import content_hashes
from kmodgate.renderer.fleet.specs import JsonMap

_HASH = re.compile(r"-[0-9a-f]{8}$")


def with_content_tag(spec: JsonMap) -> JsonMap:
    """The spec with `contentTag` where that gives the very same images, else as it is."""
    mappings = spec.get("kernelMappings")
    if not isinstance(mappings, list):
        return spec
    image = _bare(spec.get("containerImage", ""))
    bare = {
        **spec,
        "kernelMappings": [_without_hash(item, image) if isinstance(item, dict) else item for item in mappings],
    }
    used = {**bare, "containerImage": image} if "containerImage" in spec else bare
    for candidate in (used, bare):  # the driver's own image has a hash if a mapping uses it
        if _images(candidate) != _images(spec) == _images(content_hashes.with_content_tags(candidate)):
            return {**candidate, "contentTag": True}
    return spec


def _without_hash(mapping: JsonMap, image: Json) -> JsonMap:
    """The mapping without the hash, and without an image that is the driver's own."""
    own = _bare(mapping.get("containerImage", ""))
    inherited = own == image and ("build" in mapping or "sign" in mapping)
    rest = {key: value for key, value in mapping.items() if key != "containerImage"}
    return rest if inherited or not own else {**mapping, "containerImage": own}


def _bare(image: Json) -> Json:
    return _HASH.sub("", image) if isinstance(image, str) else image


def _images(spec: JsonMap) -> list[Json]:
    mappings = spec.get("kernelMappings")
    levels = [spec, *(item for item in mappings if isinstance(item, dict))] if isinstance(mappings, list) else [spec]
    return [level.get("containerImage", "") for level in levels]
