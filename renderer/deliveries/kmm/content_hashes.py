"""Names that change with the content: Dockerfile ConfigMaps, and image tags on `contentTag`.

KMM decides by the image reference alone: a tag that exists is neither built nor signed again, whatever changes.
Source: internal/controllers/mic_reconciler.go of Kernel Module Management.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.resolution.resolve import IMAGE_INPUTS
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.fleet.specs import JsonMap

_VARIABLE = lazy_regex(r"\$\{[^}]*\}")


def config_map_name(driver: str, dockerfile: str) -> str:
    """`simple-kmod-dockerfile-1f0c2d9a4b`: another text is another ConfigMap."""
    return f"{driver}-dockerfile-{_hash(dockerfile, 10)}"


def with_config_maps(build: Json, driver: str, dockerfiles: Mapping[str, str]) -> Json:
    """The build with its `dockerfile` replaced by the name of the ConfigMap that will hold it."""
    if not isinstance(build, dict) or "dockerfile" not in build:
        return build
    name = config_map_name(driver, dockerfiles[str(build["dockerfile"])])
    return {"dockerfileConfigMap": name, **{key: value for key, value in build.items() if key != "dockerfile"}}


def with_content_tags(spec: JsonMap) -> JsonMap:
    """The spec with a content hash in the tag of every image that is built or signed."""
    common = _inputs(spec)
    result = dict(spec)
    mappings = _mappings(spec)
    if common and any(not (mapping.get("containerImage") or _inputs(mapping)) for mapping in mappings):
        result["containerImage"] = _tagged(str(spec.get("containerImage", "")), common)
    result["kernelMappings"] = [_with_tag(item, str(spec.get("containerImage", "")), common) for item in mappings]
    return result


def _with_tag(mapping: JsonMap, image: str, common: list[Json]) -> Json:
    own = _inputs(mapping)
    image = str(mapping.get("containerImage") or (image if own else ""))
    if not image or not (common or own):
        return mapping
    return {**mapping, "containerImage": _tagged(image, common + own)}


def _mappings(spec: JsonMap) -> list[JsonMap]:
    mappings = spec.get("kernelMappings")
    return [item for item in mappings if isinstance(item, dict)] if isinstance(mappings, list) else []


def _inputs(level: JsonMap) -> list[Json]:
    """What decides the content of the image at one level; empty where the level neither builds nor signs."""
    found: list[Json] = []
    for key, names in IMAGE_INPUTS.items():
        block = level.get(key)
        if isinstance(block, dict) and "prebuilt" not in block:
            found.append({name: block[name] for name in names if name in block})
    return found


def has_tag(image: str) -> bool:
    """Whether a hash can be appended to the image: it has a tag and no digest."""
    name = _VARIABLE.sub("v", image).rpartition("/")[2]
    return ":" in name and "@" not in name


def built_images(spec: JsonMap) -> list[tuple[tuple[str | int, ...], str]]:
    """Spec path and reference of every image that is built or signed, as its author wrote it."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    common = bool(_inputs(spec))
    inherited = False
    for index, mapping in enumerate(_mappings(spec)):
        if not (common or _inputs(mapping)):
            continue
        if mapping.get("containerImage"):
            found.append((("kernelMappings", index, "containerImage"), str(mapping["containerImage"])))
        else:
            inherited = True
    if inherited:
        found.insert(0, (("containerImage",), str(spec.get("containerImage", ""))))
    return found


def _tagged(image: str, inputs: list[Json]) -> str:
    return f"{image}-{_hash(json.dumps(inputs, sort_keys=True, ensure_ascii=False), 8)}"


def _hash(text: str, length: int) -> str:
    # a lone surrogate is refused where the object is written; the hash is not the place to say so
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:length]
