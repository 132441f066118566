"""A ManagedClusterModule of a hub → the Module that it makes on its spokes, delivered by the hub."""

from __future__ import annotations

from kmodgate.policy.findings import Finding
from kmodgate.policy.kmm.kinds import SERVED
from kmodgate.renderer.deliveries.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.companions import builds
from kmodgate.renderer.importer.reading import Found, Objects
from kmodgate.renderer.importer.translating.draft import Draft, copy_metadata, name_of, new_draft

KIND = "ManagedClusterModule"


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
    draft.delivery = {"delivery": "hub", "hub": {"selector": selector}}
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
