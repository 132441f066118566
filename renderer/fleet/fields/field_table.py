"""The one table: which path of a KernelDriver's spec becomes which path of a Module's spec.

Compile, the origin of every field, the generated documentation, and what reads Modules back all use it.
A level lists its fields in the order in which the object shows them; paths are relative to the level.
Source: api/v1beta1/module_types.go of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cache
from sys import intern

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath

SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
"""The annotation of an object that tells Argo CD how to apply and prune it."""


class Shape(Enum):
    """How a value of the spec becomes a value of the object."""

    SAME = "as it stands"
    REFERENCE = "a name becomes {name}"
    REFERENCES = "each name becomes {name}"
    NAMED_VALUES = "each key and value become {name, value}"
    MAP = "a level of its own"
    LIST = "each item is a level of its own"


@cache
def _steps(dotted: str) -> tuple[str, ...]:
    """Return the keys of a dotted path; all objects share them."""
    return tuple(map(intern, dotted.split(".")))


@dataclass(frozen=True, slots=True)
class Field:
    """One row: key of the spec → dotted path of the object, below the paths of the level.

    `merges_by_name`: an override merges the list's items by their `name` instead of replacing the list;
    `new_first` puts items that only the override has before the others.
    """

    spec: str
    object: str
    shape: Shape = Shape.SAME
    fields: tuple[Field, ...] = ()
    merges_by_name: bool = False
    new_first: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        return _steps(self.object)


def _same(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, name) for name in names)


_CONTAINER = (
    *_same("image", "imagePullPolicy", "command", "args"),
    Field("env", "env", merges_by_name=True),
    *_same("resources", "volumeMounts"),
)

_POD = (
    Field("container", "container", Shape.MAP, _CONTAINER),
    Field("initContainer", "initContainer", Shape.MAP, _CONTAINER),
    *_same("serviceAccountName", "automountServiceAccountToken"),
    Field("volumes", "volumes", merges_by_name=True),
)

_BUILD = (
    Field("dockerfileConfigMap", "dockerfileConfigMap", Shape.REFERENCE),
    Field("buildArgs", "buildArgs", Shape.NAMED_VALUES),
    Field("secrets", "secrets", Shape.REFERENCES),
    *_same("baseImageRegistryTLS", "kanikoParams", "selector"),
)

_SIGN = (
    *_same("unsignedImage", "unsignedImageRegistryTLS"),
    Field("keySecret", "keySecret", Shape.REFERENCE),
    Field("certSecret", "certSecret", Shape.REFERENCE),
    *_same("filesToSign"),
)

_MAPPING = (
    *_same("literal", "regexp", "containerImage", "inTreeModulesToRemove", "registryTLS"),
    Field("build", "build", Shape.MAP, _BUILD),
    Field("sign", "sign", Shape.MAP, _SIGN),
)

_MODPROBE = _same("moduleName", "dirName", "parameters", "args", "rawArgs", "modulesLoadingOrder", "firmwarePath")

_CONTAINER_LEVEL = "moduleLoader.container"

DRIVER_FIELDS = (
    *_same("selector", "tolerations"),
    Field("serviceAccountName", "moduleLoader.serviceAccountName"),
    Field("modprobe", f"{_CONTAINER_LEVEL}.modprobe", Shape.MAP, _MODPROBE),
    *(
        Field(name, f"{_CONTAINER_LEVEL}.{name}")
        for name in ("version", "containerImage", "imagePullPolicy", "inTreeModulesToRemove")
    ),
    Field(
        "kernelMappings",
        f"{_CONTAINER_LEVEL}.kernelMappings",
        Shape.LIST,
        _MAPPING,
        merges_by_name=True,
        new_first=True,
    ),
    Field("registryTLS", f"{_CONTAINER_LEVEL}.registryTLS"),
    Field("build", f"{_CONTAINER_LEVEL}.build", Shape.MAP, _BUILD),
    Field("sign", f"{_CONTAINER_LEVEL}.sign", Shape.MAP, _SIGN),
    Field("imageRepoSecret", "imageRepoSecret", Shape.REFERENCE),
    *_same("imageRebuildTriggerGeneration"),
    Field("devicePlugin", "devicePlugin", Shape.MAP, _POD),
    Field(
        "dra",
        "dra",
        Shape.MAP,
        (*_same("driverName"), Field("deviceClasses", "deviceClasses", merges_by_name=True), *_POD),
    ),
)
"""Every field of a Module's spec but the deprecated `inTreeModuleToRemove`, by the field of the driver's spec."""


DELIVERY_OPTIONS = (
    Field("daemonset", "", Shape.MAP, tuple(Field(name, name, merges_by_name=True) for name in ("env", "volumes"))),
)
"""Lists below the options of deliveries that overrides merge by name; no Module has these fields."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One path of a rendered object outside a Module's spec, with all below it, and what in a driver's spec decides it.

    A `spec` of `OWN` is the field that the object exists for: an account's name, a Dockerfile's path.
    """

    kind: str
    object: FieldPath
    spec: FieldPath


OWN: FieldPath = ()

_NAMESPACE: FieldPath = ("namespace", "name")

CAUSES = (
    Cause("Module", ("metadata", "namespace"), _NAMESPACE),
    Cause("Module", ("metadata", "annotations", SYNC_OPTIONS), ("removal",)),
    Cause("MachineConfig", ("metadata", "name"), ("boot", "pool")),
    Cause("MachineConfig", ("metadata", "labels", "machineconfiguration.openshift.io/role"), ("boot", "pool")),
    Cause("MachineConfig", ("spec", "config", "systemd", "units", 0), ("modprobe", "moduleName")),
    Cause("MachineConfig", ("spec", "config", "systemd", "units", 1), ("modprobe", "moduleName")),
    Cause("MachineConfig", ("spec", "config", "storage", "files", 2), ("modprobe",)),
    Cause("MachineConfig", ("spec", "config", "storage", "files", 3), ("boot", "inTreeModulesToRemove")),
    Cause("BootModuleConfig", ("metadata", "namespace"), _NAMESPACE),
    Cause("BootModuleConfig", ("spec", "machineConfigName"), ("boot", "pool")),
    Cause("BootModuleConfig", ("spec", "machineConfigPoolName"), ("boot", "pool")),
    Cause("BootModuleConfig", ("spec", "kernelModuleImage"), ("boot", "image")),
    Cause("BootModuleConfig", ("spec", "kernelModuleName"), ("modprobe", "moduleName")),
    Cause("BootModuleConfig", ("spec", "inTreeModulesToRemove"), ("boot", "inTreeModulesToRemove")),
    Cause("BootModuleConfig", ("spec", "firmwareFilesPath"), ("modprobe", "firmwarePath")),
    Cause("BootModuleConfig", ("spec", "workerImage"), ("boot", "workerImage")),
    Cause("Namespace", ("metadata", "name"), _NAMESPACE),
    Cause("ServiceAccount", ("metadata", "name"), OWN),
    Cause("ServiceAccount", ("metadata", "namespace"), _NAMESPACE),
    Cause("RoleBinding", ("metadata", "name"), OWN),
    Cause("RoleBinding", ("metadata", "namespace"), _NAMESPACE),
    Cause("RoleBinding", ("roleRef", "name"), ("scc",)),
    Cause("RoleBinding", ("subjects", 0, "name"), OWN),
    Cause("RoleBinding", ("subjects", 0, "namespace"), _NAMESPACE),
    Cause("ConfigMap", ("metadata", "name"), OWN),
    Cause("ConfigMap", ("metadata", "namespace"), _NAMESPACE),
    Cause("ConfigMap", ("data", "dockerfile"), OWN),
)


def cause(kind: str, path: FieldPath) -> FieldPath | None:
    """The path in a driver's spec that decided a path of an object, or None where nothing in the spec did."""
    for row in CAUSES:
        if row.kind == kind and path[: len(row.object)] == row.object:
            return row.spec
    return None


