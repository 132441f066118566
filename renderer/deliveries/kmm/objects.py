"""Delivery `kmm`: a Module that the KMM operator of the cluster reconciles, and what it needs around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import cast

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.config import WITH_SCC, Platform
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.kmm.versions import takes_one_removal, with_one_removal
from kmodgate.renderer.deliveries.kmm import content_hashes
from kmodgate.renderer.fleet.fields.conversion import compile_fields, spec_path
from kmodgate.renderer.fleet.fields.field_table import DRIVER_FIELDS, cause
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.files import resolve
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.fleet.targets.referenced_files import Sources
from kmodgate.renderer.fleet.targets.targets import Target, Variant
from kmodgate.renderer.manifests import argo, service_accounts
from kmodgate.renderer.manifests.manifest import Manifest

SPEC_ANNOTATION = "kmodgate.io/spec"

REMOVAL = {"confirm": argo.ASK_BEFORE_REMOVAL, "auto": "", "retain": argo.NEVER_REMOVED}


@dataclass(frozen=True, slots=True)
class Site:
    """What of a cluster decides the objects. `takes_one_removal`: its KMM knows `inTreeModuleToRemove` only."""

    platform: Platform
    takes_one_removal: bool = False


def site(cluster: Cluster) -> Site:
    """Return what of a cluster decides the objects."""
    return Site(cluster.platform, cluster.release is not None and takes_one_removal(cluster.release))


def problems(target: Target) -> Iterator[Finding]:
    """Report a cluster without an operator that takes the Module; of an unknown delivery that is told already."""
    cluster, variant = target.cluster, target.variant
    if cluster.kmm is None and not _is_delivery_unknown(variant):
        yield finding_at(
            variant.driver.document,
            ("spec", "clusters"),
            "REF006",
            f"cluster {cluster.name} has no KMM to deliver the driver with",
            f"say which KMM it has ({cluster.document.file}: spec.kmm), or leave it out",
        )


def _is_delivery_unknown(variant: Variant) -> bool:
    """Whether a spec says a delivery that is none."""
    said = [patch["delivery"] for patch in variant.merged.patches if "delivery" in patch]
    if "delivery" in variant.spec or said:
        return "delivery" not in variant.spec and said[-1] is not None
    driver = variant.driver
    return "delivery" not in driver.spec and driver.document.has(("spec", "delivery"))


def manifests(variant: Variant, sources: Sources, site: Site) -> list[Manifest]:
    """Every object of one driver at a site, without the attached ones; the Module is the last."""
    value = module(variant, sources, takes_one_removal=site.takes_one_removal)
    return [
        *surroundings(variant, site.platform),
        *dockerfile_config_maps(variant, sources, variant.namespace),
        manifest(variant, value, ModuleTrace(variant)),
    ]


def surroundings(variant: Variant, platform: Platform) -> list[Manifest]:
    """The namespace and the ServiceAccounts of a driver, and their right to an SCC, on the cluster that loads it.

    A namespace that is the cluster's own stays as it is.
    """
    spec, place = variant.spec, variant.namespace
    managed = bool(spec["namespace"].get("manage", True))  # type: ignore[union-attr]
    result: list[Manifest] = []
    if managed and not service_accounts.is_clusters_own(place):
        result.append(_shared(variant, service_accounts.namespace(place, platform), ("namespace", "name")))
    for account in service_accounts.accounts(variant.driver.name, spec):
        if account.name not in ("", service_accounts.DEFAULT) and (managed or not account.is_named):
            path = (account.pods, "serviceAccountName") if account.pods else ("serviceAccountName",)
            result += (_shared(variant, value, path) for value in _access(account.name, place, spec, platform))
    return result


def module(variant: Variant, sources: Sources, *, takes_one_removal: bool = False) -> JsonMap:
    """The Module object of one driver (KMM API v1beta1), every default written out that Argo CD would see as drift.

    With `takes_one_removal`, as a KMM needs it that knows `inTreeModuleToRemove` only.
    """
    driver, spec = variant.driver, variant.spec
    value: dict[str, object] = {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {
            "name": driver.name,
            "namespace": variant.namespace,
            "labels": {**driver.labels, "app.kubernetes.io/name": driver.name, **service_accounts.MANAGED_BY},
            "annotations": {
                **argo.sync_annotations("Module", REMOVAL[str(spec.get("removal", "confirm"))]),
                SPEC_ANNOTATION: driver.document.file,
            },
        },
        "spec": compile_fields(DRIVER_FIELDS, _prepared(variant, sources)),
    }
    result = cast(JsonMap, defaulted(value))
    is_singular = takes_one_removal and "moduleLoader" in as_map(result["spec"])
    return with_one_removal(result) if is_singular else result


def _prepared(variant: Variant, sources: Sources) -> JsonMap:
    """The spec in KMM's own terms: what is ours has become what the table of fields knows."""
    driver, spec = variant.driver.name, dict(variant.spec)
    for account in service_accounts.accounts(driver, spec):
        level = spec if not account.pods else dict(map_of(spec[account.pods]))
        level["serviceAccountName"] = account.name
        if not account.name:
            del level["serviceAccountName"]
        if account.pods:
            spec[account.pods] = level
    if (sign := map_of(spec.pop("sign", None))) and "prebuilt" not in sign:
        spec["sign"] = {key: item for key, item in sign.items() if key != "certificate"}  # which is for the policy
    spec["build"] = content_hashes.with_config_maps(spec.get("build"), driver, sources.dockerfiles)
    if "modprobe" in spec:
        spec["modprobe"] = {"dirName": "/opt", **map_of(spec["modprobe"])}
        spec["kernelMappings"] = [_mapping(map_of(item), driver, sources) for item in items_of(spec["kernelMappings"])]
    if spec["build"] is None:
        del spec["build"]
    if spec.get("contentTag"):
        spec = content_hashes.with_content_tags(spec)
    return spec


