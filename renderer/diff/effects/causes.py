"""The field of a spec that changed and so causes a consequence: its file and line are the consequence's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.kmm.resolution.resolve import Resolution
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.boot.objects import cluster_of
from kmodgate.renderer.deliveries.daemonset.module_view import POD, STRATEGY
from kmodgate.renderer.deliveries.delivery import is_at_boot
from kmodgate.renderer.diff.effects.changed_fields import FieldChange, Kind, ObjectChange
from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, KernelDriver
from kmodgate.renderer.manifests.manifest import Manifest

SELECTOR: FieldPath = ("spec", "selector")
TOLERATIONS: FieldPath = ("spec", "tolerations")
LOADER: FieldPath = ("spec", "moduleLoader")
_CONTAINER: FieldPath = (*LOADER, "container")
VERSION: FieldPath = (*_CONTAINER, "version")
_MAPPINGS: FieldPath = (*_CONTAINER, "kernelMappings")
_REMOVALS = ("inTreeModulesToRemove", "inTreeModuleToRemove")
_AT_BOOT = ("boot", "modprobe", "containerImage", "kernelMappings", "inTreeModulesToRemove", "overrides")
"""What the units of a MachineConfig are made of, whose texts say several of these at once."""
_OF_PODS = ("devicePlugin", "daemonset", "serviceAccountName", "imageRepoSecret", "tolerations", "overrides")
"""What pods of DaemonSets are made of, beside modprobe's settings and the image of the kernel."""


def of_effect(effect: Effect, why: Iterable[str], now: Resolution | None, reason: str) -> tuple[FieldPath, ...]:
    """Return the fields by which a node does something, the likeliest first.

    `why` are the fields of what the node is told to load; without one, the Module comes to the node or leaves it for
    the reason.
    """
    if effect is Effect.KEPT:
        return (*of_settings(now, "containerImage", "sign"), _MAPPINGS, LOADER)
    fields = [path for key in why for path in _of_reload(now, key)]
    if fields:
        return (*fields, *of_settings(now, "build", "sign"), _MAPPINGS, LOADER)
    first = next((path for word, path in _BY_REASON.items() if reason.startswith(word)), _MAPPINGS)
    return first, _MAPPINGS, SELECTOR, TOLERATIONS, LOADER


def _of_reload(found: Resolution | None, key: str) -> tuple[FieldPath, ...]:
    """The places of one of the settings that make nodes reload."""
    if key in _OUTSIDE:
        return (_OUTSIDE[key],)
    return of_settings(found, *(_REMOVALS if "inTree" in key else (key,)))


_OUTSIDE: Mapping[str, FieldPath] = {
    "selector": SELECTOR,
    "imageRepoSecret": ("spec", "imageRepoSecret"),
    "serviceAccountName": (*LOADER, "serviceAccountName"),
    STRATEGY: ("spec", STRATEGY),
    POD: (*_CONTAINER, "modprobe", POD),
}
"""Settings that lie outside the container and by which KMM 1.x reloads, or DaemonSets replace their pods."""

_BY_REASON: Mapping[str, FieldPath] = {"selector": SELECTOR, "taint": TOLERATIONS, "version": VERSION}
"""First word of why a node does not load a Module → the field that decides it."""


def of_settings(found: Resolution | None, *keys: str) -> tuple[FieldPath, ...]:
    """Return the places of settings of a loader: the mapping that wins, and then the level around it."""
    mapping = () if found is None else tuple((*_MAPPINGS, found.mapping, key) for key in keys)
    return (*mapping, *((*_CONTAINER, key) for key in keys))


def of_image(found: Resolution) -> tuple[FieldPath, ...]:
    """Return the fields by which a kernel needs another image."""
    return (*of_settings(found, "containerImage", "build", "sign"), _MAPPINGS, SELECTOR, TOLERATIONS, LOADER)


def of_removals(found: Resolution | None) -> tuple[FieldPath, ...]:
    """Return the fields that name in-tree modules to remove."""
    return (*of_settings(found, *_REMOVALS), _MAPPINGS, SELECTOR, TOLERATIONS, LOADER)


