"""What objects say of a cluster that the fleet has already: import changes no file, and says the lines to write."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kmodgate.policy.findings import FieldPath, format_path
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.compile.operator_install.install import usual_tolerations
from kmodgate.renderer.compile.operator_install.operator import usual_namespace
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import Cluster, JsonMap


def additions(cluster: Cluster, said: JsonMap) -> Iterator[str]:
    """Yield each line that a Cluster lacks, as YAML, and each field of which `said` has another value.

    `said` are fields of the spec, by the objects of the cluster.
    """
    document = cluster.document
    for path, text in _differences(said, _effective(cluster), ("spec",)):
        yield f"{document.file}:{document.position(path)[0]} is not changed: {text}"


def _effective(cluster: Cluster) -> JsonMap:
    """The spec of a cluster, with the usual values of fields that it leaves out and that objects always have."""
    spec = dict(map_of(map_of(cluster.document.value).get("spec")))
    if cluster.argocd is not None:
        spec["argocd"] = {"namespace": cluster.argocd.namespace, **map_of(spec.get("argocd"))}
    if cluster.kmm is not None:
        usual: JsonMap = {
            "namespace": usual_namespace(cluster, is_hub=cluster.is_hub),
            "flavour": cluster.kmm.flavour,
        }
        spec["kmm"] = {**usual, **map_of(spec.get("kmm"))}
    if cluster.kmm is not None and cluster.kmm.install is not None and cluster.kmm.install.tolerations is None:
        install: JsonMap = {"tolerations": usual_tolerations(cluster), **map_of(map_of(spec["kmm"]).get("install"))}
        spec["kmm"] = {**map_of(spec["kmm"]), "install": install}
    return spec


def _differences(said: JsonMap, there: JsonMap, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    """Yield what to write, each with the field that is there: one to add to, or one with another value."""
    for key, value in said.items():
        own = (*path, key)
        if key not in there:
            yield path, f"add to {format_path(path)}: {key}: {_flow(value)}"
        elif isinstance(value, dict):
            yield from _differences(value, map_of(there[key]), own)
        elif isinstance(value, list):
            new = (item for item in value if item not in items_of(there[key]))
            yield from ((own, f"add to {format_path(own)}: - {_flow(item)}") for item in new)
        elif value != there[key]:
            yield own, f"{format_path(own)} is {_flow(there[key])}, and the objects say {_flow(value)}"


def _flow(value: Json) -> str:
    """The value as YAML on one line."""
    return json.dumps(value, ensure_ascii=False)
