"""What render makes of the new specs, compared with the objects that they came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import field, replace

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, value_at
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import CompiledFleet, compile_fleet
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.loading.read_specs import RESERVED_LABELS
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.attaching import clean
from kmodgate.renderer.importer.objects.normal_form import normal_spec
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.planning import Plan
from kmodgate.renderer.importer.translating.daemon_sets.daemon_set_losses import lost_of_daemon_sets
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.manifests.manifest import Identity, Manifest
from kmodgate.renderer.plan.resolutions import on_spokes
from kmodgate.renderer.wording import listed

_ABSENT = object()
_ENFORCE = "pod-security.kubernetes.io/enforce"
_RELATED_GROUPS = ("kmm.sigs.x-k8s.io", "hub.kmm.sigs.x-k8s.io", "ooto.sigs.k8s.io", "sro.openshift.io")
_INTERNAL = {
    "NodeModulesConfig",
    "ModuleImagesConfig",
    "ModuleBuildSignConfig",
    "PreflightValidation",
    "PreflightValidationOCP",
}


Renamed = dict[tuple[str, str, str], str]
"""The new names of Dockerfile ConfigMaps, by cluster, driver and old name."""


@dataclass(slots=True)
class Verdict:
    """What render says of the new specs, and what it makes beside the objects that were given."""

    findings: list[Finding] = field(default_factory=list)
    besides: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Objects, by the name of their driver."""
    joined: dict[str, list[str]] = field(default_factory=dict)
    """Drivers that the fleet had and that select a cluster which is new to it, by cluster."""
    privileged: set[str] = field(default_factory=set)
    """Namespaces that render makes privileged for Pod Security, and that are not."""
    passed_over: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Names of the objects that no imported Module uses, by kind."""


def verify(fleet: Fleet, clusters: dict[str, Objects], plan: Plan, renamed: Renamed, new: Container[str]) -> Verdict:
    """Renders the fleet and compares it with the objects of each cluster; differences go to `plan.lost`.

    `new` are the clusters that the fleet did not have.
    """
    verdict = Verdict()
    policies = Policies(fleet, Choice(), verdict.findings)
    compiled = compile_fleet(fleet, verdict.findings, policies)
    verdict.findings += FleetJudge(policies, "render").judge(compiled)
    for cluster, objects in clusters.items():
        rendered = {**compiled.objects(cluster), **_on_spokes(compiled, cluster)}
        spokes = {item.name for item in fleet.clusters if item.acm and item.acm.hub == cluster}
        for found in objects.values():
            manifest = rendered.get(found.identity)
            if found.identity.kind == "ManagedCluster" and found.identity.name in spokes:
                continue  # the Cluster has its labels
            if manifest is not None and manifest.driver is None and not any(_missing(clean(found), manifest.value)):
                continue  # the policy that holds without being written
            new_names = _new_names(renamed, cluster, found) if renamed else {}
            value = None if manifest is None or manifest.driver is None else manifest.value
            _judge(found, value, plan, verdict, new_names)
        drivers = {found.identity.name for found in objects.values() if found.is_module and found not in plan.dropped}
        plan.lost += _lost_of_daemon_sets(objects, rendered, plan)
        known = objects.keys() | {item.identity for found in objects.values() for item in found.made_of}
        for identity, manifest in rendered.items():
            if identity not in known and manifest.owner in drivers:
                verdict.besides[manifest.owner].append(f"{identity} ({cluster})")
        others = {item.owner for item in rendered.values() if not cluster_of(item.value)} - drivers - {""}
        if cluster in new and others:
            verdict.joined[cluster] = sorted(others)
    return verdict


def _on_spokes(compiled: CompiledFleet, cluster: str) -> dict[Identity, Manifest]:
    """The Modules that the ManagedClusterModules of a hub make, whether or not it has spokes yet."""
    made = (replace(item, value=on_spokes(item.value)) for item in compiled.objects(cluster).values())
    return {item.identity: item for item in made if item.identity.kind == "Module"}


def _new_names(renamed: Renamed, cluster: str, found: Found) -> dict[str, str]:
    """The new names in a Module, or of a ConfigMap that several drivers may share."""
    return {
        old: new
        for (where, driver, old), new in renamed.items()
        if where == cluster
        and (driver == found.identity.name if found.is_module else found.identity.kind == "ConfigMap")
    }


def _judge(found: Found, rendered: JsonMap | None, plan: Plan, verdict: Verdict, renamed: dict[str, str]) -> None:
    if found.is_module:
        if found in plan.dropped or found.is_by_daemon_sets:
            return
        if rendered is None:
            plan.drop(found, (), "render makes nothing of it", "see what render says of the spec")
        else:
            plan.lost += _lost_of_module(found, rendered, renamed)
    elif rendered is not None:
        plan.lost += _lost_of_object(found, rendered)
        if found.identity.kind == "Namespace" and _ENFORCE not in found.metadata("labels"):
            verdict.privileged.add(found.identity.name)
    elif found.identity.group in _RELATED_GROUPS and found.identity.kind not in _INTERNAL:
        message = f"not imported: a {found.identity.kind} of {found.value['apiVersion']} makes no driver"
        plan.lost.append(found.lost("IMP004", (), message, "write a spec by hand, if it is needed"))
    elif not found.made and found.identity.name not in renamed:
        verdict.passed_over[found.identity.kind].append(found.identity.name)


def _lost_of_daemon_sets(objects: Objects, rendered: Mapping[Identity, Manifest], plan: Plan) -> Iterator[Finding]:
    for found in objects.values():
        if found.is_by_daemon_sets and found not in plan.dropped:
            values = [item.value for item in rendered.values() if driver_of(item.value) == found.identity.name]
            yield from lost_of_daemon_sets(found, objects, values)


def _lost_of_module(found: Found, rendered: JsonMap, renamed: dict[str, str]) -> Iterator[Finding]:
    old, new = normal_spec(found.value), normal_spec(rendered)
    for path in differences(_with_new_names(old, renamed), new):
        yield found.lost("IMP002", ("spec", *path), f"not carried over: {_why(old, new, path)}", _FIX)
    labels = {key: text for key, text in found.metadata("labels").items() if key not in RESERVED_LABELS}
    for path in _missing(labels, _labels(rendered)):
        if not str(path[0]).startswith("argocd.argoproj.io/"):
            message = "not carried over: a driver has the same labels on all its clusters"
            yield found.lost(
                "IMP003", ("metadata", "labels", *path), message, "give the label everywhere, or do without"
            )


_FIX = "compare what render writes with the object, and mend the spec where it matters"


def _why(old: Json, new: Json, path: FieldPath) -> str:
    if (
        path[-1:] == ("inTreeModuleToRemove",)
        and value_at(old, (*path[:-1], "inTreeModulesToRemove"), _ABSENT) is not _ABSENT
    ):
        return "it excludes inTreeModulesToRemove"
    before, after = value_at(old, path, _ABSENT), value_at(new, path, _ABSENT)
    if path[-1:] == ("rawArgs",) and before == {}:
        return "it is empty, and with that KMM runs modprobe without any argument"
    if path[-1:] == ("buildArgs",):
        return "two arguments have one name, and a spec has each name once"
    if after is _ABSENT:
        return "no spec can say it"
    return "render writes one where there was none" if before is _ABSENT else "render writes another value"


def _lost_of_object(found: Found, rendered: JsonMap) -> Iterator[Finding]:
    for path in _missing(clean(found), rendered):
        if not _is_the_clusters(found.identity, path, found):
            fix = "give it in a file that the driver attaches, or leave it to the cluster"
            what = "the object without it" if value_at(rendered, path, _ABSENT) is _ABSENT else "another value"
            yield found.lost("IMP004", path, f"not carried over: render writes {what}", fix)


def _is_the_clusters(identity: Identity, path: FieldPath, found: Found) -> bool:
    """What the API server and controllers put into objects that render makes."""
    key = str(path[-1]) if path else ""
    if identity.kind == "Namespace":
        return (
            path[:1] == ("spec",)
            or key == "kubernetes.io/metadata.name"
            or "openshift.io/" in key
            or key.startswith("argocd.")
        )
    if identity.kind == "ServiceAccount":
        secrets = found.value.get("imagePullSecrets")
        names = [item.get("name") for item in secrets if isinstance(item, dict)] if isinstance(secrets, list) else []
        ours = all(str(name).startswith(f"{identity.name}-dockercfg-") for name in names)
        return (path[:1] == ("imagePullSecrets",) and ours) or "openshift.io/" in key
    return path[:1] == ("metadata",) and key.startswith("argocd.argoproj.io/")


def differ(one: Found, other: Found) -> bool:
    """Whether two objects of one identity are not the same to anybody but the cluster that has them."""
    first, second = clean(one), clean(other)
    if one.is_module and other.is_module:
        first, second = ({**item, "spec": normal_spec(found.value)} for item, found in ((first, one), (second, other)))
    return first != second


def differences(old: Json | object, new: Json | object, path: FieldPath = ()) -> Iterator[FieldPath]:
    """The paths, in the first or else in the second, at which two values are not equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from differences(old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, (*path, index))
    elif type(old) is not type(new) or old != new:
        yield path


def _missing(old: Json, new: Json) -> Iterator[FieldPath]:
    """The differences, without what only the second has."""
    for path in differences(old, new):
        if value_at(old, path, _ABSENT) is not _ABSENT:
            yield path


def _labels(rendered: JsonMap) -> JsonMap:
    labels = metadata_of(rendered).get("labels")
    return labels if isinstance(labels, dict) else {}


def _with_new_names(value: Json, renamed: dict[str, str]) -> Json:
    if isinstance(value, dict):
        return {
            key: {"name": renamed.get(str(item.get("name")), item.get("name"))}
            if key == "dockerfileConfigMap" and isinstance(item, dict) else _with_new_names(item, renamed)
            for key, item in value.items()
        }  # fmt: skip
    return [_with_new_names(item, renamed) for item in value] if isinstance(value, list) else value


def passed_over(verdict: Verdict) -> Iterable[str]:
    """A line for each kind of object that no imported Module uses."""
    for kind, names in sorted(verdict.passed_over.items()):
        secret = "; a Secret is never written to a file" if kind == "Secret" else ""
        yield f"{kind}: {listed(sorted(set(names)), 3)}{secret}"
