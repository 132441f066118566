"""The Modules of a cluster by what they can get into each other's way with, so that nobody compares each with each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from policy.views import ModuleView


class Neighbours:
    """Views of Modules by the kernel modules that they load (`-` as `_`) and the DeviceClasses that they make."""

    def __init__(self, modules: Iterable[Mapping[str, Any]]) -> None:
        self.loading: dict[str, list[ModuleView]] = defaultdict(list)
        self.making: dict[str, list[ModuleView]] = defaultdict(list)
        self.dra: list[ModuleView] = []
        for item in modules:
            self._add(ModuleView(item))

    def _add(self, module: ModuleView) -> None:
        for name in module.loaded:
            self.loading[name].append(module)
        for name in {item.text("name") for item in module.device_classes}:
            self.making[name].append(module)
        if module.spec.optional("dra") is not None:
            self.dra.append(module)
