"""One ImageService on one cluster → the files of its handover, and the objects that go into the tree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from pathlib import PurePosixPath

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, Mode, Severity, value_at
from kmodgate.policy.formats.yaml_documents import MAX_BYTES
from kmodgate.policy.ims.cfs_layers import UnusableConfigurationError, fields_of_service, with_flags
from kmodgate.policy.ims.settings import CONFIG_MAP, OVERLAY, is_expression
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.compile.image_services import handover_contents
from kmodgate.renderer.compile.image_services.argocd import argocd_objects, service_namespace
from kmodgate.renderer.compile.image_services.folder import FOLDER
from kmodgate.renderer.compile.image_services.fragment import CHECKSUM, fragment
from kmodgate.renderer.compile.image_services.ims_config import ImsConfig, ims_config
from kmodgate.renderer.compile.image_services.job_templates import as_own, template_objects
from kmodgate.renderer.compile.image_services.runtime_classes import runtime_classes
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable, resolve
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.emit_yaml import Quoted, emit
from kmodgate.renderer.manifests.handover import HandoverFile, head
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

_UNSAFE = lazy_regex(r"[^a-z0-9.-]+")
_MAX_STEM = 200  # file systems allow 255 bytes a name

LEFT_TO_SITE = "kmodgate.io/left-to-site"
"""Annotation of the expected ims-config: keys that the site's own customizations may say differently."""


@dataclass(slots=True)
class CompiledService:
    """What a service is on one cluster: files of the handover, objects of the tree, and objects to be judged only."""

    handover: list[HandoverFile] = field(default_factory=list)
    manifests: list[Manifest] = field(default_factory=list)
    judged: list[Manifest] = field(default_factory=list)


def compile_service(files: FleetFiles, target: ServiceTarget, findings: list[Finding]) -> CompiledService:
    """Compile the service of a cluster, whose name is nowhere in it; what cannot be used goes to `findings`."""
    config = ims_config(target)
    result = CompiledService()
    templates = template_objects(target, config, findings)
    if target.spec["owner"] == "loftsman":
        own = list(as_own(templates))
        objects = [*_objects_for_loftsman(target, config), *(_template_file(item) for _, item in own)]
        volumes = {volume: str(value_at(item, ("metadata", "name"))) for volume, item in own}
        applied = [_file(target, config, *item) for item in objects]
        result.handover += [_customizations(target, config, volumes), *applied]
        result.judged += [file.content for file in applied]
    else:
        ordered = (_kept_in_wave(value) for value in (*runtime_classes(target), *templates))
        objects_in_tree = [*ordered, *argocd_objects(target, config)]
        result.manifests += [_manifest(target, config, value) for value in objects_in_tree]
    result.handover += _flags(target)
    result.handover += _configurations(files, target, findings)
    return result


def _kept_in_wave(value: JsonMap) -> JsonMap:
    """The object with its place in the order of a sync; without it no pod of the service, or of its jobs, starts."""
    metadata: JsonMap = value["metadata"]  # type: ignore[assignment]
    annotations = argo.sync_annotations(str(value["kind"]), argo.NEVER_REMOVED)
    return {**value, "metadata": {**metadata, "annotations": annotations}}


def _template_file(value: JsonMap) -> tuple[str, str, JsonMap]:
    name = value_at(value, ("metadata", "name"))
    return f"{name}.yaml", "Apply it before the manifest is shipped: kubectl apply -f", value


def _customizations(target: ServiceTarget, config: ImsConfig, volumes: Mapping[str, str]) -> HandoverFile:
    use = "Merge it into the site's customizations.yaml, run manifestgen, and ship the manifest with loftsman."
    value = fragment(target, config, volumes)
    content = handover_contents.customizations(target, value, FOLDER)
    return HandoverFile(FOLDER, "customizations.yaml", _text(target, use, value), content)


def _objects_for_loftsman(target: ServiceTarget, config: ImsConfig) -> Iterator[tuple[str, str, JsonMap]]:
    """Yield name, use and object of the files that a site applies, or compares with."""
    expected = _config_map(target, CONFIG_MAP, config.chart)
    annotations: JsonMap = {CHECKSUM: config.checksum}
    if config.left:
        annotations[LEFT_TO_SITE] = ",".join(config.left)
    expected["metadata"]["annotations"] = annotations  # type: ignore[index,call-overload]
    yield "expected-ims-config.yaml", "What the chart renders then; compare with it, and do not apply it.", expected
    if config.overlay:
        use = "Apply it before the manifest is shipped: kubectl apply -f"
        yield f"{OVERLAY}.yaml", use, _config_map(target, OVERLAY, config.overlay)
    for item in runtime_classes(target):
        name = item["metadata"]["name"]  # type: ignore[index,call-overload]
        yield f"runtimeclass-{name}.yaml", "Apply it first: kubectl apply -f", item