class Causes:
    """Finds the place of a cause in the specs before and after a change."""

    def __init__(self, before: CompiledFleet | None, after: CompiledFleet) -> None:
        self._before = before
        self._after = after

    def origin(self, change: ObjectChange, fields: Iterable[FieldPath]) -> Origin:
        """Return the place of the first of the fields that changed, or of any field that did."""
        if change.kind is not Kind.CHANGED:
            return self._presence(change)
        likely = [item for path in fields for item in change.fields if _are_related(item.path, path)]
        written = [item for item in likely if _is_written(change, item)]
        derived = [item for item in likely if "dockerfileConfigMap" in item.path]
        others = [item for item in change.fields if _is_written(change, item)]
        found = next(iter((*written, *derived, *likely, *others, *change.fields)), None)
        if found is None:
            return change.manifest.trace(("metadata", "name"))
        if (mirror := self._of_mirror(change, found)) is not None:
            return mirror
        origin = change.origin(found)
        was, now = _driver(self._before, change.manifest.owner), _driver(self._after, change.manifest.owner)
        if not written and was and now and is_at_boot(change.manifest.value):
            return _first_change(was, now, _AT_BOOT, origin) or origin
        if was and now and POD in found.path:
            return _first_change(was, now, _OF_PODS, origin) or origin
        if was is None or now is None or origin.source == "attached" or not now.document.has(origin.path):
            return origin
        return _at(now, _narrowed(was, now, origin.path), origin)

    def _presence(self, change: ObjectChange) -> Origin:
        """Why an object is there, or is not any more: its driver is new or goes, or does not go to the clusters."""
        name = change.manifest.trace(("metadata", "name"))
        if change.manifest.driver is None or name.source == "attached":
            return name
        driver = change.manifest.owner
        was, now = _driver(self._before, driver), _driver(self._after, driver)
        if was is None or now is None:
            return name
        keys = ("state", "namespace", "delivery", "hub", "boot", "clusters", "overrides")
        if found := _first_change(was, now, keys, name):
            return found
        return self._of_cluster(cluster_of(change.manifest.value) or change.clusters[0]) or name

    def _of_mirror(self, change: ObjectChange, found: FieldChange) -> Origin | None:
        """The place of the mirror by which alone a field differs; None where the spec says another image."""
        sides = (change.after, self._after), (change.before, self._before)
        written = [value_at((side.unmirrored or side).value, found.path, None) for side, _ in sides if side]
        if written[0] != written[-1]:
            return None
        for side, fleet in sides:
            paths = side.mirrors if side else {}
            mirror = next((paths[path] for path in paths if path[: len(found.path)] == found.path), None)
            cluster = _cluster(fleet, change.clusters[0])
            if mirror is not None and cluster is not None:
                place: FieldPath = ("spec", "mirrors", cluster.mirrors.index(mirror))
                line, column = cluster.document.position(place)
                return Origin(cluster.document.file, line, column, "cluster", place)
        return None

    def _of_cluster(self, name: str) -> Origin | None:
        """The place in the spec of a cluster that is new, goes, or has other labels."""
        was, now = _cluster(self._before, name), _cluster(self._after, name)
        path: FieldPath = ("metadata", "labels") if was and now else ("metadata", "name")
        spec = now or was
        if spec is None:
            return None
        line, column = spec.document.position(path)
        return Origin(spec.document.file, line, column, "driver", path)


def _driver(fleet: CompiledFleet | None, name: str) -> KernelDriver | None:
    return next((item for item in (fleet.fleet.drivers if fleet else ()) if item.name == name), None)


def _cluster(fleet: CompiledFleet | None, name: str) -> Cluster | None:
    return next((item for item in (fleet.fleet.clusters if fleet else ()) if item.name == name), None)


def _at(driver: KernelDriver, path: FieldPath, origin: Origin) -> Origin:
    line, column = driver.document.position(path)
    return replace(origin, file=driver.document.file, line=line, column=column, path=path)


def _first_change(was: KernelDriver, now: KernelDriver, keys: Iterable[str], origin: Origin) -> Origin | None:
    """Return the place of the first field of a spec that differs; None where none of them does."""
    for key in keys:
        path: FieldPath = ("spec", key)
        if value_at(was.document.value, path, _ABSENT) != value_at(now.document.value, path, _ABSENT):
            return _at(now, _narrowed(was, now, path), origin) if now.document.has(path) else _at(was, path, origin)
    return None


def _narrowed(was: KernelDriver, now: KernelDriver, path: FieldPath) -> FieldPath:
    """The path, or that of the one field below it that differs between the two specs."""
    before, after = value_at(was.document.value, path), value_at(now.document.value, path)
    while type(before) is type(after) and (steps := list(_differing(before, after))):
        path = (*path, steps[0])
        before, after = value_at(before, (steps[0],), _ABSENT), after[steps[0]]
    return path


_ABSENT = object()


def _differing(before: Any, after: Any) -> Iterator[str | int]:
    """The keys or indexes of the second value that differ; none of items that are not the same thing any more."""
    if isinstance(after, dict) and before.get("name") == after.get("name"):
        yield from (key for key in after if key not in before or before[key] != after[key])
    elif isinstance(after, list) and len(before) == len(after) and any(isinstance(item, dict) for item in after):
        yield from (index for index, item in enumerate(after) if before[index] != item)


def _are_related(changed: FieldPath, path: FieldPath) -> bool:
    """Whether one of the paths leads to the other's field or to something around it."""
    return all(left == right for left, right in zip(changed, path, strict=False))


def _is_written(change: ObjectChange, item: FieldChange) -> bool:
    """Whether the spec says something else about the field: a content tag alters images, and no line of them."""
    values = list(_spec_values(change.before, item)), list(_spec_values(change.after, item))
    return values[0] != values[1]


def _spec_values(manifest: Manifest | None, item: FieldChange) -> Iterator[object]:
    if manifest is not None and manifest.driver is not None:
        origin = manifest.trace(item.path)
        if origin.source not in ("attached", "default"):
            yield origin.path, value_at(manifest.driver.document.value, origin.path)
