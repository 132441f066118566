"""Objects of clusters → the specs and files of a fleet, as texts that are not written yet."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cache

from kmodgate import schemas
from kmodgate.policy.cluster.controllers import HUB_NAMESPACES
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, format_path
from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain
from kmodgate.policy.formats.yaml_documents import Json, parse
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.versions import Release, unsupported
from kmodgate.renderer.deliveries.kmm.objects import SPEC_ANNOTATION
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.fields.conversion import spec_path
from kmodgate.renderer.fleet.json_parts import map_of
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.importer.merging import Merged, merge_specs, most_common
from kmodgate.renderer.importer.naming import name_mappings
from kmodgate.renderer.importer.objects.attaching import NewFiles, attach, is_path, reference
from kmodgate.renderer.importer.objects.companions import Surrounded, builds, is_openshift
from kmodgate.renderer.importer.objects.modules import Driver
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.translating.node_groups import node_groups
from kmodgate.renderer.manifests.emit_yaml import CannotEmit, emit
from kmodgate.schemas.compiled import spec_schema

EVERYWHERE: JsonMap = {"matchLabels": {}}

_MAX_IN_A_FILE = 20  # drivers; a spec file has at most 1 MiB

_LOCAL: JsonMap = {"config.kubernetes.io/local-config": "true"}


@dataclass(slots=True)
class Plan:
    """What is to be written, by path in the fleet, and what could not be carried over."""

    specs: dict[str, list[JsonMap]] = field(default_factory=lambda: defaultdict(list))
    """Documents by file."""
    files: NewFiles = field(default_factory=NewFiles)
    """Dockerfiles and attached objects."""
    lost: list[Finding] = field(default_factory=list)
    dropped: set[Found] = field(default_factory=set)
    """Modules that are not imported; `lost` says why."""
    titles: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The objects that a driver was made of, as findings name them."""
    unknown_platforms: set[str] = field(default_factory=set)
    """New clusters of which no object tells whether they are OpenShift."""

    def drop(self, found: Found, path: FieldPath, message: str, fix: str) -> None:
        self.dropped.add(found)
        self.lost.append(found.lost("IMP001", path, f"not imported: {message}", fix))


def plan_drivers(plan: Plan, drivers: dict[str, list[Surrounded]], clusters: JsonMap | None) -> None:
    """Adds the specs of the drivers of each cluster; `clusters` is the selector of all of them, if there is one."""
    by_name: dict[str, dict[str, Surrounded]] = defaultdict(dict)
    for cluster, found in drivers.items():
        taken: set[Found] = set()
        for item in found:
            if _is_sound(plan, item):  # what a Module that is not imported uses may serve the next one
                item.attached[:] = [other for other in item.attached if other not in taken]
                taken.update(item.attached)
                by_name[item.driver.name].setdefault(cluster, item)
    files = _spec_files(by_name)
    plan.files.reserved |= set(files.values())
    for name, variants in sorted(by_name.items()):
        _plan_driver(plan, files[name], variants, clusters)


def _spec_files(by_name: dict[str, dict[str, Surrounded]]) -> dict[str, str]:
    """Where each spec goes: to the file that its Module was rendered from, if it says one that can hold it."""
    wanted = {name: most_common([_origin(item.driver) for item in found.values()]) for name, found in by_name.items()}
    counts = Counter(wanted.values())
    return {
        name: file if is_path(file) and counts[file] <= _MAX_IN_A_FILE else f"drivers/{name}.yaml"
        for name, file in wanted.items()
    }


def _origin(driver: Driver) -> str:
    return str(driver.found.metadata("annotations").get(SPEC_ANNOTATION, ""))


def _is_sound(plan: Plan, item: Surrounded) -> bool:
    """Whether the driver of one cluster is a spec by itself; where not, the Module is dropped, with the reason."""
    driver = item.driver
    value = _document(driver.name, driver.labels, driver.annotations, {"clusters": EVERYWHERE, **driver.spec})
    found = item.driver.found
    try:
        problems = parse(emit(value), "")[1]
    except CannotEmit as error:
        plan.drop(found, (), str(error), "correct the object")
        return False
    if problems:
        plan.drop(found, (), problems[0].message, problems[0].fix)
        return False
    schema = spec_schema("KernelDriver")
    for violation in () if schema.is_valid(value) else schema.violations(value):
        path = _object_path(found, violation.path, item.driver.spec)
        plan.drop(found, path, f"{format_path(violation.path)}: {violation.message}", violation.fix)
        return False
    return True


