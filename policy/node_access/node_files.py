"""What a container can do to a node by a path of it: write, give orders by a socket, reach a disk or the memory.

Paths are compared in their parts, after the links that nodes have: `/lib` is `/usr/lib` on most, `/var/run` is `/run`
on all, and `/proc/1/root` is all of the node. The tables are in `node_places`, `node_sockets` and `node_devices`.
Answers are kept: most workloads mount the same few paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept
from kmodgate.policy.node_access.node_devices import is_shared, reached_by
from kmodgate.policy.node_access.node_places import DANGEROUS, HARMLESS, LINKS, OWN_FOLDERS, STATE, TAKEN, Place
from kmodgate.policy.node_access.node_sockets import MOUNT_FOLDERS, MOUNT_POINTS, SOCKET_NAMES, SOCKETS
from kmodgate.policy.views.pod import clean, is_below

_MODULES = Place("/usr/lib/modules", "")

_ROOT_OF_PROCESS = lazy_regex(r"/proc/[^/]+(?:/task/[^/]+)?/(?:root|cwd|exe|fd/[^/]+|map_files/[^/]+)(?P<rest>/.*)?")
"""Links of the kernel that lead out of /proc, to the root of the node for processes of it."""

_PROCESSES = lazy_regex(r"/(?:proc(?:/(?:[0-9]+|self|thread-self)(?:/task(?:/[0-9]+)?)?)?)?")

_WINDOWS = lazy_regex(r"/?(?:[A-Za-z]:(?:[\\/]|$)|\\)")


@kept
def device_at(path: str) -> str:
    """What a clean path gives of the node's devices: a disk, its memory, all; empty for all else."""
    return reached_by(followed(path))


@kept
def is_device(path: str) -> bool:
    """Whether a clean path is a device node, or a folder of those; what processes share there is none."""
    where = followed(path)
    return is_below(where, "/dev") and not is_shared(where)


@kept
def is_on_windows(path: str) -> bool:
    r"""Whether a clean path is one of Windows, as `C:\var\log` or `\\.\pipe\name`: no such node loads Linux modules."""
    return _WINDOWS.match(path) is not None


@kept
def shows_processes(path: str) -> bool:
    """Whether a clean path holds processes of the node: by the links of one, who may debug it reaches its root.

    Source: proc(5) and ptrace(2) of Linux, PTRACE_MODE_READ_FSCREDS.
    """
    return _PROCESSES.fullmatch(followed(path)) is not None


@kept
def why_harmless(path: str) -> str:
    """Return why a container may write to a clean path and below it; empty where it may not.

    Where a link of a process leads is for the process to say.
    """
    if _ROOT_OF_PROCESS.fullmatch(path):
        return ""
    where = followed(path)
    if _state_at(where):
        return ""
    for place in HARMLESS:
        if is_below(where, place.path):
            return place.reason
    for folder, reason in OWN_FOLDERS:
        name = where.removeprefix(f"{folder}/").partition("/")[0] if where.startswith(f"{folder}/") else ""
        if name and not any(fnmatchcase(name, taken) for taken in TAKEN[folder]):
            return reason
    return ""


@kept
def why_dangerous(path: str) -> str:
    """Return what is known of a clean path to which a container may not write; empty where nothing is."""
    where = followed(path)
    if state := _state_at(where):
        return state.reason
    for folder, names in TAKEN.items():
        name = where.removeprefix(f"{folder}/").partition("/")[0] if where.startswith(f"{folder}/") else ""
        for taken, reason in names.items():
            if fnmatchcase(name, taken):
                return reason
    inside = next((place for place in DANGEROUS if is_below(where, place.path)), None)
    around = inside or _met(where, DANGEROUS)
    if around is None:
        return ""
    return around.reason if inside else f"{around.path} lies in it, and {around.reason}"


@kept
def socket_in(path: str) -> Place | None:
    """The first socket that a clean path is, or holds. Reading is enough to use it."""
    where = followed(path)
    name = where.rpartition("/")[2]
    if name in SOCKET_NAMES:
        return Place(where, SOCKET_NAMES[name])
    return _met(where, SOCKETS)


@kept
def mounted_below(path: str) -> Place | None:
    """What is mounted in a folder of the node, and stays writable where the folder is mounted with `readOnly`."""
    where = followed(path)
    point = next((place for place in MOUNT_POINTS if place.path != where and is_below(place.path, where)), None)
    return point or _met(where, MOUNT_FOLDERS)


@kept
def shows_modules(path: str) -> bool:
    """Whether a clean path is the folder of the kernel modules, lies in it, or holds it."""
    return _met(followed(path), (_MODULES,)) is not None


def _state_at(path: str) -> Place | None:
    """The state of the node that a clean path is a part of, or holds, below a harmless place."""
    names = path.split("/")[1:]
    if len(names) < 2:
        return None
    return next((place for place in STATE if all(map(fnmatchcase, names, place.path.split("/")[1:]))), None)


def _met(path: str, places: Iterable[Place]) -> Place | None:
    """The first of the places that holds the path, or that the path holds."""
    return next((place for place in places if is_below(path, place.path) or is_below(place.path, path)), None)


def followed(path: str) -> str:
    """The clean path with the links followed that nodes have; a link of a process counts as the root of the node."""
    for link, target in LINKS.items():
        if is_below(path, link):
            path = target + path[len(link) :]
            break
    found = _ROOT_OF_PROCESS.fullmatch(path)
    return followed(clean(found["rest"] or "/")) if found else path
