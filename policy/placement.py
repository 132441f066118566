"""On which nodes of a cluster a Module would be, worked out once a review: many nodes run few kernels.

Sources: internal/controllers/module_reconciler.go and internal/module/kernelmapper.go of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from policy.kept import LONGEST
from policy.kmm.kernel import trimmed
from policy.kmm.nodes import Node, why_repelled
from policy.patterns import BadPattern, Pattern, compile_pattern
from policy.views import KernelMapping, ModuleView, lazy


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
        return {kernel: _winner(self._module.mappings, trimmed(kernel)) for kernel in self.kernels}


def selected(module: ModuleView, nodes: Iterable[Node]) -> list[Node]:
    """The nodes that have the labels of a Module's selector."""
    wanted = module.spec.map("selector").value.items()
    return [node for node in nodes if wanted <= node.labels.items()]


def _winner(mappings: Iterable[KernelMapping], kernel: str) -> int | None:
    for mapping in mappings:
        if mapping.literal == kernel:
            return mapping.index
        if isinstance(mapping.pattern, BadPattern):
            return None  # KMM stops at an expression that it cannot compile
        if mapping.pattern is not None and _matches(mapping.pattern, kernel):
            return mapping.index
    return None


def _matches(pattern: Pattern, kernel: str) -> bool:
    return _kept(pattern.text, kernel) if len(pattern.text) <= LONGEST else pattern.searches(kernel)


@lru_cache(8192)
def _kept(regexp: str, kernel: str) -> bool:
    """What an expression says of a kernel of the cluster, of which there are few."""
    pattern = compile_pattern(regexp)
    return isinstance(pattern, Pattern) and pattern.searches(kernel)
