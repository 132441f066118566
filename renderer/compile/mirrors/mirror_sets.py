"""The mirrors of a cluster as OpenShift's own objects: one ImageDigestMirrorSet, one ImageTagMirrorSet.

Nodes then pull all other images of the cluster from the mirrors, too. A change of either makes the Machine Config
Operator write registries.conf anew, so that the order of entries never depends on the order of the spec.
Source: config/v1 of github.com/openshift/api.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.image_mirrors import References
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.deliveries.kmm.objects import SPEC_ANNOTATION
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

NAME = "kmodgate"

KINDS: dict[References, tuple[str, str]] = {
    "digest": ("ImageDigestMirrorSet", "imageDigestMirrors"),
    "tag": ("ImageTagMirrorSet", "imageTagMirrors"),
}
"""Type of a mirror → the kind of the object, and the field of its spec that has the mirrors."""


def mirror_sets(cluster: Cluster) -> Iterator[Manifest]:
    """Yield the objects of the mirrors of a cluster that asks for them; none of a type that has no mirror."""
    for references, (kind, field) in KINDS.items() if cluster.mirror_objects else ():
        items = [(item.source, index) for index, item in enumerate(cluster.mirrors) if item.references == references]
        if items:
            indexes = [index for _, index in sorted(items)]
            yield _manifest(cluster, kind, field, indexes)


def _manifest(cluster: Cluster, kind: str, field: str, indexes: list[int]) -> Manifest:
    document = cluster.document
    mirrors = [cluster.mirrors[index] for index in indexes]
    entries: list[Json] = [
        {"source": item.source, "mirrors": [item.mirror], "mirrorSourcePolicy": item.source_policy} for item in mirrors
    ]
    value: JsonMap = {
        "apiVersion": "config.openshift.io/v1",
        "kind": kind,
        "metadata": {
            "name": NAME,
            "labels": dict(MANAGED_BY),
            "annotations": {
                **argo.sync_annotations(kind, argo.ASK_BEFORE_REMOVAL),
                SPEC_ANNOTATION: document.file,
            },
        },
        "spec": {field: entries},
    }

    def trace(path: FieldPath) -> Origin:
        place: FieldPath = ("spec", "mirrorObjects")
        if path[:2] == ("spec", field) and len(path) > 2:
            place = ("spec", "mirrors", indexes[int(path[2])], *(_FIELDS[str(step)] for step in path[3:4]))
        is_written = path[:1] == ("spec",) and document.has(place)
        line, column = document.position(place)
        return Origin(document.file, line, column, "cluster" if is_written else "default", place)

    return Manifest(value, None, document.file, trace)


_FIELDS = {"source": "source", "mirrors": "mirror", "mirrorSourcePolicy": "mirrorSourcePolicy"}
"""Field of an entry → field of a mirror in the spec."""