SYNONYMS = {"dockerfile": "dockerfileConfigMap"}
"""Fields of ours that become another field of the table before it applies."""


def rows(fields: tuple[Field, ...] = DRIVER_FIELDS, spec: str = "", target: str = "spec") -> Iterator[tuple[str, str]]:
    """Every spec path and object path of the table, written out: `build.secrets[]`, `spec.….secrets[].name`."""
    for field in fields:
        ours, theirs = (f"{spec}.{field.spec}" if spec else field.spec), f"{target}.{field.object}"
        if field.shape is Shape.MAP:
            yield ours, theirs
            yield from rows(field.fields, ours, theirs)
        elif field.shape is Shape.LIST:
            yield ours, theirs
            yield from rows(field.fields, f"{ours}[]", f"{theirs}[]")
        elif field.shape is Shape.REFERENCE:
            yield ours, f"{theirs}.name"
        elif field.shape is Shape.REFERENCES:
            yield f"{ours}[]", f"{theirs}[].name"
        else:
            yield ours, theirs


def merges_by_name(path: FieldPath, fields: tuple[Field, ...] = (*DRIVER_FIELDS, *DELIVERY_OPTIONS)) -> Field | None:
    """The row of a list that overrides merge by name, if the spec path is one."""
    if not path:
        return None
    for field in fields:
        if field.spec == path[0]:
            if len(path) == 1:
                return field if field.merges_by_name else None
            rest = path[2:] if field.shape is Shape.LIST else path[1:]
            return merges_by_name(rest, field.fields)
    return None
