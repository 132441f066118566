"""Parts of a Module as plain data, for those who look at many of them and ask of none where it stands."""

from __future__ import annotations

from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Map, maps_in


class Blocks:
    """The blocks of a Module. Parts of another shape than theirs are left out.

    `matches` are literal and expression of each mapping.
    """

    def __init__(self, module: ModuleView) -> None:
        spec, container = module.spec.value, module.container.value
        self.container = container
        self.mappings = maps_in(container, "kernelMappings")
        self.plugins = [part for key in ("devicePlugin", "dra") if type(part := spec.get(key)) is dict]
        self.matches: list[tuple[str, str]] = []
        self.builds: list[Map] = []
        self.signs: list[Map] = []
        self._read(container)
        for mapping in self.mappings:
            literal, regexp = mapping.get("literal"), mapping.get("regexp")
            self.matches.append((literal if type(literal) is str else "", regexp if type(regexp) is str else ""))
            self._read(mapping)

    def _read(self, level: Map) -> None:
        """Takes what the container, or a mapping, is built and signed with."""
        if type(block := level.get("build")) is dict:
            self.builds.append(block)
        if type(block := level.get("sign")) is dict:
            self.signs.append(block)
