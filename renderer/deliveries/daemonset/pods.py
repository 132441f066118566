"""The pods that load a driver on one kernel, hold it, and unload it when they go.

An init container loads, so that a device plugin in the same pod starts after it; the container beside the plugin does
nothing but hold the pod, say whether the module is there, and unload it before it stops. What they run is
`renderer/deliveries/scripts/kernel-module.sh`. Both have CAP_SYS_MODULE and no other right; firmware needs a writable
sysfs, which only a privileged container has. SELinux lets no confined type load a module, hence `spc_t`.
Sources: Kubernetes, Configure a Security Context and Container Lifecycle Hooks; container-selinux.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.resolution.resolve import Resolution
from kmodgate.renderer.fleet.fields.overrides import merge
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap

SCRIPT = "kernel-module.sh"
_SCRIPT_FOLDER = "/kmodgate"
_STATE = "/run/kmodgate"
_FIRMWARE = "/run/kmodgate-firmware"
_MODULES = "/lib/modules"

OWN_FOLDERS = (_SCRIPT_FOLDER, _STATE, _FIRMWARE, _MODULES)
"""Where the containers that load and hold a driver have mounts of their own."""

FIRMWARE_HOST_PATH = "/var/lib/firmware"
GRACE_PERIOD = 120
PRIORITY_CLASS = "system-node-critical"
"""The class of what a node cannot do without: the scheduler makes room for it, and the kubelet evicts it last."""

PLUGIN_FOLDER = "/var/lib/kubelet/device-plugins"

OWN_VOLUMES = ("firmware", "kubelet-device-plugins", "lib-modules", "script", "state")
OWN_VARIABLES = "KMODGATE_"

_ROOTS = ("", "/", "/usr")
"""Values of `dirName` with which the modules of the image lie where those of the node would be mounted."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one DaemonSet loads: the driver's spec, its script, the kernel, and what the winning mapping amounts to."""

    driver: str
    spec: JsonMap
    script: str
    kernel: str
    resolution: Resolution

    @property
    def options(self) -> JsonMap:
        return map_of(self.spec.get("daemonset"))

    @property
    def modprobe(self) -> JsonMap:
        return map_of(self.spec.get("modprobe"))

    @property
    def image_path(self) -> FieldPath:
        """The field of the spec that says the image."""
        index = self.resolution.mapping
        mapping = map_of(items_of(self.spec.get("kernelMappings"))[index])
        return ("kernelMappings", index, "containerImage") if mapping.get("containerImage") else ("containerImage",)


@dataclass(slots=True)
class Pod:
    """The spec of a pod, and which field of the driver's spec decided which path of it."""

    spec: JsonMap
    causes: dict[FieldPath, FieldPath] = field(default_factory=dict)


def loader_pod(loaded: Loaded, account: str, node_selector: JsonMap) -> Pod:
    """Return the pod that loads, without the device plugin."""
    spec, options = loaded.spec, loaded.options
    holding = _container(loaded)
    loading = _container(loaded, is_privileged="firmwarePath" in loaded.modprobe)
    call = ["sh", f"{_SCRIPT_FOLDER}/{SCRIPT}"]
    hold: JsonMap = {
        **_named("kernel-module", [*call, "hold"], holding),
        "readinessProbe": {"exec": {"command": [*call, "ready"]}, "periodSeconds": 10, "timeoutSeconds": 5},
        "lifecycle": {"preStop": {"exec": {"command": [*call, "unload"]}}},
    }
    value: JsonMap = {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": node_selector,
        "tolerations": spec.get("tolerations", []),
        "priorityClassName": options.get("priorityClassName", PRIORITY_CLASS),
        "terminationGracePeriodSeconds": options.get("terminationGracePeriodSeconds", GRACE_PERIOD),
        "imagePullSecrets": [{"name": spec["imageRepoSecret"]}] if spec.get("imageRepoSecret") else [],
        "initContainers": [_named("load", [*call, "load"], loading)],
        "containers": [hold],
        "volumes": [*_volumes(loaded), *items_of(options.get("volumes"))],
    }
    value = {key: item for key, item in value.items() if item != []}
    return Pod(value, dict(_causes(loaded, value)))