def _object_path(found: Found, path: FieldPath, spec: JsonMap) -> FieldPath:
    """The place in the Module that a path of its spec came from."""
    if path[:1] != ("spec",):
        return path
    found_at = [step for step in _paths(found.value.get("spec"), ()) if spec_path(step, spec) == path[1:]]
    return ("spec", *max(found_at, key=len, default=()))


def _paths(value: Json, path: FieldPath) -> Iterator[FieldPath]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def _plan_driver(plan: Plan, file: str, variants: dict[str, Surrounded], clusters: JsonMap | None) -> None:
    name = next(iter(variants.values())).driver.name
    specs = name_mappings([item.driver.spec for item in variants.values()])
    finished = {
        cluster: _with_files(plan, file, item, spec)
        for (cluster, item), spec in zip(variants.items(), specs, strict=True)
    }
    labels = most_common([item.driver.labels for item in variants.values()])
    annotations: JsonMap = {}
    for item in variants.values():
        annotations = {**item.driver.annotations, **annotations}
    merged = merge_specs(finished, lambda spec: _may_stand_alone(name, labels, spec))
    chosen = clusters or {"names": list(variants)}
    plan.specs[file].append(_document(name, labels, annotations, _spec(merged, chosen)))


def _may_stand_alone(name: str, labels: JsonMap, spec: JsonMap) -> bool:
    value = _document(name, labels, {}, {"clusters": EVERYWHERE, **spec})
    return spec_schema("KernelDriver").is_valid(value)


def _spec(merged: Merged, clusters: JsonMap) -> JsonMap:
    overrides: list[Json] = [
        {"clusters": {"names": list(names)}, "patch": in_order(patch)} for names, patch in merged.overrides
    ]
    spec = in_order({"clusters": clusters, **merged.spec})
    return {**spec, "overrides": overrides} if overrides else spec


def in_order(spec: JsonMap) -> JsonMap:
    """The fields of a spec, or of a patch of one, as a person reads them."""
    return {key: spec[key] for key in _fields() if key in spec}


@cache
def _fields() -> tuple[str, ...]:
    """The fields of a driver's spec in the order of their schema, so that a new one is in no list beside it."""
    schema = json.loads(schemas.read(schemas.KINDS["KernelDriver"]))
    return tuple(schema["definitions"]["driverSpec"]["properties"])


def _document(name: str, labels: JsonMap, annotations: JsonMap, spec: JsonMap) -> JsonMap:
    metadata: JsonMap = {
        "name": name,
        **({"labels": labels} if labels else {}),
        "annotations": {**_LOCAL, **annotations},
    }
    return {"apiVersion": "kmodgate.io/v1alpha1", "kind": "KernelDriver", "metadata": metadata, "spec": spec}


# -- files beside the spec ------------------------------------------------------------------------


def _with_files(plan: Plan, file: str, item: Surrounded, spec: JsonMap) -> JsonMap:
    """The spec with its Dockerfiles and attached objects as references to new files."""
    names = Counter(str(build.get("dockerfileConfigMap")) for build in builds(spec))
    if isinstance(build := spec.get("build"), dict):
        spec = {**spec, "build": _with_dockerfile(plan, file, item, build, item.driver.name)}
    mappings = spec.get("kernelMappings")
    if isinstance(mappings, list):
        spec = {**spec, "kernelMappings": [_mapping(plan, file, item, mapping, names) for mapping in mappings]}
    attached = attach(plan.files, file, item.driver.name, item.attached, plan.lost)
    return {**spec, "attach": list(attached)} if attached else spec


def _mapping(plan: Plan, file: str, item: Surrounded, mapping: Json, names: Counter[str]) -> Json:
    build = mapping.get("build") if isinstance(mapping, dict) else None
    if not isinstance(mapping, dict) or not isinstance(build, dict):
        return mapping
    shared = names[str(build.get("dockerfileConfigMap"))] > 1
    stem = item.driver.name if shared else f"{item.driver.name}-{mapping['name']}"
    return {**mapping, "build": _with_dockerfile(plan, file, item, build, stem)}


