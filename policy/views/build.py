"""The builds of a Module as KMM makes them: the container's and the mapping's blocks merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Part


@dataclass(frozen=True, slots=True)
class Build:
    """What one image is built from: the ConfigMap of its Dockerfile, and the build arguments with their places.

    Source: internal/module/helper.go of Kernel Module Management.
    """

    config_map: str
    values: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, FieldPath] = field(default_factory=dict)


def builds(module: ModuleView) -> Iterator[Build]:
    """Yield the builds that differ: that of the container, where a mapping takes it as it is, and those of mappings."""
    common = module.container.optional("build")
    if common is not None and (not module.mappings or any("build" not in item.part.value for item in module.mappings)):
        yield _merged(common)
    for mapping in module.mappings:
        if (own := mapping.part.optional("build")) is not None:
            yield _merged(*filter(None, (common, own)))


def _merged(*blocks: Part) -> Build:
    config_map, values, places = "", dict[str, str](), dict[str, FieldPath]()
    for block in blocks:
        config_map = block.map("dockerfileConfigMap").text("name") or config_map
        arguments = block.value.get("buildArgs")
        for index, item in enumerate(arguments if isinstance(arguments, list) else ()):
            if isinstance(item, dict) and type(name := item.get("name")) is str:
                value = item.get("value")
                values[name] = value if type(value) is str else ""
                places[name] = (*block.path, "buildArgs", index)
    return Build(config_map, values, places)
