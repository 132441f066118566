"""The mirrors by which the images in an object are named, each with its line in a Cluster spec."""

from __future__ import annotations

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.image_mirrors import Mirror
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.deliveries.hub.manifest_works import MANIFEST_WORK
from kmodgate.renderer.explain.absent_drivers import hub_of
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.manifests.manifest import Manifest


def mirrors_of(found: CompiledFleet, manifest: Manifest, cluster: str) -> dict[Mirror, Origin]:
    """Return the mirrors of the cluster whose names an object has; `cluster` is one that has the object."""
    name = _named_by(found, manifest, cluster)
    document, mirrors = next((item.document, item.mirrors) for item in found.fleet.clusters if item.name == name)
    result: dict[Mirror, Origin] = {}
    for index, mirror in enumerate(mirrors):
        path: FieldPath = ("spec", "mirrors", index)
        result[mirror] = Origin(document.file, *document.position(path), "cluster", path)
    return result


def _named_by(found: CompiledFleet, manifest: Manifest, cluster: str) -> str:
    """The cluster whose mirrors name the images: the spoke of a ManifestWork, the hub of the Module that it makes."""
    if manifest.identity.kind == MANIFEST_WORK[1]:
        return manifest.identity.namespace
    is_of_hub = manifest in found.delivered.get(cluster, ()) and driver_of(manifest.value)
    return hub_of(found, cluster) if is_of_hub else cluster