def _manifest(target: ServiceTarget, config: ImsConfig, value: JsonMap) -> Manifest:
    """The object with its origins; of ims-config without the values that only the site's customizations resolve."""
    if value_at(value, ("metadata", "name")) == CONFIG_MAP:
        data: JsonMap = value["data"]  # type: ignore[assignment]
        value = {**value, "data": {key: text for key, text in data.items() if not is_expression(str(text))}}

    def trace(path: FieldPath) -> Origin:
        if (cause := _cause(str(value["kind"]), path, config)) is not None:
            return target.merged.origin(cause)
        place: FieldPath = ("metadata", "name")
        line, column = target.service.document.position(place)
        return Origin(target.service.document.file, line, column, "default", place)

    return Manifest(value, None, target.service.document.file, trace, folder=FOLDER)


_CAUSES: dict[tuple[str, FieldPath], FieldPath] = {
    ("RuntimeClass", ("metadata", "name")): ("kata", "runtimeClass"),
    ("RuntimeClass", ("handler",)): ("kata", "handler"),
    ("RuntimeClass", ("overhead",)): ("kata", "overhead"),
    ("RuntimeClass", ("scheduling",)): ("kata", "nodeSelector"),
    ("Job", ("spec", "template", "spec", "containers", 0, "image")): ("tools", "image"),
}
"""Kind and path of an object → the field of the spec that says it, with all below the path."""


def _cause(kind: str, path: FieldPath, config: ImsConfig) -> FieldPath | None:
    """Return the field of the spec that says a field of an object; None where none does."""
    if kind == "ConfigMap" and path[:1] == ("data",):
        return config.origins.get(str(path[1])) if len(path) > 1 else None
    return next((field for (of, above), field in _CAUSES.items() if of == kind and path[: len(above)] == above), None)


def _config_map(target: ServiceTarget, name: str, data: dict[str, str]) -> JsonMap:
    namespace = service_namespace(target)
    labels = {**MANAGED_BY, "app.kubernetes.io/name": "cray-ims"}
    if name == CONFIG_MAP:
        del labels[next(iter(MANAGED_BY))]  # the chart's own object
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "data": {key: Quoted(value) for key, value in data.items()},
    }


def _flags(target: ServiceTarget) -> Iterator[HandoverFile]:
    """The flags of recipes as `kmodgate ims sync-recipes --flags` takes them."""
    if recipes := target.spec.get("recipes"):
        text = json.dumps(recipes, indent=2, ensure_ascii=False) + "\n"
        yield HandoverFile(FOLDER, "recipe-flags.json", text, handover_contents.recipe_flags(target, recipes, FOLDER))


def _configurations(files: FleetFiles, target: ServiceTarget, findings: list[Finding]) -> Iterator[HandoverFile]:
    """The site's configurations of CFS with the flags of their layers."""
    names: dict[str, int] = {}
    for index, item in enumerate(target.spec.get("cfs", ())):
        path: FieldPath = ("cfs", index, "file")
        stem = _UNSAFE.sub("-", PurePosixPath(item["file"]).stem.lower())[:_MAX_STEM]
        name = f"cfs-{stem}.json"
        if names.setdefault(name, index) != index:
            message = f"{item['file']} would be the file {name} of the handover, as cfs[{names[name]}] is"
            findings.append(target.merged.finding(path, "IMS505", message, "rename one of the two files"))
            continue
        try:
            text = files.text(resolve(target.service.document.file, item["file"]), limit=MAX_BYTES)
            text = with_flags(text, item.get("api", "v3"), item["layers"])
        except Unreadable as error:
            findings.append(target.merged.finding(path, "REF003", f"{item['file']} {error.message}", error.fix))
        except UnusableConfigurationError as error:
            place = ("cfs", index, "layers", error.layer) if error.layer else path
            findings.append(target.merged.finding(place, "IMS505", f"{item['file']} {error}", error.fix))
        else:
            findings += _fields_of_service(target, path, item["file"], text)
            yield HandoverFile(FOLDER, name, text, handover_contents.cfs_configuration(target, text, index, stem))


def _fields_of_service(target: ServiceTarget, path: FieldPath, file: str, text: str) -> Iterator[Finding]:
    """Yield a warning about a configuration as `describe` prints it: CFS takes none with the fields that it sets."""
    if fields := fields_of_service(text):
        message = f"{file} has {' and '.join(fields)}, which CFS sets itself and does not take in an update"
        fix = f"remove {'them' if len(fields) > 1 else 'it'} from the file: jq 'del(.{', .'.join(fields)})'"
        finding = target.merged.finding(path, "IMS507", message, fix)
        yield replace(finding, severity=Severity.WARNING, mode=Mode.WARN)


def _file(target: ServiceTarget, config: ImsConfig, name: str, use: str, value: JsonMap) -> HandoverFile:
    return HandoverFile(FOLDER, name, _text(target, use, value), _manifest(target, config, value))


def _text(target: ServiceTarget, use: str, value: JsonMap) -> str:
    return head(target.service.document.file, use) + emit(value)
