"""Objects of clusters → the same objects, with a Module of today for every driver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding
from kmodgate.policy.kmm.former_modules import (
    ANCESTOR_VERSION,
    FORMER_VERSION,
    is_ancestor_module,
    is_former_module,
)
from kmodgate.renderer.errors import Unusable
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.clusters.cluster_settings import cluster_settings
from kmodgate.renderer.importer.objects.companions import is_the_systems
from kmodgate.renderer.importer.objects.reading import Found, Objects, Translation
from kmodgate.renderer.importer.objects.rendered_policies import signed_elsewhere
from kmodgate.renderer.importer.objects.spokes import spoke_values
from kmodgate.renderer.importer.translating.boot.drivers import add_boot
from kmodgate.renderer.importer.translating.daemon_sets.daemon_sets import (
    daemon_sets,
    draft_of,
    group_names,
    loading_groups,
    may_load,
    module_owner,
)
from kmodgate.renderer.importer.translating.draft import Draft, Wishes
from kmodgate.renderer.importer.translating.hub_modules import hub_module, is_hub_module
from kmodgate.renderer.importer.translating.ooto_modules import former_module, has_todays_shape, ooto_module
from kmodgate.renderer.importer.translating.special_resources.special_resources import (
    is_special_resource,
    special_resource,
)
from kmodgate.renderer.manifests.manifest import identity_of
from kmodgate.renderer.wording import listed


@dataclass(slots=True)
class Translated:
    """The objects of each cluster with Modules of today alone, what became none of these, and what is to be said."""

    clusters: dict[str, Objects]
    lost: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hosted: dict[str, JsonMap] = field(default_factory=dict)
    """What the Cluster of a hosted control plane says of where its NodePools are."""
    signed: dict[str, frozenset[str]] = field(default_factory=dict)
    """Namespace and name of the drivers whose images are signed before they are pushed, by cluster."""
    by_hubs: list[str] = field(default_factory=list)
    """Modules that a hub makes on one of its spokes."""


def translate(clusters: dict[str, Objects], inputs: dict[str, list[str]], wishes: Wishes) -> Translated:
    """Return the objects of each cluster with a Module of today for every driver; `inputs` are the files of each.

    Raises Unusable for a cluster with neither a driver nor an object about the cluster itself, and for a wish about a
    driver that is not in the input.
    """
    result = Translated({})
    names, told = set[str](), set[str]()
    versions: dict[str, set[str]] = defaultdict(set)
    for cluster, objects in clusters.items():
        before = len(result.lost)
        objects = {found.identity: found for item in objects.values() for found in [_in_namespace(item, wishes)]}
        _pass_over_spokes(objects, result)
        drafts = list(_drafts(objects, wishes, result))
        names |= {draft.name for draft in drafts} | {_name_in(item.object) for item in result.lost[before:]}
        for draft in drafts:
            _place(draft, objects, result.lost)
            versions[str(draft.found.value["apiVersion"])].add(str(draft.found.identity))
        result.clusters[cluster] = objects
        result.signed[cluster] = signed_elsewhere(objects)
        if len(result.lost) > before:
            told.add(cluster)
    at_boot = add_boot(result.clusters, wishes, result.lost, result.notes)
    told |= at_boot.told
    result.hosted = at_boot.hosted
    _drop_silent(result, told, clusters, inputs)
    result.notes += _former_versions(versions)
    _refuse_unknown(wishes, names)
    return result


def _drop_silent(
    result: Translated, told: set[str], given: dict[str, Objects], inputs: Mapping[str, Sequence[str]]
) -> None:
    """Drop the clusters whose objects say nothing, and for which a hub of the input delivers.

    Raises Unusable for any other of them.
    """
    silent = {
        name for name, objects in result.clusters.items()
        if name not in told and not any(found.is_module for found in objects.values()) and not _says_more(objects)
    }  # fmt: skip
    spokes = dict(spoke_values({name: item for name, item in result.clusters.items() if name not in silent}))
    for name in sorted(silent):
        if name not in spokes:
            message = f"{', '.join(inputs[name])}: {_no_module(given[name])}"
            raise Unusable(message, _what_to_give(result.clusters[name], result))
        del result.clusters[name]
        result.notes.append(f"passed over: {', '.join(inputs[name])}: its hub delivers the drivers of {name}")


def _says_more(objects: Objects) -> bool:
    """Whether objects say something of the cluster itself, or would if they were sound."""
    settings = cluster_settings(objects)
    return bool(settings.spec) or any(item.rule == "IMP001" for item in settings.lost)


def _in_namespace(found: Found, wishes: Wishes) -> Found:
    """A Module without a namespace in the one that a person names."""
    if not found.is_module or found.identity.namespace or not wishes.namespace:
        return found
    metadata = {**metadata_of(found.value), "namespace": wishes.namespace}
    value = {**found.value, "metadata": metadata}
    translation = Translation((found,), {(): (found, ())})
    return replace(
        found, source=replace(found.source, value=value), identity=identity_of(value), translation=translation
    )


def _drafts(objects: Objects, wishes: Wishes, result: Translated) -> Iterator[Draft]:
    """The Modules of today for all that is none; what they are made of is no object of the cluster any more."""
    draft: Draft | None
    for found in list(objects.values()):
        if is_former_module(found.value) or has_todays_shape(found):
            draft = former_module(found)
        elif is_ancestor_module(found.value):
            draft = ooto_module(found, wishes, result.lost)
        elif is_hub_module(found):
            draft = hub_module(found, objects, result.lost)
        elif is_special_resource(found):
            draft = special_resource(found, objects, wishes, result.lost)
        else:
            continue
        objects.pop(found.identity, None)
        if draft is not None:
            for original in (*draft.originals, *draft.used):
                objects.pop(original.identity, None)
            yield draft
    yield from _of_daemon_sets(objects, wishes, result)


def _of_daemon_sets(objects: Objects, wishes: Wishes, result: Translated) -> Iterator[Draft]:
    _pass_over(objects, result)
    others, before = daemon_sets(objects), len(result.lost)
    groups = list(loading_groups(others, objects, wishes, result.lost))
    refused = {item.object for item in result.lost[before:]}
    for item in others:
        if str(item.identity) in refused:
            del objects[item.identity]
    for group, name in zip(groups, group_names(groups), strict=True):
        for pod in group:
            del objects[pod.found.identity]
        draft = draft_of(group, name, wishes, result.lost)
        if draft is not None:
            for item in draft.used:
                objects.pop(item.identity, None)
            yield draft
    result.notes += (
        f"not imported: the {item.identity} may load kernel modules, and no command says which; if it does: "
        f"--module-name {item.identity.name}=NAME"
        for item in daemon_sets(objects)
        if may_load(item) and not is_the_systems(item.identity.namespace)
    )


def _pass_over_spokes(objects: Objects, result: Translated) -> None:
    """Leave out the Modules that a hub makes by a ManifestWork: its ManagedClusterModule is the driver.

    Source: pkg/work/spoke of open-cluster-management-io/ocm, which makes the AppliedManifestWork their owner.
    """
    for found in list(objects.values()):
        owners = items_of(metadata_of(found.value).get("ownerReferences"))
        if found.is_module and any(map_of(owner).get("kind") == "AppliedManifestWork" for owner in owners):
            del objects[found.identity]
            result.by_hubs.append(str(found.identity))
            result.notes.append(f"passed over: a hub makes the {found.identity}; import its ManagedClusterModule there")


def _pass_over(objects: Objects, result: Translated) -> None:
    """Leave out the DaemonSets that KMM makes by itself."""
    for item in daemon_sets(objects):
        if owner := module_owner(item):
            del objects[item.identity]
            result.notes.append(f"passed over: KMM makes the {item.identity} for the Module {owner}")


def _place(draft: Draft, objects: Objects, lost: list[Finding]) -> None:
    """Add the Module and what it needs to the objects, unless the cluster has such a Module already."""
    module, *needed = draft.finished()
    other = objects.get(module.identity)
    if other is not None:
        message = f"not imported: the cluster has the {other.identity} already"
        fix = "nothing, if that Module takes its place; rename one of the two if not"
        lost.append(draft.found.lost("IMP001", ("metadata", "name"), message, fix))
        return
    objects[module.identity] = module
    for found in needed:
        objects.setdefault(found.identity, found)


def _former_versions(versions: dict[str, set[str]]) -> Iterator[str]:
    """Say which objects were read as Modules of today, and what that means for their clusters."""
    for version, names in sorted(versions.items()):
        if version in (FORMER_VERSION, ANCESTOR_VERSION):
            yield (
                f"read as Modules of today: {listed(sorted(names))} of {version}, which no KMM since 1.0 knows; delete "
                "those as docs/import.md says"
            )


def _name_in(title: str) -> str:
    """The name in `DaemonSet drivers/nic` or `Module nic`."""
    return title.rpartition(" ")[2].rpartition("/")[2]


def _refuse_unknown(wishes: Wishes, names: set[str]) -> None:
    unknown = next((name for name in wishes.module_names if name and name not in names), None)
    if unknown is not None:
        found = f"of {listed(sorted(names))}" if names else "for which nothing is needed"
        raise Unusable(f"--module-name {unknown}=…: the input has no such driver", f"give the name of a driver {found}")


def _what_to_give(objects: Objects, result: Translated) -> str:
    if result.by_hubs:
        return f"give the objects of the hub, which makes {listed(result.by_hubs)}: its ManagedClusterModules"
    if others := daemon_sets(objects):
        name = others[0].identity.name
        return f"if the {others[0].identity} loads a kernel module, say which: --module-name {name}=NAME"
    return "give what kubectl get modules -A -o yaml writes, or the DaemonSets that load kernel modules"


def _no_module(objects: Objects) -> str:
    if not objects:
        return "no object in it"
    kinds = sorted({f"{found.identity.kind} of {found.value['apiVersion']}" for found in objects.values()})
    return f"no driver in it, only {listed(kinds)}"
