"""The device plugin of a driver: a container beside the one that loads, or pods of its own.

It gets what KMM gives a plugin: the folder of the kubelet's sockets, and all rights.
Source: internal/controllers/device_plugin_reconciler.go of Kernel Module Management.
"""

from __future__ import annotations

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.deliveries.daemonset.pods import (
    PLUGIN_FOLDER,
    PRIORITY_CLASS,
    Loaded,
    Pod,
    script_volume,
    waiting_container,
)
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap

PART = "device-plugin"
_SOCKETS = "kubelet-device-plugins"


def is_separate(spec: JsonMap) -> bool:
    """Whether the device plugin of a driver has pods of its own."""
    return "devicePlugin" in spec and map_of(spec.get("daemonset")).get("separate") is True


def add_to(pod: Pod, spec: JsonMap) -> None:
    """Add the plugin of a driver to the pod that loads it."""
    plugin = map_of(spec["devicePlugin"])
    if "automountServiceAccountToken" in plugin:
        pod.spec["automountServiceAccountToken"] = plugin["automountServiceAccountToken"]
    for key, container, path in _containers(plugin):
        containers = items_of(pod.spec[key])
        pod.causes[key, len(containers)] = path
        pod.spec[key] = [*containers, container]
    _add_volumes(pod, plugin)


def separate_pod(loaded: Loaded, account: str, node_selector: JsonMap) -> Pod:
    """Return the pod of a plugin that waits on its own for the module of the image."""
    spec = loaded.spec
    plugin = map_of(spec["devicePlugin"])
    value: JsonMap = {
        "serviceAccountName": account,
        "automountServiceAccountToken": plugin.get("automountServiceAccountToken", False),
        "enableServiceLinks": False,
        "nodeSelector": node_selector,
        "tolerations": spec.get("tolerations", []),
        "priorityClassName": loaded.options.get("priorityClassName", PRIORITY_CLASS),
        "imagePullSecrets": [{"name": spec["imageRepoSecret"]}] if spec.get("imageRepoSecret") else [],
        "initContainers": [waiting_container(loaded)],
        "containers": [],
        "volumes": [script_volume(loaded.script)],
    }
    pod = Pod(value, {("initContainers", 0, "image"): loaded.image_path})
    for key, container, path in _containers(plugin):
        containers = items_of(value[key])
        pod.causes[key, len(containers)] = path
        value[key] = [*containers, container]
    _add_volumes(pod, plugin)
    pod.spec = {key: item for key, item in value.items() if item != []}
    pod.causes.update(
        {
            ("serviceAccountName",): ("devicePlugin", "serviceAccountName"),
            ("automountServiceAccountToken",): ("devicePlugin", "automountServiceAccountToken"),
            ("tolerations",): ("tolerations",),
            ("imagePullSecrets",): ("imageRepoSecret",),
            ("nodeSelector",): ("selector",),
        }
    )
    return pod


def _containers(plugin: JsonMap) -> list[tuple[str, JsonMap, FieldPath]]:
    """The list of the pod, container and field of the spec of each container of a plugin."""
    sockets: JsonMap = {"name": _SOCKETS, "mountPath": PLUGIN_FOLDER}
    main = map_of(plugin["container"])
    found: list[tuple[str, JsonMap, FieldPath]] = [
        ("containers", _container(PART, main, [sockets]), ("devicePlugin", "container"))
    ]
    if "initContainer" in plugin:
        init = _container(f"{PART}-init", map_of(plugin["initContainer"]), [])
        found.insert(0, ("initContainers", init, ("devicePlugin", "initContainer")))
    return found


def _container(name: str, container: JsonMap, mounts: list[Json]) -> JsonMap:
    """The container as its author wrote it; mounts of ours come after it, so that its own keep their places."""
    rest = {key: value for key, value in container.items() if key != "volumeMounts"}
    all_mounts = [*items_of(container.get("volumeMounts")), *mounts]
    return {
        "name": name,
        **rest,
        "securityContext": {"privileged": True},
        **({"volumeMounts": all_mounts} if all_mounts else {}),
    }


def _add_volumes(pod: Pod, plugin: JsonMap) -> None:
    sockets: JsonMap = {"name": _SOCKETS, "hostPath": {"path": PLUGIN_FOLDER, "type": "Directory"}}
    volumes = [*items_of(pod.spec["volumes"]), sockets]
    for index in range(len(items_of(plugin.get("volumes")))):
        pod.causes["volumes", len(volumes) + index] = ("devicePlugin", "volumes", index)
    pod.spec["volumes"] = [*volumes, *items_of(plugin.get("volumes"))]
