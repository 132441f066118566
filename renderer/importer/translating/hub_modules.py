"""A ManagedClusterModule of a hub → the Module that it makes on its spokes, delivered by the hub.

What render puts beside it for the spokes, in a ManifestWork each and a Policy, is taken apart again: it says whether
render writes the namespace, what is attached, and how the pull secret comes to the spokes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import Finding, value_at
from kmodgate.policy.kmm.kinds import SERVED
from kmodgate.renderer.deliveries.hub.manifest_works import AGENT_ROLE, MANIFEST_WORK, NAME, WORKLOAD
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.companions import builds
from kmodgate.renderer.importer.objects.reading import Found, Objects, Translation
from kmodgate.renderer.importer.translating.draft import Draft, copy_metadata, name_of, new_draft
from kmodgate.renderer.manifests.manifest import identity_of

KIND = "ManagedClusterModule"

_OF_KMM = "kmm.node.kubernetes.io/managedclustermodule.name"
"""The label of the ManifestWorks that KMM makes: internal/controllers/hub of Kernel Module Management."""

_OF_POLICY = ("Policy", "Placement", "PlacementBinding")


def is_hub_module(found: Found) -> bool:
    """Whether an object is a ManagedClusterModule of today."""
    return found.identity.kind == KIND and found.value["apiVersion"] in SERVED[KIND]


def hub_module(found: Found, objects: Objects, lost: list[Finding]) -> Draft | None:
    """Return the Module of its spokes; what keeps it from being one goes to `lost`.

    The hub builds in a namespace of its own, so that the ConfigMaps of Dockerfiles are found by name alone.
    """
    spec = map_of(found.value.get("spec"))
    namespace, selector = spec.get("spokeNamespace"), spec.get("selector")
    for key, is_there in (
        ("moduleSpec", isinstance(spec.get("moduleSpec"), dict)),
        ("spokeNamespace", isinstance(namespace, str) and bool(namespace)),
        ("selector", isinstance(selector, dict)),
    ):
        if not is_there:
            message = f"not imported: spec.{key} is missing, or of another type"
            lost.append(found.lost("IMP001", ("spec", key), message, f"correct spec.{key}"))
            return None
    draft = new_draft(found.identity.name, str(namespace), [found])
    copy_metadata(draft)
    draft.put(("spec",), spec["moduleSpec"], found, ("spec", "moduleSpec"))
    hub: JsonMap = {"selector": selector}
    if _take_pull_secret_policy(draft, objects):
        hub["copyPullSecret"] = True
    draft.delivery = {"delivery": "hub", "hub": hub}
    _take_works(draft, objects)
    for name in _config_maps(map_of(spec["moduleSpec"])):
        _take_dockerfile(draft, name, objects)
    return draft


def _config_maps(module_spec: JsonMap) -> list[str]:
    """The names of the ConfigMaps that a Module is built with."""
    container = map_of(map_of(module_spec.get("moduleLoader")).get("container"))
    levels: JsonMap = {"build": container.get("build"), "kernelMappings": items_of(container.get("kernelMappings"))}
    return list(dict.fromkeys(name_of(build.get("dockerfileConfigMap")) for build in builds(levels)))


def _take_dockerfile(draft: Draft, name: str, objects: Objects) -> None:
    """Have a ConfigMap of the hub beside the Module, if only one is called so."""
    found = [item for key, item in objects.items() if (key.group, key.kind, key.name) == ("", "ConfigMap", name)]
    if len(found) == 1:
        metadata: JsonMap = {"name": name, "namespace": draft.namespace}
        draft.config_maps.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
                                  "data": found[0].value.get("data")})  # fmt: skip
        draft.used.append(found[0])


def _take_pull_secret_policy(draft: Draft, objects: Objects) -> bool:
    """Take the Policy that render writes to copy the pull secret, and what places it; whether there is one."""
    ours = [found for found in objects.values() if found.is_rendered]
    name = NAME.format(draft.name)
    found = [item for item in ours if item.identity.kind in _OF_POLICY and item.identity.name == name]
    if "Policy" not in {item.identity.kind for item in found}:
        return False
    namespaces = {item.identity.namespace for item in found}
    bindings = [item for item in ours if item.identity.kind == "ManagedClusterSetBinding"]
    draft.used += [*found, *(item for item in bindings if item.identity.namespace in namespaces)]
    return True


def _take_works(draft: Draft, objects: Objects) -> None:
    """Take the ManifestWorks of the driver; what those of render carry stands among the objects then."""
    for found in list(objects.values()):
        if (found.identity.group, found.identity.kind) != MANIFEST_WORK:
            continue
        if found.metadata("labels").get(_OF_KMM) == draft.name:
            draft.used.append(found)
        elif found.identity.name == NAME.format(draft.name) and found.is_rendered:
            draft.used.append(found)
            for item in _carried(found, draft.name):
                other = objects.get(item.identity)
                if other is None or (other.is_carried and len(item.metadata("labels")) > len(other.metadata("labels"))):
                    objects[item.identity] = item


def _carried(work: Found, driver: str) -> Iterator[Found]:
    """The objects in a ManifestWork of a driver, without the rights of the work agent, which render writes anyway."""
    for index, value in enumerate(items_of(value_at(work.value, WORKLOAD, []))):
        item = map_of(value)
        name = metadata_of(item).get("name")
        is_object = all(isinstance(text, str) for text in (item.get("kind"), item.get("apiVersion"), name))
        is_right = item.get("kind") == "ClusterRole" and str(name).startswith(AGENT_ROLE.format(""))
        if is_object and not is_right:
            translation = Translation((work,), {(): (work, (*WORKLOAD, index))})
            source = replace(work.source, value=item)
            yield Found(source, identity_of(item), work.origin, driver, translation, made=True)
