"""Modules of KMM before 1.0, as Modules of today.

Sources: api/v1beta1/module_types.go of kubernetes-sigs/kernel-module-management, of its move to KMM's first group
(e17148e) to its move to the present one (f1263bd).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUP

FORMER_VERSION = "kmm.sigs.k8s.io/v1beta1"
"""The one former version whose Modules have the shape of today's."""

ANCESTOR_VERSION = "ooto.sigs.k8s.io/v1alpha1"
"""The version of the out-of-tree-operator, whose Modules have another shape."""

FORMER_LOADER = "driverContainer"
"""What `moduleLoader` was called first."""

_RENAMED = {"pull": "registryTLS"}
_RENAMED_IN_BUILD = {"pull": "baseImageRegistryTLS"}

Object = dict[str, Any]


def is_former_module(value: Mapping[str, Any]) -> bool:
    """Whether an object is a Module of KMM before 1.0."""
    return (value.get("apiVersion"), value.get("kind")) == (FORMER_VERSION, "Module")


def is_ancestor_module(value: Mapping[str, Any]) -> bool:
    """Whether an object is a Module of the operator that KMM grew from."""
    return (value.get("apiVersion"), value.get("kind")) == (ANCESTOR_VERSION, "Module")


def renewed(module: Mapping[str, Any], config_map_name: Callable[[str], str]) -> tuple[Object, list[Object]]:
    """Return a former Module as one of today, and a ConfigMap for each Dockerfile that was written out in it.

    Fields of another name are renamed, unless the new name is there, too. Fields that mean nothing today stay, so that
    somebody reports them. `config_map_name` names the ConfigMap of a Dockerfile.
    """
    result: Object = {**module, "apiVersion": f"{KMM_GROUP}/v1beta1"}
    dockerfiles: dict[str, str] = {}
    spec = result.get("spec")
    if isinstance(spec, dict) and FORMER_LOADER in spec and "moduleLoader" not in spec:
        spec = {("moduleLoader" if key == FORMER_LOADER else key): item for key, item in spec.items()}
        result["spec"] = spec
    loader = spec.get("moduleLoader") if isinstance(spec, dict) else None
    container = loader.get("container") if isinstance(loader, dict) else None
    if isinstance(spec, dict) and isinstance(loader, dict) and isinstance(container, dict):
        container = _level(container, dockerfiles, config_map_name)
        mappings = container.get("kernelMappings")
        if isinstance(mappings, list):
            container["kernelMappings"] = [
                _level(item, dockerfiles, config_map_name) if isinstance(item, dict) else item for item in mappings
            ]
        result["spec"] = {**spec, "moduleLoader": {**loader, "container": container}}
    return result, list(_config_maps(result, dockerfiles))


def _level(level: Object, dockerfiles: dict[str, str], config_map_name: Callable[[str], str]) -> Object:
    """The container or a mapping; the Dockerfile of its build goes to `dockerfiles`, by the name of its ConfigMap."""
    result = _with_new_names(level, _RENAMED)
    build = result.get("build")
    if isinstance(build, dict):
        result["build"] = build = _with_new_names(build, _RENAMED_IN_BUILD)
        text = build.get("dockerfile")
        if isinstance(text, str) and "dockerfileConfigMap" not in build:
            name = config_map_name(text)
            dockerfiles[name] = text
            del build["dockerfile"]
            build["dockerfileConfigMap"] = {"name": name}
        _take_push(result, build)
    return result


def _take_push(level: Object, build: Object) -> None:
    """How an image is pushed is `registryTLS` today, as how it is pulled; what that does not say stays."""
    push = build.get("push")
    if isinstance(push, dict):
        asked = {key: item for key, item in push.items() if item is not False}
        if asked and "registryTLS" not in level:
            level["registryTLS"] = asked
        tls = level.get("registryTLS")
        if not asked or (isinstance(tls, dict) and asked.items() <= tls.items()):
            del build["push"]


def _with_new_names(value: Object, names: Mapping[str, str]) -> Object:
    return {(names[key] if key in names and names[key] not in value else key): item for key, item in value.items()}


def _config_maps(module: Object, dockerfiles: Mapping[str, str]) -> Iterator[Object]:
    metadata = module.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    for name, text in dockerfiles.items():
        place = {"name": name, **({"namespace": namespace} if namespace else {})}
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place, "data": {"dockerfile": text}}
