"""Objects that a driver attaches, by where they are needed: on the hub, which builds and signs, or on the spokes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.yaml_documents import Document
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.references import references
from kmodgate.renderer.fleet.fields.field_table import SYNC_OPTIONS
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.fleet.targets.referenced_files import Sources
from kmodgate.renderer.fleet.targets.targets import Variant
from kmodgate.renderer.manifests import argo, attached_objects
from kmodgate.renderer.manifests.manifest import Manifest

_OF_THE_HUB = ("Dockerfile", "build secret", "signing key", "certificate")
"""What only the cluster that builds and signs needs."""


@dataclass(frozen=True, slots=True)
class Attached:
    """The attached objects of a driver, those of the spokes without what Argo CD is told."""

    hub: list[Manifest]
    spokes: list[Manifest]


def attached_sides(variant: Variant, sources: Sources, module: JsonMap, hub: str) -> Attached:
    """Sort the objects that a driver attaches; `hub` is the namespace of KMM's operator on the hub.

    A namespace in the object decides. One without a namespace belongs to the spokes, unless it is what the Module is
    built or signed with. The pull secret is needed on both: an ExternalSecret for it goes to both, and a SealedSecret,
    which only one namespace can unseal, to the spokes.
    """
    found = Attached([], [])
    by_role = {(item.kind, item.name): item.role for item in references(ModuleView(module))}
    for document in sources.attached:
        role = by_role.get(needed_as(document.value), "")
        place = str(metadata_of(as_map(document.value)).get("namespace", ""))
        is_told = place not in ("", hub) or (place == hub != variant.namespace)
        on_hub = place == hub if is_told else role in _OF_THE_HUB
        if on_hub or (not is_told and role == "pull secret" and _kind(document) == "ExternalSecret"):
            found.hub.append(attached_objects.manifest(variant, document, hub))
        if not on_hub:
            found.spokes.append(without_sync(attached_objects.manifest(variant, document, variant.namespace)))
    return found


def without_sync(manifest: Manifest) -> Manifest:
    """Return an object without the annotations for Argo CD, which does not apply it on the spokes."""
    metadata: Any = dict(metadata_of(manifest.value))
    told = (argo.SYNC_WAVE, SYNC_OPTIONS)
    metadata["annotations"] = {key: item for key, item in metadata["annotations"].items() if key not in told}
    if not metadata["annotations"]:
        del metadata["annotations"]
    return replace(manifest, value={**manifest.value, "metadata": metadata})


def _kind(document: Document) -> str:
    return str(as_map(document.value).get("kind"))


def needed_as(value: object) -> tuple[str, str]:
    """Return the kind and name of what comes of an object: a Secret of an ExternalSecret or SealedSecret."""
    item = as_map(value)
    kind, name = str(item.get("kind")), str(metadata_of(item).get("name", ""))
    spec = as_map(item.get("spec"))
    if kind == "ExternalSecret":
        return "Secret", str(as_map(spec.get("target")).get("name") or name)
    if kind == "SealedSecret":
        return "Secret", str(metadata_of(as_map(spec.get("template"))).get("name") or name)
    return kind, name
