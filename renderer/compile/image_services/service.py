"""One ImageService on one cluster → the files of its handover, and the objects that go into the tree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.formats.yaml_documents import MAX_BYTES
from kmodgate.policy.ims.cfs_layers import UnusableConfigurationError, with_flags
from kmodgate.policy.ims.settings import CONFIG_MAP
from kmodgate.renderer.compile.image_services.fragment import CHECKSUM, OVERLAY, fragment
from kmodgate.renderer.compile.image_services.ims_config import ImsConfig, ims_config
from kmodgate.renderer.compile.image_services.runtime_classes import runtime_classes
from kmodgate.renderer.deliveries.service_accounts import MANAGED_BY
from kmodgate.renderer.fleet.files import FleetFiles, Unreadable, resolve
from kmodgate.renderer.fleet.image_services.service_targets import ServiceTarget
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests.emit_yaml import Quoted, emit
from kmodgate.renderer.manifests.manifest import Identity, Manifest, identity_of

_UNSAFE = re.compile(r"[^a-z0-9.-]+")
_MAX_STEM = 200  # file systems allow 255 bytes a name

FOLDER = "cray-ims"
"""The folder of a service, in the handover of a cluster and in its tree."""

LEFT_TO_SITE = "kmodgate.io/left-to-site"
"""Annotation of the expected ims-config: keys that the site's own customizations may say differently."""


@dataclass(frozen=True, slots=True)
class HandoverFile:
    """A file that a site merges or applies by hand; `identity` is that of what it holds."""

    name: str
    text: str = field(repr=False)
    identity: Identity


@dataclass(slots=True)
class CompiledService:
    handover: list[HandoverFile] = field(default_factory=list)
    manifests: list[Manifest] = field(default_factory=list)


def compile_service(files: FleetFiles, target: ServiceTarget, findings: list[Finding]) -> CompiledService:
    """Compile the service of one cluster; configurations of CFS that cannot be used go to `findings`."""
    config = ims_config(target)
    result = CompiledService()
    if target.spec["owner"] == "loftsman":
        result.handover += _for_loftsman(target, config)
    result.handover += _flags(target)
    result.handover += _configurations(files, target, findings)
    return result


def _for_loftsman(target: ServiceTarget, config: ImsConfig) -> Iterator[HandoverFile]:
    """What a site whose chart is shipped by Loftsman merges, applies and compares with."""
    yield _file(
        target,
        "customizations.yaml",
        "Merge it into the site's customizations.yaml, run manifestgen, and ship the manifest with loftsman.",
        fragment(target, config, {}),
        Identity("", "Customizations", "", FOLDER),
    )
    expected = _config_map(target, CONFIG_MAP, config.chart)
    annotations: JsonMap = {CHECKSUM: config.checksum}
    if config.left:
        annotations[LEFT_TO_SITE] = ",".join(config.left)
    expected["metadata"]["annotations"] = annotations  # type: ignore[index,call-overload]
    use = "What the chart renders then; compare with it, and do not apply it."
    yield _object(target, "expected-ims-config.yaml", use, expected)
    if config.overlay:
        use = "Apply it before the manifest is shipped: kubectl apply -f"
        yield _object(target, f"{OVERLAY}.yaml", use, _config_map(target, OVERLAY, config.overlay))
    for item in runtime_classes(target):
        name = item["metadata"]["name"]  # type: ignore[index,call-overload]
        yield _object(target, f"runtimeclass-{name}.yaml", "Apply it first: kubectl apply -f", item)


def _config_map(target: ServiceTarget, name: str, data: dict[str, str]) -> JsonMap:
    namespace = target.spec.get("namespaces", {}).get("service", "services")
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
        yield HandoverFile("recipe-flags.json", text, Identity("", "RecipeFlags", "", FOLDER))


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
            yield HandoverFile(name, text, Identity("", "CfsConfiguration", "", stem))


def _object(target: ServiceTarget, name: str, use: str, value: JsonMap) -> HandoverFile:
    return _file(target, name, use, value, identity_of(value))


def _file(target: ServiceTarget, name: str, use: str, value: JsonMap, identity: Identity) -> HandoverFile:
    source = target.service.document.file
    shown = source if source.isprintable() else repr(source)
    return HandoverFile(name, f"# Generated by kmodgate from {shown}; do not edit.\n# {use}\n{emit(value)}", identity)
