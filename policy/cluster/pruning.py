"""What rules ask of objects other than the one at hand: all that a cache of a whole cluster has to keep of them.

A part that is left out is one that no rule looks at in a neighbour; lists keep their length, so that paths stay true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kmodgate.policy.kmm.kinds import SERVED

Map = Mapping[str, Any]
_Prune = Callable[[Any], Any]

OWN_ANNOTATIONS = "kmodgate.io/"
"""How those annotations begin that rules look at."""


def pruned_metadata(item: Map) -> dict[str, Any]:
    """Name, namespace, labels, our own annotations, and when the object was deleted if it is on its way out."""
    metadata = item.get("metadata")
    kept = _only(
        metadata,
        {"name": _same, "namespace": _same, "labels": _same, "deletionTimestamp": _same, "annotations": _own},
    )
    return kept if isinstance(kept, dict) else {}


def pruned_namespace(item: Map) -> dict[str, Any]:
    """A Namespace, from the whole object or from its metadata alone."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": pruned_metadata(item)}


def pruned_module(item: Map) -> dict[str, Any]:
    """A Module: where it loads which kernel modules, what else it makes, and every object that it refers to.

    Its `uid` tells it from others of its name, as an owner.
    """
    return {
        "apiVersion": item.get("apiVersion", ""),
        "kind": item.get("kind", ""),
        "metadata": pruned_metadata(item) | _uid(item),
        "spec": _only(item.get("spec"), _SPEC),
    }


def pruned_hub_module(item: Map) -> dict[str, Any]:
    """A ManagedClusterModule: its name, the clusters that it selects, and every object that its builds refer to.

    It is said to be one here, because the items of a list do not tell their kind.
    """
    return {
        "apiVersion": SERVED["ManagedClusterModule"][0],
        "kind": "ManagedClusterModule",
        "metadata": pruned_metadata(item),
        "spec": _only(item.get("spec"), {"selector": _same, "moduleSpec": _map(**_BUILT)}),
    }


def pruned_daemon_set(item: Map) -> dict[str, Any]:
    """A DaemonSet: which one it is, where its pods run, and every object that they refer to.

    It is said to be one here, because the items of a list do not tell their kind.
    """
    metadata = pruned_metadata(item) | _uid(item)
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": _only(item.get("spec"), _PODS)}


def _uid(item: Map) -> dict[str, Any]:
    found = _only(item.get("metadata"), {"uid": _same})
    return found if isinstance(found, dict) else {}


def pruned_runtime_class(item: Map) -> dict[str, Any]:
    """A RuntimeClass: its handler, and what it adds to the pods that name it."""
    fields = ("apiVersion", "kind", "handler", "overhead", "scheduling")
    return {**{key: item[key] for key in fields if key in item}, "metadata": pruned_metadata(item)}


def pruned_owner(item: Map) -> dict[str, Any]:
    """A workload as the owner of another object: which one it is, since when, and whose it is itself."""
    metadata = item.get("metadata")
    fields = ("name", "namespace", "uid", "creationTimestamp", "ownerReferences")
    return {"metadata": _only(metadata, dict.fromkeys(fields, _same)) if isinstance(metadata, Mapping) else {}}


def _same(value: Any) -> Any:
    return value


def _own(annotations: Any) -> Any:
    if not isinstance(annotations, Mapping):
        return annotations
    return {key: value for key, value in annotations.items() if str(key).startswith(OWN_ANNOTATIONS)}


def _only(value: Any, fields: Mapping[str, _Prune]) -> Any:
    """Those fields of a map that are there; anything else stays as it is, because rules read it as empty."""
    if not isinstance(value, Mapping):
        return value
    return {key: prune(value[key]) for key, prune in fields.items() if key in value}


def _map(**fields: _Prune) -> _Prune:
    return lambda value: _only(value, fields)


def _each(prune: _Prune) -> _Prune:
    return lambda value: [prune(item) for item in value] if isinstance(value, list) else value


_REFERENCE = _map(name=_same)

_MADE = {
    "build": _map(dockerfileConfigMap=_REFERENCE, buildArgs=_each(_REFERENCE), secrets=_each(_REFERENCE)),
    "sign": _map(keySecret=_REFERENCE, certSecret=_REFERENCE),
}

_LOADED = {"modprobe": _map(moduleName=_same, modulesLoadingOrder=_same), "version": _same}


def _container(value: Any) -> Any:
    """The container of the loader; its images only where it signs some, which no other one of them matters for."""
    mapping = {**_MADE, "containerImage": _same, "literal": _same} if _signs(value) else _MADE
    return _only(value, {**_LOADED, **mapping, "kernelMappings": _each(_map(**mapping))})


def _signs(container: Any) -> bool:
    mappings = container.get("kernelMappings") if isinstance(container, Mapping) else None
    levels = [container, *(mappings if isinstance(mappings, list) else ())]
    return any(isinstance(level, Mapping) and "sign" in level for level in levels)


_BUILT: dict[str, _Prune] = {
    "imageRepoSecret": _REFERENCE,
    "moduleLoader": _map(container=_map(**_MADE, kernelMappings=_each(_map(**_MADE)))),
}

_VARIABLES = _map(env=_each(_map(valueFrom=_same)), envFrom=_same)

_PLUGIN = {"serviceAccountName": _same, "volumes": _same, "container": _VARIABLES, "initContainer": _VARIABLES}

_PODS = {
    "template": _map(
        spec=_map(
            nodeSelector=_same,
            serviceAccountName=_same,
            serviceAccount=_same,
            imagePullSecrets=_same,
            volumes=_each(_map(configMap=_same, secret=_same, projected=_same)),
            initContainers=_each(_VARIABLES),
            containers=_each(_VARIABLES),
        )
    )
}

_SPEC: dict[str, _Prune] = {
    "selector": _same,
    "tolerations": _same,
    "imageRepoSecret": _REFERENCE,
    "moduleLoader": _map(serviceAccountName=_same, container=_container),
    "devicePlugin": _map(**_PLUGIN),
    "dra": _map(deviceClasses=_each(_REFERENCE), **_PLUGIN),
}
