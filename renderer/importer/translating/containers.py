"""Containers of pods → what they load, and the plugin that a Module runs in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found
from kmodgate.renderer.importer.translating.commands.load_commands import Loading
from kmodgate.renderer.importer.translating.commands.shell_commands import Command, commands_of
from kmodgate.renderer.importer.translating.draft import Draft, texts, without_nothing

_OF_A_PLUGIN = ("image", "imagePullPolicy", "command", "args", "env", "resources", "volumeMounts")
_NEVER_TOLD = {"name", "terminationMessagePath", "terminationMessagePolicy"}
_ROOT: JsonMap = {
    "privileged": True, "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": False, "allowPrivilegeEscalation": True,
    "readOnlyRootFilesystem": True,
}  # fmt: skip

_FIX_OF_OTHER_COMMANDS = "do it in a DaemonSet of its own, or in the device plugin, if it is needed"
_FIX_OF_MODPROBE_D = "write options of the driver as modprobe.parameters, and put the rest into the image"


class Place(NamedTuple):
    """A container: its value, and where in which object it stands."""

    value: JsonMap
    found: Found
    path: FieldPath


def starting_commands(container: Place, files: Mapping[str, str]) -> Iterator[Command]:
    """Yield the commands that run when the container starts."""
    value, env = container.value, variables(container.value)
    vector = [*texts(value.get("command")), *texts(value.get("args"))]
    yield from commands_of(vector, env, files)
    yield from commands_of(_hook(value, "postStart"), env, files)


def ending_commands(container: Place, files: Mapping[str, str]) -> Iterator[Command]:
    """Yield the commands that run when the container is stopped."""
    yield from commands_of(_hook(container.value, "preStop"), variables(container.value), files)


def _hook(container: JsonMap, name: str) -> list[str]:
    return texts(map_of(map_of(map_of(container.get("lifecycle")).get(name)).get("exec")).get("command"))


def variables(container: JsonMap) -> dict[str, str]:
    """Return the variables of a container that have a written value."""
    items = (map_of(item) for item in items_of(container.get("env")))
    pairs = ((item.get("name"), item.get("value")) for item in items)
    return {str(name): value for name, value in pairs if isinstance(value, str)}


def put_device_plugin(draft: Draft, container: Place, path: FieldPath = ("spec", "devicePlugin", "container")) -> None:
    """Make the container the device plugin of the Module, or its init container."""
    for key, item in container.value.items():
        place = (*container.path, key)
        if key in _OF_A_PLUGIN:
            if item not in (None, {}, []):
                draft.put((*path, key), item, container.found, place)
        elif key == "securityContext":
            lose_security(draft, container, "KMM runs plugins privileged, and nothing else of it can be said")
        elif key not in _NEVER_TOLD and item not in (None, "", {}, []):
            draft.lose(
                container.found,
                place,
                "the plugin of a driver cannot have it",
                "nothing, if the plugin runs without it",
            )
    draft.places.setdefault(path, (container.found, container.path))


def lose_security(draft: Draft, container: Place, message: str) -> None:
    """Report what a security context asks for beyond the rights that every loader and plugin has."""
    context = without_nothing(container.value.get("securityContext"))
    for key, item in context.items():
        added = texts(map_of(item).get("add")) if key == "capabilities" else None
        usual = key in _ROOT and _ROOT[key] == item
        usual = usual or (added is not None and set(added) <= {"SYS_MODULE", "CAP_SYS_MODULE", "SYS_ADMIN"})
        if not usual and (key != "seLinuxOptions" or map_of(item).get("type") != "spc_t"):
            path = (*container.path, "securityContext", key)
            draft.lose(container.found, path, message, "nothing, if the driver works without it")


def lose_besides(draft: Draft, container: Place, loading: Loading) -> None:
    """Report what the commands of a container do beside loading, and what only the node could tell."""
    found, path = container.found, _command_path(container)
    if loading.besides:
        shown = "; ".join(dict.fromkeys(loading.besides[:3]))
        message = f"its commands also run what a loader does not: {shown}"
        fix = _FIX_OF_MODPROBE_D if "modprobe.d" in shown else _FIX_OF_OTHER_COMMANDS
        draft.lose(found, path, message, fix)
    if loading.besides_at_end:
        shown = "; ".join(dict.fromkeys(loading.besides_at_end[:3]))
        message = f"its commands also run before it ends what a loader does not: {shown}"
        hook = (*container.path, "lifecycle", "preStop") if _hook(container.value, "preStop") else path
        draft.lose(found, hook, message, "stop what uses the module before its pod is deleted")
    for directory in loading.other_directories:
        message = f"modprobe also looks in {directory}, but a driver has one dirName: {loading.directory}"
        draft.lose(found, path, message, "give each its own image, with the kernel modules below one folder")
    for text in dict.fromkeys(loading.unread):
        message = f"which kernel module is {text!r} cannot be read"
        draft.lose(found, path, message, "add it to modprobe.modulesLoadingOrder, if it is another one")
    for text in dict.fromkeys(loading.conflicts):
        message = f"another value of a parameter, {text}; a driver has the first one that is read"
        draft.lose(found, path, message, "choose one in modprobe.parameters, or give each case a driver of its own")
    for name, parameters in loading.lost_parameters().items():
        message = f"parameters of {name}: {' '.join(parameters)}; a Module has parameters for {loading.module} alone"
        draft.lose(found, path, message, "set them in modprobe.d of the image, or give the module a driver of its own")


def _command_path(container: Place) -> FieldPath:
    """Where the commands of a container stand that say what it loads."""
    value = container.value
    if _hook(value, "postStart"):
        return (*container.path, "lifecycle", "postStart")
    key = next((key for key in ("args", "command") if value.get(key)), None)
    if key is None and _hook(value, "preStop"):
        return (*container.path, "lifecycle", "preStop")
    return container.path if key is None else (*container.path, key)


def put_modprobe(draft: Draft, container: Place, loading: Loading) -> None:
    """Make what a container loads the `modprobe` of the Module, and list what has no place in it."""
    place = _command_path(container)
    draft.put(("spec", "moduleLoader", "container", "modprobe"), loading.modprobe(), container.found, place)
    if loading.removed:
        removed: list[Json] = list(dict.fromkeys(loading.removed))
        draft.put(("spec", "moduleLoader", "container", "inTreeModulesToRemove"), removed, container.found, place)
    lose_besides(draft, container, loading)