def _mapping(mapping: JsonMap, driver: str, sources: Sources) -> JsonMap:
    result = {"containerImage": "", **mapping}  # the CRD requires the key; empty is the Module's own image
    if "build" in mapping:
        result["build"] = content_hashes.with_config_maps(mapping["build"], driver, sources.dockerfiles)
    return result


def _access(account: str, namespace: str, spec: JsonMap, platform: Platform) -> Iterator[JsonMap]:
    yield service_accounts.service_account(account, namespace)
    scc = str(spec.get("scc", "privileged"))
    if platform in WITH_SCC and scc:
        yield service_accounts.scc_binding(account, namespace, scc)


def dockerfile_config_maps(variant: Variant, sources: Sources, namespace: str) -> Iterator[Manifest]:
    """One immutable ConfigMap a Dockerfile; Argo CD prunes an old one only after the Module has moved on."""
    driver = variant.driver
    texts = {
        content_hashes.config_map_name(driver.name, text): (name, text) for name, text in sources.dockerfiles.items()
    }
    for name, (reference, text) in sorted(texts.items()):
        value = _config_map(driver.name, driver.document.file, namespace, name, text)
        trace = ObjectTrace(variant, "ConfigMap", _path_of_dockerfile(variant.spec, reference))
        files: dict[FieldPath, str] = {("data", "dockerfile"): resolve(driver.document.file, reference)} if text else {}
        yield replace(manifest(variant, value, trace), texts=files)


@lru_cache(maxsize=256)
def _config_map(driver: str, file: str, namespace: str, name: str, text: str) -> JsonMap:
    """The ConfigMap of a Dockerfile, one object for all clusters that have it, whatever else is overridden there."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": driver, **service_accounts.MANAGED_BY},
            "annotations": {**argo.sync_annotations("ConfigMap", argo.PRUNED_LAST), SPEC_ANNOTATION: file},
        },
        "immutable": True,
        "data": {"dockerfile": text},
    }


def _path_of_dockerfile(spec: JsonMap, reference: str) -> FieldPath:
    if map_of(spec.get("build")).get("dockerfile") == reference:
        return ("build", "dockerfile")
    for index, mapping in enumerate(items_of(spec.get("kernelMappings"))):
        if map_of(map_of(mapping).get("build")).get("dockerfile") == reference:
            return ("kernelMappings", index, "build", "dockerfile")
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class ModuleTrace:
    """Finds the origin of a path in the Module of a driver."""

    variant: Variant

    def __call__(self, path: FieldPath) -> Origin:
        if path[:1] == ("spec",):
            current = tuple("inTreeModulesToRemove" if step == "inTreeModuleToRemove" else step for step in path[1:])
            return self.variant.origin(spec_path(current, self.variant.spec))
        if (place := cause("Module", path)) is not None:
            return self.variant.origin(place)
        copied = path[:2] in (("metadata", "name"), ("metadata", "labels"))
        return own_metadata(self.variant, path if copied else ("metadata",))


def own_metadata(variant: Variant, path: FieldPath) -> Origin:
    """Return the origin of a name or label of the driver's own metadata; what all drivers have is a default there."""
    document = variant.driver.document
    is_written = len(path) > 1 and document.has(path)
    line, column = document.position(path)
    return Origin(document.file, line, column, "driver" if is_written else "default", path if is_written else path[:1])


@dataclass(frozen=True, slots=True, eq=False)
class ObjectTrace:
    """Origins in an object that exists for the field `own`; what no field decides comes with the object."""

    variant: Variant
    kind: str
    own: FieldPath

    def __call__(self, path: FieldPath) -> Origin:
        place = cause(self.kind, path)
        origin = self.variant.origin(place or self.own)
        return origin if place is not None else replace(origin, source="default")


def _shared(variant: Variant, value: JsonMap, own: FieldPath) -> Manifest:
    return manifest(variant, value, ObjectTrace(variant, str(value["kind"]), own), shareable=True)


def manifest(
    variant: Variant, value: JsonMap, trace: Callable[[FieldPath], Origin], *, shareable: bool = False
) -> Manifest:
    """Return an object that a driver causes."""
    return Manifest(value, variant.driver, variant.driver.document.file, trace, shareable)
