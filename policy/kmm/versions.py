"""Which field of a Module which version of KMM knows, and which Red Hat's build ignores.

Sources: release notes and git tags of Kernel Module Management (upstream 1.1 to 2.6 and the main branch), release
branches 1.1 to 2.7 of the Red Hat build, and internal/buildsign there for what OpenShift builds do not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import cache
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Problem, Severity

UPSTREAM = ("1.1", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "head")
REDHAT = ("1.1", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7")
DRA_KUBERNETES = "1.34"

NEXT_UPSTREAM = "head"
"""The first upstream release with what its main branch has today; its number, once it is in UPSTREAM."""
NEXT_REDHAT = "2.7"
"""The first release of the Red Hat build with the same."""

First = str | tuple[tuple[str, str], ...]
"""Since when something is in KMM: a release line (`2.6`), or the first release of each line that it came to.

Lines after the last one named inherit it; lines before the first one never got it.
"""


class Presence(IntEnum):
    """Whether a release has something; MAYBE where only its line is known, and a later patch of it has the thing."""

    NO = 0
    MAYBE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Release:
    """A version of KMM in one flavour, and of the API server; an empty version is the newest, `2.6` the line of 2.6.

    A version with a patch level (`2.6.1`) is one release of its line.
    """

    kmm: str = ""
    redhat: bool = False
    kubernetes: str = ""

    @property
    def known(self) -> tuple[str, ...]:
        return REDHAT if self.redhat else UPSTREAM

    @property
    def is_known(self) -> bool:
        return not self.kmm or self.line in self.known

    @property
    def line(self) -> str:
        """The version without its patch level."""
        return ".".join(self.kmm.split(".")[:2])

    def has(self, version: str) -> bool:
        """Whether this release is of the given line of its flavour, or of a later one."""
        return _has(self, version)

    @property
    def has_next(self) -> bool:
        """Whether this release has what came with NEXT_UPSTREAM, or with NEXT_REDHAT in the Red Hat build."""
        return self.has(NEXT_REDHAT if self.redhat else NEXT_UPSTREAM)

    def presence(self, first: First) -> Presence:
        """Whether this release has what came with the first releases."""
        return _presence(self, first)

    def first_of_line(self, first: First) -> str:
        """The first release of this line that has something; the line itself where all have it."""
        return _first_of_line(self, first)

    def __str__(self) -> str:
        return f"{'Red Hat ' if self.redhat else ''}KMM {self.kmm or self.known[-1]}"


@cache
def _has(release: Release, version: str) -> bool:
    known, line = release.known, release.line
    return not release.kmm or line not in known or known.index(line) >= known.index(version)


@cache
def _presence(release: Release, first: First) -> Presence:
    if not release.kmm or not release.is_known:
        return Presence.YES
    start = first if isinstance(first, str) else first[0][0]
    if not release.has(start):
        return Presence.NO
    patch, needed = release.kmm.split(".")[2:], release.first_of_line(first).split(".")[2:]
    if not needed or int(needed[0]) == 0:
        return Presence.YES
    if not patch:
        return Presence.MAYBE
    return Presence.YES if int(patch[0]) >= int(needed[0]) else Presence.NO


def _first_of_line(release: Release, first: First) -> str:
    return release.line if isinstance(first, str) else dict(first).get(release.line, release.line)


@dataclass(frozen=True, slots=True)
class Since:
    """A field and the version that brought it, upstream and in Red Hat's build. `[]` is every item of a list."""

    path: str
    upstream: str
    redhat: str = ""

    def version(self, *, redhat: bool) -> str:
        return self.redhat or self.upstream if redhat else self.upstream


_CONTAINER = "spec.moduleLoader.container"
_MAPPING = f"{_CONTAINER}.kernelMappings[]"

