"""Which field of a Module which version of KMM knows, and which Red Hat's build ignores.

Sources: release notes and git tags of Kernel Module Management (upstream 1.1 to 2.6 and the main branch), release
branches 1.1 to 2.7 of the Red Hat build, and internal/buildsign there for what OpenShift builds do not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from kmodgate.policy.findings import FieldPath, Problem

UPSTREAM = ("1.1", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "head")
REDHAT = ("1.1", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7")
DRA_KUBERNETES = "1.34"


@dataclass(frozen=True, slots=True)
class Release:
    """A version of KMM in one flavour, and of the API server; an empty version is the newest."""

    kmm: str = ""
    redhat: bool = False
    kubernetes: str = ""

    @property
    def known(self) -> tuple[str, ...]:
        return REDHAT if self.redhat else UPSTREAM

    @property
    def is_known(self) -> bool:
        return not self.kmm or ".".join(self.kmm.split(".")[:2]) in self.known

    def has(self, version: str) -> bool:
        """Whether this release is the given version of its flavour, or a later one."""
        return _has(self, version)

    def __str__(self) -> str:
        return f"{'Red Hat ' if self.redhat else ''}KMM {self.kmm or self.known[-1]}"


@cache
def _has(release: Release, version: str) -> bool:
    known, minor = release.known, ".".join(release.kmm.split(".")[:2])
    return not release.kmm or minor not in known or known.index(minor) >= known.index(version)


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
    Since(f"{_CONTAINER}.inTreeModulesToRemove", "2.1"),
    Since(f"{_MAPPING}.inTreeModulesToRemove", "2.1"),
    Since("spec.tolerations", "2.3"),
    Since("spec.devicePlugin.initContainer", "2.4"),
    Since("spec.devicePlugin.automountServiceAccountToken", "2.6"),
    Since("spec.imageRebuildTriggerGeneration", "2.6"),
    Since("spec.dra", "head", "2.7"),
)
"""Fields that came after the oldest supported version; what is below one of them came with it or later."""

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
    """Every field of a Module that this release does not know or ignores; names the version that brings it."""
    for since in SINCE:
        version = since.version(redhat=release.redhat)
        if not release.has(version):
            for path, _ in _find(module, since.path):
                yield _too_old(path, release, version)
    yield from _without_loader(module, release)
    yield from _without_module_name(module, release)
    yield from _globs(module, release)
    if release.redhat:
        for pattern in IGNORED_BY_REDHAT:
            for path, _ in _find(module, pattern):
                kaniko = path[-1] == "kanikoParams"
                fix = "OpenShift does not build with kaniko" if kaniko else _REGISTRIES_OF_OPENSHIFT
                yield Problem(path, "Red Hat's build of KMM ignores it", f"remove it for this cluster; {fix}")


def _too_old(path: FieldPath, release: Release, version: str, what: str = "") -> Problem:
    newer = f"Red Hat KMM {version}" if release.redhat else f"KMM {version}"
    what = f"{what} " if what else ""
    if version == "head":
        message = f"{what}is only on upstream's main branch (KMM head), and the cluster has {release}"
        return Problem(path, message, f"remove it for this cluster, or wait for the release after KMM {UPSTREAM[-2]}")
    return Problem(
        path,
        f"{what}came with {newer}, and the cluster has {release}",
        f"remove it for this cluster, or upgrade to {newer}",
    )


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
