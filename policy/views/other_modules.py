"""The Modules of a cluster by what they can get into each other's way with, so that nobody compares each with each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from kmodgate.policy.views.module import ModuleView


class Neighbours(Protocol):
    """Views of the Modules that are known, by what rules look for in them."""

    def loading(self, name: str) -> Sequence[ModuleView]:
        """Those that load a kernel module, with `_` for `-` in its name."""
        ...

    def making(self, name: str) -> Sequence[ModuleView]:
        """Those that make a DeviceClass."""
        ...

    def dra(self) -> Sequence[ModuleView]:
        """Those that run a DRA driver."""
        ...


class ListedNeighbours:
    """Neighbours from Modules at hand."""

    def __init__(self, modules: Iterable[Mapping[str, Any]]) -> None:
        self._loading: dict[str, list[ModuleView]] = defaultdict(list)
        self._making: dict[str, list[ModuleView]] = defaultdict(list)
        self._dra: list[ModuleView] = []
        for item in modules:
            self._add(ModuleView(item))

    def _add(self, module: ModuleView) -> None:
        for name in module.loaded:
            self._loading[name].append(module)
        for name in {item.text("name") for item in module.device_classes}:
            self._making[name].append(module)
        if module.spec.optional("dra") is not None:
            self._dra.append(module)

    def loading(self, name: str) -> Sequence[ModuleView]:
        return self._loading.get(name, ())

    def making(self, name: str) -> Sequence[ModuleView]:
        return self._making.get(name, ())

    def dra(self) -> Sequence[ModuleView]:
        return self._dra