SINCE = (
    Since("spec.tolerations", "2.3"),
    Since("spec.devicePlugin.initContainer", "2.4"),
    Since("spec.devicePlugin.automountServiceAccountToken", "2.6"),
    Since("spec.imageRebuildTriggerGeneration", "2.6"),
    Since("spec.dra", NEXT_UPSTREAM, NEXT_REDHAT),
)
"""Fields that came after the oldest supported version; what is below one of them came with it or later."""

REMOVALS = (f"{_CONTAINER}.inTreeModulesToRemove", f"{_MAPPING}.inTreeModulesToRemove")
_LISTS_SINCE = "2.1"

IGNORED_BY_REDHAT = tuple(
    f"{level}.{field}"
    for level in (_CONTAINER, _MAPPING)
    for field in (
        "registryTLS",
        "build.baseImageRegistryTLS",
        "build.kanikoParams",
        "sign.unsignedImageRegistryTLS",
    )
)
"""OpenShift builds take registries and their certificates from the cluster's own configuration."""

_SIGNED_FILES = tuple(f"{level}.sign.filesToSign[]" for level in (_CONTAINER, _MAPPING))
_GLOBS_SINCE = "2.6"
_PLUGIN_ONLY_SINCE = "2.4"
_UNNAMED_MODULE_SINCE = "2.1"
_REGISTRIES_OF_OPENSHIFT = "registries are configured in the cluster's image.config.openshift.io"
_GLOB = frozenset("*?[")


def unsupported(module: Mapping[str, object], release: Release) -> Iterator[Problem]:
    """Yield every field of a Module that this release does not know; names the version that brings it.

    A field that the release only ignores is a warning, and one that asks for nothing is no problem.
    """
    for since in SINCE:
        version = since.version(redhat=release.redhat)
        if not release.has(version):
            yield from (_too_old(path, release, version) for path in _asking(module, since.path))
    yield from _removals(module, release)
    yield from _without_loader(module, release)
    yield from _without_module_name(module, release)
    yield from _globs(module, release)
    for pattern in IGNORED_BY_REDHAT if release.redhat else ():
        for path in _asking(module, pattern):
            kaniko = path[-1] == "kanikoParams"
            fix = "OpenShift does not build with kaniko" if kaniko else _REGISTRIES_OF_OPENSHIFT
            fix = f"remove it for this cluster; {fix}"
            yield Problem(path, "Red Hat's build of KMM ignores it", fix, Severity.WARNING)


def _asking(module: Mapping[str, object], pattern: str) -> Iterator[FieldPath]:
    """The places that a pattern names and that ask for something."""
    return (path for path, value in _find(module, pattern) if not asks_for_nothing(value))


def asks_for_nothing(value: object) -> bool:
    """Whether a field is as good as absent: Go clients write `registryTLS: {}` into every Module."""
    if isinstance(value, dict):
        return all(item is False or asks_for_nothing(item) for item in value.values())
    return value is None or value in ("", [])


def deletes_plugin_daemonsets(release: Release) -> bool:
    """Whether the DaemonSet of a device plugin goes when the plugin goes from its Module, and not only with the Module.

    Source: internal/controllers/device_plugin_reconciler.go:100-109 since aa2e9ba, upstream's main and release-2.7 of
    Red Hat; v2.6.0 of it only creates, patches and collects older versions.
    """
    return release.has_next


def has_boot_module_config(release: Release) -> bool:
    """Whether this release has the kind BootModuleConfig, which only Red Hat's build ever had."""
    return release.redhat and release.has("2.5")


def takes_one_removal(release: Release) -> bool:
    """Whether this release has `inTreeModuleToRemove` only, for one name."""
    return not release.has(_LISTS_SINCE)