def waiting_container(loaded: Loaded) -> JsonMap:
    """Return the init container that waits until the module of the image is loaded; it needs no right for that."""
    found = _container(loaded)
    found["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    found["volumeMounts"] = [{"name": "script", "mountPath": _SCRIPT_FOLDER, "readOnly": True}]
    return _named("wait-for-module", ["sh", f"{_SCRIPT_FOLDER}/{SCRIPT}", "wait"], found)


def script_volume(script: str) -> JsonMap:
    """Return the volume with the script."""
    return {"name": "script", "configMap": {"name": script, "defaultMode": 0o444}}


def _named(name: str, command: list[str], common: JsonMap) -> JsonMap:
    image: JsonMap = {key: common[key] for key in ("image", "imagePullPolicy") if key in common}
    rest = {key: value for key, value in common.items() if key not in image}
    return {"name": name, **image, "command": list[Json](command), **rest}


def _container(loaded: Loaded, *, is_privileged: bool = False) -> JsonMap:
    """What the container that loads and the one that holds have in common."""
    spec, options = loaded.spec, loaded.options
    value: JsonMap = {"image": loaded.resolution.image}
    if "imagePullPolicy" in spec:
        value["imagePullPolicy"] = spec["imagePullPolicy"]
    settings: list[Json] = [{"name": name, "value": _literal(text)} for name, text, _ in _settings(loaded)]
    value["env"] = [*settings, *items_of(options.get("env"))]
    if "resources" in options:
        value["resources"] = options["resources"]
    value["securityContext"] = _merged_security(loaded, is_privileged=is_privileged)
    value["volumeMounts"] = [*_mounts(loaded), *items_of(options.get("volumeMounts"))]
    return value


def _merged_security(loaded: Loaded, *, is_privileged: bool) -> JsonMap:
    """The security context with what the spec adds; the API server refuses some rights without escalation."""
    own = map_of(loaded.options.get("securityContext"))
    value = merge(security_context(is_privileged=is_privileged), own)
    capabilities = map_of(value.get("capabilities"))
    added = {str(name).removeprefix("CAP_") for name in items_of(capabilities.get("add"))}
    if "add" in map_of(own.get("capabilities")) and not added & {"SYS_MODULE", "ALL"}:
        value["capabilities"] = {**capabilities, "add": ["SYS_MODULE", *items_of(capabilities.get("add"))]}
    if (value.get("privileged") is True or added & {"SYS_ADMIN", "ALL"}) and "allowPrivilegeEscalation" not in own:
        value.pop("allowPrivilegeEscalation", None)
    return value


def security_context(*, is_privileged: bool) -> JsonMap:
    """Return the rights of the containers that load and hold a driver."""
    value: JsonMap = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"add": ["SYS_MODULE"], "drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": 0,
        "runAsNonRoot": False,
        "runAsUser": 0,
        "seLinuxOptions": {"type": "spc_t"},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if is_privileged:
        del value["allowPrivilegeEscalation"], value["capabilities"], value["seccompProfile"]
        value = {"privileged": True, **value}
    return value


def _literal(text: str) -> str:
    """Text that Kubernetes does not take a `$(NAME)` in it for a variable."""
    return text.replace("$(", "$$(")


def _settings(loaded: Loaded) -> Iterator[tuple[str, str, FieldPath]]:
    """Yield name, value and field of the spec of each setting of the script; lists have one item a line."""
    modprobe, mapping = loaded.modprobe, ("kernelMappings", loaded.resolution.mapping)
    raw = map_of(modprobe.get("rawArgs"))
    order = items_of(modprobe.get("modulesLoadingOrder"))
    arguments, key = (raw, "rawArgs") if raw else (map_of(modprobe.get("args")), "args")
    removed = loaded.resolution.in_tree_modules_to_remove or []
    own = map_of(items_of(loaded.spec.get("kernelMappings"))[loaded.resolution.mapping])
    removal: FieldPath = (*mapping, "inTreeModulesToRemove") if "inTreeModulesToRemove" in own else ()
    grace = loaded.options.get("terminationGracePeriodSeconds", GRACE_PERIOD)
    names = _lines(order) if order else str(modprobe.get("moduleName", ""))
    found: tuple[tuple[str, str, FieldPath], ...] = (
        ("KERNEL", loaded.kernel, mapping),
        ("MODULES", names, ("modprobe", "modulesLoadingOrder" if order else "moduleName")),
        ("DIR", str(modprobe.get("dirName", "/opt")), ("modprobe", "dirName")),
        ("PARAMETERS", _lines(modprobe.get("parameters")), ("modprobe", "parameters")),
        ("RAW", "yes" if raw else "", ("modprobe", "rawArgs")),
        ("LOAD_ARGS", _lines(arguments.get("load")), ("modprobe", key, "load")),
        ("UNLOAD_ARGS", _lines(arguments.get("unload")), ("modprobe", key, "unload")),
        ("REMOVE", "\n".join(removed), removal or ("inTreeModulesToRemove",)),
        ("FIRMWARE", str(modprobe.get("firmwarePath", "")), ("modprobe", "firmwarePath")),
        ("FIRMWARE_HOST", _firmware_host(loaded), ("daemonset", "firmwareHostPath")),
        ("GRACE", str(grace), ("daemonset", "terminationGracePeriodSeconds")),
    )
    yield from ((f"{OWN_VARIABLES}{name}", text, path) for name, text, path in found if text)


def _lines(value: Json) -> str:
    return "\n".join(str(item) for item in items_of(value))


def _firmware_host(loaded: Loaded) -> str:
    if "firmwarePath" not in loaded.modprobe:
        return ""
    return str(loaded.options.get("firmwareHostPath", FIRMWARE_HOST_PATH))


def _sees_the_nodes_modules(loaded: Loaded) -> bool:
    """Whether the node's own modules are mounted, on which those of the image may depend."""
    return str(loaded.modprobe.get("dirName", "/opt")).rstrip("/") not in _ROOTS


def _mounts(loaded: Loaded) -> Iterator[JsonMap]:
    yield {"name": "script", "mountPath": _SCRIPT_FOLDER, "readOnly": True}
    yield {"name": "state", "mountPath": _STATE}
    if _sees_the_nodes_modules(loaded):
        yield {"name": "lib-modules", "mountPath": _MODULES, "readOnly": True}
    if _firmware_host(loaded):
        yield {"name": "firmware", "mountPath": _FIRMWARE}


def _volumes(loaded: Loaded) -> Iterator[JsonMap]:
    yield script_volume(loaded.script)
    yield {"name": "state", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    if _sees_the_nodes_modules(loaded):
        yield {"name": "lib-modules", "hostPath": {"path": _MODULES, "type": "Directory"}}
    if _firmware_host(loaded):
        yield {"name": "firmware", "hostPath": {"path": _firmware_host(loaded), "type": "DirectoryOrCreate"}}


def _causes(loaded: Loaded, value: JsonMap) -> Iterator[tuple[FieldPath, FieldPath]]:
    """Yield path of the pod and field of the driver's spec, for everything that one field decides."""
    settings = list(_settings(loaded))
    for place in (("initContainers", 0), ("containers", 0)):
        yield (*place, "image"), loaded.image_path
        yield (*place, "imagePullPolicy"), ("imagePullPolicy",)
        yield (*place, "securityContext"), ("daemonset", "securityContext")
        yield (*place, "resources"), ("daemonset", "resources")
        for index, (_, _, path) in enumerate(settings):
            yield (*place, "env", index), path
        for index in range(len(items_of(loaded.options.get("env")))):
            yield (*place, "env", len(settings) + index), ("daemonset", "env", index)
        own = len(list(_mounts(loaded)))
        for index in range(len(items_of(loaded.options.get("volumeMounts")))):
            yield (*place, "volumeMounts", own + index), ("daemonset", "volumeMounts", index)
    own = len(list(_volumes(loaded)))
    for index in range(len(items_of(loaded.options.get("volumes")))):
        yield ("volumes", own + index), ("daemonset", "volumes", index)
    for key in ("terminationGracePeriodSeconds", "priorityClassName"):
        yield (key,), ("daemonset", key)
    yield ("serviceAccountName",), ("serviceAccountName",)
    yield ("tolerations",), ("tolerations",)
    yield ("imagePullSecrets",), ("imageRepoSecret",)
    yield ("nodeSelector",), ("selector",)
    for key in map_of(value["nodeSelector"]):
        is_own = key in map_of(loaded.spec.get("selector"))
        yield ("nodeSelector", key), ("selector", key) if is_own else ("daemonset", "kernelLabel")
