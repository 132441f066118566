"""Whether a changed pod, or template of pods, can do anything to its node that it could not do before."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any

from kmodgate.policy.node_access.capabilities import capability
from kmodgate.policy.node_access.node_files import followed
from kmodgate.policy.views.part import Map, map_in, maps_in
from kmodgate.policy.views.pod import CONTAINER_LISTS, PodView, is_below

_GIVES = ("hostPID", "hostIPC", "hostNetwork", "shareProcessNamespace")
_FREE = frozenset(("resources", "securityContext", "volumeMounts", "volumeDevices"))


def grants_nothing_new(new: PodView, old: PodView) -> bool:
    """Whether a pod spec is as it was, or only has less of what the node gives: rights, mounts, volumes, containers.

    Programs count: another image, command or variable makes another container. Labels, annotations, resources and where
    the pods run do not. A privileged container has every capability, and a folder of the node all that lies in it.
    """
    if (new.service_account, new.runtime_class) != (old.service_account, old.runtime_class):
        return False
    now, before = new.spec.value, old.spec.value
    if any(now.get(key) is True and before.get(key) is not True for key in _GIVES):
        return False
    if old.is_in_user_namespace and not new.is_in_user_namespace:
        return False
    if (_host_process(now) and not _host_process(before)) or not _is_as_tight(now, before):
        return False
    volumes = maps_in(before, "volumes")
    if not all(volume in volumes or _is_narrowed(volume, before) for volume in maps_in(now, "volumes")):
        return False
    return all(_is_no_more(now, before, key) for key in CONTAINER_LISTS)


def _is_narrowed(volume: Map, before: Map) -> bool:
    """Whether a volume is an old hostPath of its name that was written to, at the same path or below, of any type.

    Paths of processes are left out: their links lead out of the folder.
    """
    name = volume.get("name")
    olds = [item for item in maps_in(before, "volumes") if item.get("name") == name]
    if len(olds) != 1 or any(set(item) != {"name", "hostPath"} for item in (volume, *olds)):
        return False
    new, old = (str(map_in(item, "hostPath").get("path", "")) for item in (volume, *olds))
    if not (new.startswith("/") and old.startswith("/")) or ".." in new.split("/"):
        return False
    path = followed(posixpath.normpath(new))
    if not is_below(path, followed(posixpath.normpath(old))) or is_below(path, "/proc"):
        return False
    containers = (container for key in CONTAINER_LISTS for container in maps_in(before, key))
    mounts = [mount for container in containers for mount in _mounts(container) if mount.get("name") == name]
    return any(mount.get("readOnly") is not True and not _is_of_a_part(mount) for mount in mounts)


def _is_of_a_part(mount: Map) -> bool:
    return bool(mount.get("subPath") or mount.get("subPathExpr"))


def _is_no_more(now: Map, before: Map, key: str) -> bool:
    """Whether each container of a list was there, and has no right that it had not."""
    old = {str(item.get("name")): item for item in maps_in(before, key)}
    return all(_has_no_more(item, old.get(str(item.get("name")))) for item in maps_in(now, key))


def _has_no_more(now: Map, before: Map | None) -> bool:
    if before is None or _rest(now) != _rest(before):
        return False
    if any(device not in maps_in(before, "volumeDevices") for device in maps_in(now, "volumeDevices")):
        return False
    mounts = maps_in(before, "volumeMounts")
    if not all(mount in mounts or any(_is_tightened(mount, old) for old in mounts) for mount in _mounts(now)):
        return False
    more = _rights(now) - _rights(before)
    return (not more or (_is_privileged(before) and "hostProcess" not in more)) and _is_as_tight(now, before)


def _mounts(container: Map) -> list[Map]:
    return maps_in(container, "volumeMounts")


def _is_tightened(mount: Map, old: Map) -> bool:
    """Whether a mount is an old one that became read-only, or stays so all the way down."""
    if mount.get("readOnly") is not True or _loose(mount) != _loose(old):
        return False
    return mount.get("recursiveReadOnly") == "Enabled" or old.get("recursiveReadOnly") in (None, "Disabled")


def _is_as_tight(now: Map, before: Map) -> bool:
    """Whether the security context of a container or pod, but for the rights that it names, allows no more than before.

    What is not listed may not change at all.
    """
    new, old = map_in(now, "securityContext"), map_in(before, "securityContext")
    if not _dropped(new) >= _dropped(old):
        return False
    changed = (key for key in {*new, *old} - _NAMED if new.get(key) != old.get(key))
    return all(key in _TIGHT and _TIGHT[key](new.get(key)) for key in changed)


def _dropped(security: Map) -> set[str]:
    names = map_in(security, "capabilities").get("drop")
    return {capability(name) for name in names if type(name) is str} if type(names) is list else set()


def _is_profile(value: Any) -> bool:
    return type(value) is dict and value.get("type") == "RuntimeDefault"


_NAMED = frozenset(("privileged", "capabilities", "windowsOptions"))
_TIGHT: dict[str, Callable[[Any], bool]] = {
    "allowPrivilegeEscalation": lambda value: value is False,
    "appArmorProfile": _is_profile,
    "fsGroup": lambda value: True,
    "fsGroupChangePolicy": lambda value: True,
    "procMount": lambda value: value in (None, "Default"),
    "readOnlyRootFilesystem": lambda value: True,
    "runAsGroup": lambda value: type(value) is int and value > 0,
    "runAsNonRoot": lambda value: value is True,
    "runAsUser": lambda value: type(value) is int and value > 0,
    "seLinuxOptions": lambda value: value is None,
    "seccompProfile": _is_profile,
    "supplementalGroups": lambda value: not value,
    "sysctls": lambda value: not value,
}
"""Fields of a security context, and the values to which they may change."""


def _rest(container: Map) -> dict[str, Any]:
    return {key: value for key, value in container.items() if key not in _FREE}


def _loose(mount: Map) -> dict[str, Any]:
    """A mount without what says that it is read-only."""
    return {key: value for key, value in mount.items() if key not in ("readOnly", "recursiveReadOnly")}


def _rights(container: Map) -> set[str]:
    security = map_in(container, "securityContext")
    added = map_in(security, "capabilities").get("add")
    names = {capability(name) for name in added if type(name) is str} if type(added) is list else set()
    if _is_privileged(container):
        names.add("privileged")
    if _host_process(container):
        names.add("hostProcess")
    return names


def _is_privileged(container: Map) -> bool:
    return map_in(container, "securityContext").get("privileged") is True


def _host_process(holder: Map) -> bool:
    options = map_in(map_in(holder, "securityContext"), "windowsOptions")
    return options.get("hostProcess") is True