def with_one_removal(module: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Module with `inTreeModuleToRemove` in place of each list of one name, for releases without the list.

    Two names stay a list, and so does an empty list of a mapping that is to keep what the container removes.
    """
    result: dict[str, Any] = dict(module)
    loader = dict(result["spec"]["moduleLoader"])
    container = _singular(loader["container"], is_common=True)
    has_common = "inTreeModuleToRemove" in container
    mappings = [_singular(item, is_common=not has_common) for item in container.get("kernelMappings", ())]
    loader["container"] = {**container, "kernelMappings": mappings}
    result["spec"] = {**result["spec"], "moduleLoader": loader}
    return result


def _singular(level: Mapping[str, Any], *, is_common: bool) -> dict[str, Any]:
    """One level with the singular field in the place of its list, as far as the field can say it."""
    names = level.get("inTreeModulesToRemove")
    if names is None or len(names) > 1 or not (names or is_common):
        return dict(level)
    return {
        ("inTreeModuleToRemove" if key == "inTreeModulesToRemove" else key): names[0] if item is names else item
        for key, item in level.items()
        if names or item is not names
    }


def _removals(module: Mapping[str, object], release: Release) -> Iterator[Problem]:
    """Lists of modules to remove, where the release takes one name."""
    if not takes_one_removal(release):
        return
    single = f"{_CONTAINER}.inTreeModuleToRemove"
    common = any(names for pattern in (REMOVALS[0], single) for _, names in _find(module, pattern))
    for pattern in REMOVALS:
        for path, names in _find(module, pattern):
            if not isinstance(names, list) or names or (pattern != REMOVALS[0] and common):
                problem = _too_old(path, release, _LISTS_SINCE, "a list of modules to remove")
                yield problem._replace(fix=f"name one module at most; {problem.fix}")


def _too_old(path: FieldPath, release: Release, version: str, what: str = "") -> Problem:
    newer = f"Red Hat KMM {version}" if release.redhat else f"KMM {version}"
    what = f"{what} " if what else ""
    if version == "head":
        message = f"{what}is only on upstream's main branch (KMM head), and the cluster has {release}"
        return Problem(path, message, f"remove it for this cluster, or wait for the release after KMM {UPSTREAM[-2]}")
    message = f"{what}came with {newer}, and the cluster has {release}"
    return Problem(path, message, f"remove it for this cluster, or upgrade to {newer}")


def _without_loader(module: Mapping[str, object], release: Release) -> Iterator[Problem]:
    spec = module.get("spec")
    if isinstance(spec, dict) and "moduleLoader" not in spec and not release.has(_PLUGIN_ONLY_SINCE):
        path: FieldPath = ("spec", "devicePlugin") if "devicePlugin" in spec else ("spec",)
        yield _too_old(path, release, _PLUGIN_ONLY_SINCE, "a Module that loads nothing")


def _without_module_name(module: Mapping[str, object], release: Release) -> Iterator[Problem]:
    if not release.has(_UNNAMED_MODULE_SINCE):
        for path, modprobe in _find(module, f"{_CONTAINER}.modprobe"):
            if isinstance(modprobe, dict) and not modprobe.get("moduleName"):
                yield _too_old(path, release, _UNNAMED_MODULE_SINCE, "rawArgs instead of moduleName")


def _globs(module: Mapping[str, object], release: Release) -> Iterator[Problem]:
    if release.has(_GLOBS_SINCE):
        return
    for pattern in _SIGNED_FILES:
        for path, value in _find(module, pattern):
            if isinstance(value, str) and _GLOB & set(value):
                yield _too_old(path, release, _GLOBS_SINCE, "a pattern in filesToSign")


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2])


def _find(value: object, pattern: str) -> Iterator[tuple[FieldPath, object]]:
    """Every place of an object that a pattern names, with its value."""
    places: list[tuple[FieldPath, object]] = [((), value)]
    for step in pattern.split("."):
        name, is_list = step.removesuffix("[]"), step.endswith("[]")
        places = [((*path, name), node[name]) for path, node in places if isinstance(node, dict) and name in node]
        if is_list:
            places = [
                ((*path, index), item)
                for path, node in places
                if isinstance(node, list)
                for index, item in enumerate(node)
            ]
    yield from places