def _with_dockerfile(plan: Plan, file: str, item: Surrounded, build: JsonMap, stem: str) -> JsonMap:
    text = item.dockerfiles.get(str(build.get("dockerfileConfigMap")))
    if text is None:
        return build
    folder = os.path.dirname(file)
    path = plan.files.add(os.path.join(folder, f"{stem}.Dockerfile"), text)
    rest = {key: value for key, value in build.items() if key != "dockerfileConfigMap"}
    return {"dockerfile": reference(path, folder or "."), **rest}


_REDHAT = Release(redhat=True)

PLACEHOLDER = "imported"
"""The cluster of a new fleet whose objects were given without one."""


def check_name(name: str) -> None:
    """Raises Unusable for what cannot name a cluster and its folder."""
    if not is_dns1123_subdomain(name) or len(name) > 63:
        fix = "use lower-case letters, digits, '-' and '.', at most 63"
        raise Unusable(f"--cluster {name!r}: cannot be the name of a cluster", fix)


def cluster_value(name: str, objects: Objects, settings: JsonMap, hosted: JsonMap | None = None) -> JsonMap:
    """The spec of a cluster with these objects; on OpenShift with Red Hat's KMM, unless that ignores a field.

    `settings` are the fields that objects of the cluster say themselves, and win. `hosted` is where its NodePools are,
    if it has a hosted control plane.
    """
    openshift = settings.get("platform") == "openshift" or runs_openshift(None, objects)
    modules = [defaulted(found.value) for found in objects.values() if found.is_module]  # type: ignore[arg-type]
    redhat = openshift and not any(problem for module in modules for problem in unsupported(module, _REDHAT))
    kmm: JsonMap = {"flavour": "redhat"} if redhat else {}
    made_of = (item for found in objects.values() if found.is_by_hub for item in found.made_of[1:])
    built_in = {item.identity.namespace for item in made_of if item.identity.kind != "ManifestWork"}
    if len(built_in) == 1 and not built_in & {HUB_NAMESPACES["redhat" if redhat else "upstream"]}:
        kmm = {**kmm, "namespace": built_in.pop()}
    kmm = {**kmm, **map_of(settings.get("kmm"))}
    groups = node_groups(objects)
    needs_kmm = not groups or any(found.is_module and not found.is_by_daemon_sets for found in objects.values())
    spec: JsonMap = {
        "platform": "openshift" if openshift else "kubernetes",
        **({"topology": "hosted", "hosted": hosted} if hosted else {}),
        **({"kmm": kmm} if needs_kmm or "kmm" in settings else {}),
        **({"acm": {"role": "hub"}} if any(found.is_by_hub for found in objects.values()) else {}),
        **({"nodeGroups": groups} if groups else {}),
        **{key: value for key, value in settings.items() if key != "kmm"},
    }
    return {
        "apiVersion": "kmodgate.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name, "annotations": {"config.kubernetes.io/local-config": "true"}},
        "spec": spec,
    }


def runs_openshift(cluster: Cluster | None, objects: Objects) -> bool:
    """What the fleet says of the cluster, else what its objects tell."""
    if cluster is not None:
        return cluster.platform == "openshift"
    of_hub = (item for found in objects.values() if found.is_by_hub for item in found.made_of)
    return is_openshift(objects) or any(item.identity.namespace == HUB_NAMESPACES["redhat"] for item in of_hub)


def unknown_platforms(values: Iterable[JsonMap], clusters: Mapping[str, Objects]) -> Iterator[str]:
    """Yield the clusters of which no object tells the platform: a Node does, OpenShift labels its own.

    The Operator Lifecycle Manager has its catalogs in the namespace `olm` where it is not OpenShift's.
    """
    for value in values:
        name, spec = str(map_of(value["metadata"])["name"]), map_of(value["spec"])
        install = map_of(map_of(spec.get("kmm")).get("install"))
        nodes = (found for found in clusters.get(name, {}).values() if found.identity.kind == "Node")
        is_told = spec["platform"] == "openshift" or install.get("sourceNamespace") == "olm" or any(nodes)
        if not is_told:
            yield name
