"""The builds of a Module as KMM makes them: the container's and the mapping's blocks merged."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import replace

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Map, Part, map_in


@dataclass(frozen=True, slots=True)
class Build:
    """What one image is built from: the ConfigMap of its Dockerfile, and the build arguments with their places.

    `own` are the places of the arguments that a mapping has beside those of the container, `path` that of the block.

    Source: internal/module/helper.go of Kernel Module Management.
    """

    config_map: str
    values: MutableMapping[str, str]
    arguments: MutableMapping[str, FieldPath]
    own: Mapping[str, FieldPath]
    path: FieldPath = ()


def builds(module: ModuleView) -> Iterator[Build]:
    """Yield the builds that differ: that of the container, where a mapping takes it as it is, and those of mappings."""
    block = module.container.optional("build")
    common = _read(block) if block is not None else Build("", {}, {}, {})
    if block is not None and (not module.mappings or any("build" not in item.part.value for item in module.mappings)):
        yield replace(common, own={})
    for mapping in module.mappings:
        if (own := mapping.part.optional("build")) is not None:
            yield _merged(common, _read(own))


def _merged(common: Build, own: Build) -> Build:
    """A mapping's build over the container's, whose arguments are not copied for each mapping."""
    values = ChainMap(own.values, common.values)
    arguments = ChainMap(own.arguments, common.arguments)
    return Build(own.config_map or common.config_map, values, arguments, own.arguments, own.path)


def _read(block: Part) -> Build:
    values, places = dict[str, str](), dict[str, FieldPath]()
    arguments = block.value.get("buildArgs")
    for index, item in enumerate(arguments if isinstance(arguments, list) else ()):
        if isinstance(item, dict) and type(name := item.get("name")) is str:
            value = item.get("value")
            values[name] = value if type(value) is str else ""
            places[name] = (*block.path, "buildArgs", index)
    return Build(block.map("dockerfileConfigMap").text("name"), values, places, places, block.path)


def arguments_given(modules: Iterable[Map], config_map: str) -> Iterator[str]:
    """Yield the names of the build arguments of the Modules that are built from a ConfigMap."""
    for build in builds_from(modules, config_map):
        yield from build.values


def builds_from(modules: Iterable[Map], config_map: str) -> Iterator[Build]:
    """Yield the builds of some Modules that take their Dockerfile from a ConfigMap."""
    for item in modules:
        if _names(item, config_map):  # a namespace may have a thousand Modules, and as many ConfigMaps that ask
            yield from (build for build in builds(ModuleView(item)) if build.config_map == config_map)


def _names(module: Map, config_map: str) -> bool:
    """Whether a Module names a ConfigMap with a Dockerfile, in its container or in a mapping."""
    spec = map_in(module, "spec")
    container = map_in(map_in(map_in(spec, "moduleSpec") or spec, "moduleLoader"), "container")
    mappings = container.get("kernelMappings")
    places = [container, *(mappings if isinstance(mappings, list) else ())]
    maps = (map_in(map_in(place, "build"), "dockerfileConfigMap") for place in places if isinstance(place, dict))
    return any(found.get("name") == config_map for found in maps)


def container_arguments(module: ModuleView) -> MutableMapping[str, FieldPath]:
    """Return the places of the build arguments that the mappings inherit."""
    block = module.container.optional("build")
    return {} if block is None else _read(block).arguments
