"""The DaemonSets of a driver as the one Module that loads the same on the same nodes.

What is computed of Modules (which nodes load, what a change does to them, how many nodes a removal takes the driver
from) is computed of this. Each DaemonSet is a mapping for its kernel, with the image as it is. `updateStrategy` is no
field of a Module; it tells how changes reach the nodes.
Source of the tolerations: Kubernetes, DaemonSet (taints and tolerations).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from kmodgate.policy.cluster.facts import metadata_of
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.nodes.kernel_labels import KERNEL_ANNOTATION, KERNEL_LABEL_ANNOTATION
from kmodgate.renderer.deliveries.daemonset.pods import OWN_VARIABLES
from kmodgate.renderer.fleet.fields.field_table import SYNC_OPTIONS
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests.manifest import DRIVER_LABEL, Manifest

STRATEGY = "updateStrategy"

POD = "pod"
"""The field of modprobe's settings that holds all else by which a pod differs from another one."""

_ALWAYS_TOLERATED: tuple[JsonMap, ...] = tuple(
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
    for name, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
)
"""What the DaemonSet controller has all its pods tolerate."""

_LOADER: FieldPath = ("spec", "template", "spec", "initContainers", 0)
_MAPPINGS: FieldPath = ("spec", "moduleLoader", "container", "kernelMappings")


def view(manifests: Sequence[Manifest]) -> Manifest:
    """Return the DaemonSets of a driver on a cluster as one Module; its origins are theirs."""
    first = manifests[0]
    value = module_of([manifest.value for manifest in manifests])
    return Manifest(value, first.driver, first.file, _trace(manifests))


def module_of(daemon_sets: Sequence[JsonMap]) -> JsonMap:
    """Return the DaemonSets of a driver as one Module."""
    first = daemon_sets[0]
    pod = _pod(first)
    key = str(_annotations(first).get(KERNEL_LABEL_ANNOTATION, ""))
    return {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {
            "name": map_of(cast(Json, metadata_of(first).get("labels"))).get(DRIVER_LABEL),
            "namespace": cast(Json, metadata_of(first).get("namespace", "")),
            "annotations": {name: value for name, value in _annotations(first).items() if name == SYNC_OPTIONS},
        },
        "spec": {
            "selector": {name: value for name, value in map_of(pod.get("nodeSelector")).items() if name != key},
            "tolerations": [*items_of(pod.get("tolerations")), *_ALWAYS_TOLERATED],
            STRATEGY: map_of(first.get("spec")).get(STRATEGY),
            "moduleLoader": {
                "container": {
                    "modprobe": _modprobe(_settings(first), pod),
                    "kernelMappings": [_mapping(item) for item in daemon_sets],
                }
            },
        },
    }


def kernel_of(daemon_set: JsonMap) -> str:
    """Return the kernel that a DaemonSet loads its driver on; empty for one that loads none."""
    return str(_annotations(daemon_set).get(KERNEL_ANNOTATION, ""))


def _annotations(daemon_set: JsonMap) -> JsonMap:
    return map_of(cast(Json, metadata_of(daemon_set).get("annotations")))


def _pod(daemon_set: JsonMap) -> JsonMap:
    return map_of(map_of(map_of(daemon_set.get("spec")).get("template")).get("spec"))


def _loader(daemon_set: JsonMap) -> JsonMap:
    return map_of(next(iter(items_of(_pod(daemon_set).get("initContainers"))), None))


def _settings(daemon_set: JsonMap) -> dict[str, str]:
    """The settings of the script, without their prefix."""
    env = (map_of(item) for item in items_of(_loader(daemon_set).get("env")))
    return {str(item.get("name")).removeprefix(OWN_VARIABLES): str(item.get("value")) for item in env}


def _mapping(daemon_set: JsonMap) -> JsonMap:
    removed = _settings(daemon_set).get("REMOVE", "").split()
    return {
        "literal": trimmed(kernel_of(daemon_set)),
        "containerImage": _loader(daemon_set).get("image"),
        "inTreeModulesToRemove": list[Json](removed),
    }


def _modprobe(settings: dict[str, str], pod: JsonMap) -> JsonMap:
    """The settings of modprobe, and all else that a pod has."""
    value: JsonMap = {
        "moduleName": settings.get("MODULES", "").partition("\n")[0],
        "dirName": settings.get("DIR", ""),
        "parameters": _lines(settings, "PARAMETERS"),
        "modulesLoadingOrder": _lines(settings, "MODULES") if "\n" in settings.get("MODULES", "") else [],
        "firmwarePath": settings.get("FIRMWARE", ""),
        "rawArgs" if "RAW" in settings else "args": {
            "load": _lines(settings, "LOAD_ARGS"),
            "unload": _lines(settings, "UNLOAD_ARGS"),
        },
        POD: {
            **{key: item for key, item in pod.items() if key not in ("nodeSelector", "initContainers", "containers")},
            "containers": [
                _without_settings(map_of(item))
                for key in ("initContainers", "containers")
                for item in items_of(pod.get(key))
            ],
        },
    }
    return {key: item for key, item in value.items() if item not in ("", [], {"load": [], "unload": []})}


def _lines(settings: dict[str, str], name: str) -> list[Json]:
    return list[Json](settings[name].split("\n")) if settings.get(name) else []


def _without_settings(container: JsonMap) -> JsonMap:
    """The container without its kernel's image, and without what the settings of the script say."""
    is_own = container.get("name") in ("load", "kernel-module")
    env = [
        item for item in items_of(container.get("env")) if not str(map_of(item).get("name")).startswith(OWN_VARIABLES)
    ]
    rest = {key: item for key, item in container.items() if key not in (("image", "env") if is_own else ("env",))}
    return {**rest, "env": list[Json](env)}


def _trace(manifests: Sequence[Manifest]) -> Callable[[FieldPath], Origin]:
    def trace(path: FieldPath) -> Origin:
        index = path[len(_MAPPINGS)] if path[: len(_MAPPINGS)] == _MAPPINGS and len(path) > len(_MAPPINGS) else None
        if isinstance(index, int) and index < len(manifests):
            field: FieldPath = _field(manifests[index].value, path[len(_MAPPINGS) + 1 :])
            return manifests[index].trace(field)
        first = manifests[0]
        return first.trace(_path_in_daemon_set(first.value, path))

    return trace


def _field(daemon_set: JsonMap, rest: FieldPath) -> FieldPath:
    """The path in a DaemonSet of a field of its mapping."""
    if rest[:1] == ("containerImage",):
        return (*_LOADER, "image")
    return _env(daemon_set, "REMOVE") if rest[:1] == ("inTreeModulesToRemove",) else ("metadata", "name")


def _path_in_daemon_set(daemon_set: JsonMap, path: FieldPath) -> FieldPath:
    """The path in a DaemonSet of a field that all of a driver's have in common."""
    if path[:2] == ("spec", "selector"):
        return ("spec", "template", "spec", "nodeSelector", *path[2:])
    if path[:2] == ("spec", "tolerations"):
        return ("spec", "template", "spec", "tolerations", *path[2:])
    if path[:2] == ("spec", STRATEGY) or path[:1] == ("metadata",):
        return path
    names = {"parameters": "PARAMETERS", "dirName": "DIR", "firmwarePath": "FIRMWARE", "args": "LOAD_ARGS"}
    last = str(path[4]) if len(path) > 4 else ""
    return _env(daemon_set, names.get(last, "MODULES"))


def _env(daemon_set: JsonMap, name: str) -> FieldPath:
    settings = list(_settings(daemon_set))
    return (*_LOADER, "env", settings.index(name)) if name in settings else ("metadata", "name")
