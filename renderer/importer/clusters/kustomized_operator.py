"""The overlay in a handover by which kustomize installs KMM → `install.kustomize` of the Cluster.

Source: renderer/compile/operator_install/kustomization.py, which writes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.cluster.controllers import HUB_PACKAGE, PACKAGE
from kmodgate.policy.formats.yaml_documents import Json, parse
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.clusters.cluster_draft import Settings
from kmodgate.renderer.importer.objects.reading import Found, Objects

_GROUP = "kustomize.config.k8s.io"


def add_overlay(objects: Objects, settings: Settings) -> None:
    """Add the folder that an overlay of kmodgate takes, with the tolerations that it adds."""
    found = next(filter(_is_overlay, objects.values()), None)
    if found is None:
        return
    resources = [item for item in items_of(found.value.get("resources")) if isinstance(item, str)]
    install: JsonMap = {"kustomize": next((item for item in resources if "?ref=" in item), "")}
    patches = list(_patches(found))
    tolerations = _tolerations(patches)
    if tolerations:
        install["tolerations"] = tolerations
    if not settings.put(found, ("resources",), "kmm", {"install": install}):
        return
    settings.take(found)
    if found.identity.name == HUB_PACKAGE:
        settings.spec["acm"] = {"role": "hub"}
    if any("KMM_MANAGED" in str(patch) for _, patch in patches):
        text = "not carried over: it makes the cluster a spoke"
        settings.lost.append(found.lost("IMP004", ("patches",), text, "write acm: {role: spoke, hub: NAME}"))
    if any(kind == "ConfigMap" for kind, _ in patches):  # of a folder that has one itself
        text = "not carried over: the configuration of a KMM before 2.4, which a patch holds"
        fix = "write it as kmm.config, beside kmm.version"
        settings.lost.append(found.lost("IMP004", ("patches",), text, fix))


def _is_overlay(found: Found) -> bool:
    identity = found.identity
    return (identity.group, identity.kind) == (_GROUP, "Kustomization") and identity.name in (PACKAGE, HUB_PACKAGE)


def _patches(found: Found) -> Iterator[tuple[str, Json]]:
    """The kind that each patch is of, and what it says."""
    for item in map(map_of, items_of(found.value.get("patches"))):
        documents, problems = parse(str(item.get("patch", "")), found.source.file)
        if len(documents) == 1 and not problems:
            yield str(map_of(item.get("target")).get("kind")), documents[0].value


def _tolerations(patches: list[tuple[str, Json]]) -> list[Json]:
    """The tolerations that are added to the first Deployment, as to the others."""
    steps = next((items_of(patch) for kind, patch in patches if kind == "Deployment" and isinstance(patch, list)), [])
    return [map_of(step).get("value") for step in steps]
