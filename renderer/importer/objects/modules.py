"""A Module of one cluster → the spec of its driver there, and what of it no spec can say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.deliveries.kmm import content_hashes
from kmodgate.renderer.deliveries.kmm.objects import REMOVAL, SPEC_ANNOTATION
from kmodgate.renderer.fleet.fields.conversion import decompile_fields
from kmodgate.renderer.fleet.fields.field_table import DRIVER_FIELDS, SYNC_OPTIONS
from kmodgate.renderer.fleet.loading.read_specs import RESERVED_LABELS
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.normal_form import normal_spec
from kmodgate.renderer.importer.objects.reading import Found
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ARGO = "argocd.argoproj.io/"
TRACKING = ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/installation-id", "argocd.argoproj.io/refresh")
ARGO_INSTANCE = "app.kubernetes.io/instance"

_OF_THE_SPEC = "it stays in the spec's annotations, and render does not write it"


@dataclass(frozen=True, slots=True)
class Driver:
    """What one Module is as a spec on one cluster; `spec` has no clusters yet."""

    found: Found
    labels: JsonMap
    annotations: JsonMap
    spec: JsonMap = field(repr=False)

    @property
    def name(self) -> str:
        return self.found.identity.name

    @property
    def namespace(self) -> str:
        return self.found.identity.namespace


def driver_of(found: Found, findings: list[Finding]) -> Driver | None:
    """The driver of a Module; what it cannot say goes to `findings`. None where there is no driver to say it."""
    if not found.identity.namespace:
        fix = "add metadata.namespace"
        findings.append(found.lost("IMP001", ("metadata",), "not imported: a Module without a namespace", fix))
        return None
    if wrong := next((key for key in ("labels", "annotations") if not _is_map(found, key)), None):
        fix = "write a map of strings"
        findings.append(found.lost("IMP001", ("metadata", wrong), f"not imported: its {wrong} are not a map", fix))
        return None
    if path := next(_odd_arguments(found.value.get("spec")), None):
        message, fix = "not imported: a build argument is not a text", "write name and value as strings"
        findings.append(found.lost("IMP001", ("spec", *path), message, fix))
        return None
    findings += _lost_labels(found)
    findings += _lost_annotations(found)
    findings += _being_deleted(found)
    delivery: JsonMap = {}
    if found.translation is not None:
        findings += found.translation.lost
        delivery = found.translation.delivery
    labels = {key: text for key, text in found.metadata("labels").items() if not _is_reserved(key)}
    annotations = {key: text for key, text in found.metadata("annotations").items() if not _is_the_clusters(key)}
    return Driver(found, labels, annotations, {**delivery, **_removal(found), **_spec(found)})


def _is_map(found: Found, key: str) -> bool:
    return isinstance(metadata_of(found.value).get(key), dict | None)


def _odd_arguments(value: Json, path: FieldPath = ()) -> Iterator[FieldPath]:
    """The names and values of build arguments that are no texts: a spec has them as keys and texts."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if path[-2:-1] == ("buildArgs",) and key in ("name", "value") and not isinstance(item, str):
            yield (*path, key)
        yield from _odd_arguments(item, (*path, key))


def _spec(found: Found) -> JsonMap:
    spec = decompile_fields(DRIVER_FIELDS, normal_spec(found.value))
    modprobe = spec.get("modprobe")
    if isinstance(modprobe, dict):
        spec["modprobe"] = {
            key: value for key, value in modprobe.items() if (key, value) not in (("dirName", "/opt"), ("rawArgs", {}))
        }
    mappings = spec.get("kernelMappings")
    if isinstance(mappings, list):
        spec["kernelMappings"] = [_without_empty_image(item) if isinstance(item, dict) else item for item in mappings]
    return spec


def _without_empty_image(mapping: JsonMap) -> JsonMap:
    return {key: value for key, value in mapping.items() if (key, value) != ("containerImage", "")}


def _is_reserved(key: str) -> bool:
    return key in RESERVED_LABELS or key.startswith(ARGO)


def _lost_labels(found: Found) -> Iterator[Finding]:
    own = {"app.kubernetes.io/name": found.identity.name, **MANAGED_BY}
    for key, text in found.metadata("labels").items():
        if key in own and text != own[key]:
            message = f"not carried over: render writes {own[key]}"
            yield found.lost("IMP003", ("metadata", "labels", key), message, "nothing, unless others select by it")


def _is_the_clusters(key: str) -> bool:
    return key in (LAST_APPLIED, SPEC_ANNOTATION) or key.startswith(ARGO)


def _lost_annotations(found: Found) -> Iterator[Finding]:
    own = argo.sync_annotations("Module")
    for key, text in found.metadata("annotations").items():
        path: FieldPath = ("metadata", "annotations", key)
        if not _is_the_clusters(key):
            yield found.lost("IMP003", path, f"not carried over: {_OF_THE_SPEC}", "nothing, if it is a note")
        elif key == argo.SYNC_WAVE and text != own[argo.SYNC_WAVE]:
            message = f"not carried over: render writes {own[argo.SYNC_WAVE]}"
            yield found.lost("IMP003", path, message, "nothing; render puts the waves of all its objects in order")
        elif key == SYNC_OPTIONS and _of_removal(text) not in REMOVAL.values():
            fix = "see spec.removal: confirm, auto or retain"
            yield found.lost("IMP003", path, f"not carried over: {text}", fix)
        elif key.startswith(ARGO) and key not in (*TRACKING, argo.SYNC_WAVE, SYNC_OPTIONS):
            yield found.lost("IMP003", path, f"not carried over: {text}", "say it in the Application, if it is needed")


def _being_deleted(found: Found) -> Iterator[Finding]:
    if metadata_of(found.value).get("deletionTimestamp"):
        message = "the Module is being deleted, and render would bring it back"
        yield found.lost("IMP003", ("metadata", "deletionTimestamp"), message, "remove its spec, if it is to go")


def _removal(found: Found) -> JsonMap:
    """What Argo CD is told to do when the Module leaves the tree; a Module of others gets the default, confirm."""
    annotations = found.metadata("annotations")
    options = _of_removal(annotations.get(SYNC_OPTIONS))
    if not options:
        return {"removal": "auto"} if SPEC_ANNOTATION in annotations else {}
    kind = next((kind for kind, text in REMOVAL.items() if text == options), "confirm")
    return {} if kind == "confirm" else {"removal": kind}


def _of_removal(options: Json) -> str:
    """The options of Argo CD without the one that render writes where the cluster's operator brings the kind."""
    return ",".join(item for item in str(options or "").split(",") if item != argo.KIND_MAY_BE_MISSING)


_HASH = lazy_regex(r"-[0-9a-f]{8}$")


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
