"""On which nodes of a cluster a Module would be, worked out once a review: many nodes run few kernels.

Sources: internal/controllers/module_reconciler.go and internal/module/kernelmapper.go of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from policy.kept import LONGEST
from policy.kmm.kernel import trimmed
from policy.kmm.nodes import Node, why_repelled
from policy.patterns import BadPattern, compile_pattern
from policy.views import Map, ModuleView, lazy, maps_in, text_in


class Placement:
    """One Module on all nodes that are known; `nodes` is None where they are not."""

    def __init__(self, module: ModuleView, nodes: Sequence[Node] | None) -> None:
        self._module = module
        self.nodes = nodes

    @lazy
    def selected(self) -> list[Node]:
        """The nodes with the labels of the selector."""
        return selected(self._module, self.nodes or ())

    @lazy
    def names(self) -> set[str]:
        return {node.name for node in self.selected}

    @lazy
    def kernels(self) -> Mapping[str, list[Node]]:
        """The nodes that are selected and do not repel the Module, by the kernel that they run."""
        found: dict[str, list[Node]] = {}
        for node in self.selected:
            if node.kernel and not (node.taints and why_repelled(self._module.object, node)):
                found.setdefault(node.kernel, []).append(node)
        return found

    @lazy
    def winners(self) -> Mapping[str, int | None]:
        """The index of the mapping that KMM takes, by kernel; None where it finds none."""
        mappings = maps_in(self._module.container.value, "kernelMappings")
        return {kernel: _winner(mappings, trimmed(kernel)) for kernel in self.kernels}


def selected(module: ModuleView, nodes: Iterable[Node]) -> list[Node]:
    """The nodes that have the labels of a Module's selector."""
    wanted = module.spec.map("selector").value.items()
    return [node for node in nodes if wanted <= node.labels.items()]


def _winner(mappings: Iterable[Map], kernel: str) -> int | None:
    for index, mapping in enumerate(mappings):
        if text_in(mapping, "literal") == kernel:
            return index
        matches = _matches(text_in(mapping, "regexp"), kernel)
        if matches or matches is None:
            return index if matches else None
    return None


def _matches(regexp: str, kernel: str) -> bool | None:
    return _kept(regexp, kernel) if len(regexp) <= LONGEST else _searched(regexp, kernel)


def _searched(regexp: str, kernel: str) -> bool | None:
    """Whether an expression matches; None for one that cannot be compiled, at which KMM stops."""
    pattern = compile_pattern(regexp) if regexp else None
    return None if isinstance(pattern, BadPattern) else pattern is not None and pattern.searches(kernel)


_kept = lru_cache(8192)(_searched)
