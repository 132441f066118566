"""On which nodes of a cluster a Module would be, worked out once a review: many nodes run few kernels.

Sources: internal/controllers/module_reconciler.go and internal/module/kernelmapper.go of Kernel Module Management.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice

from kmodgate.policy.formats.regexps.go_regexps import BadPattern, Pattern, TooLarge, compile_pattern
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.nodes.node_selection import Node, Taint, why_repelled
from kmodgate.policy.lazy import lazy
from kmodgate.policy.memo import LONGEST
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.part import Map, map_in

CONTROL_PLANE = frozenset(("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"))
WORKER = "node-role.kubernetes.io/worker"

_MOST_SELECTORS = 64
_MOST_SELECTED = 16_000
"""Of which the nodes are kept, and how many nodes at most where these are few: whoever sends Modules does not decide
how much memory a webhook takes."""


class Selection:
    """The nodes of a cluster that one selector selects."""

    def __init__(self, nodes: Iterable[Node], selector: Map) -> None:
        wanted = selector.items()
        self.nodes = [node for node in nodes if wanted <= node.labels.items()]

    @lazy
    def names(self) -> set[str]:
        return {node.name for node in self.nodes}

    @lazy
    def are_tainted(self) -> bool:
        """Whether some node may repel a Module."""
        return any(node.taints for node in self.nodes)

    @lazy
    def kernels(self) -> Mapping[str, list[Node]]:
        """The nodes by the kernel that they run, where none is tainted."""
        return _by_kernel(self.nodes)

    @lazy
    def secured(self) -> list[Node]:
        """Those with Secure Boot."""
        return [node for node in self.nodes if node.secure_boot]

    @lazy
    def control_plane(self) -> list[Node]:
        """Those of the control plane that are no workers as well."""
        return [node for node in self.nodes if not CONTROL_PLANE.isdisjoint(node.labels) and WORKER not in node.labels]


class Nodes(tuple[Node, ...]):
    """All nodes of a cluster. What a selector selects of them is kept: many Modules have the same few selectors."""

    def selection(self, selector: Map) -> Selection:
        try:
            key = frozenset(selector.items())
            found = self._kept.get(key)
        except TypeError:  # a value that is no text
            return Selection(self, selector)
        if found is None:
            found = Selection(self, selector)
            if sum(len(str(text)) for item in key for text in item) <= LONGEST:
                if len(self._kept) >= max(_MOST_SELECTORS, _MOST_SELECTED // (len(self) + 1)):
                    self._kept.clear()
                self._kept[key] = found
        return found

    def labels_of_first(self, nodes: int, labels: int) -> Counter[tuple[str, str]]:
        """How many of the first nodes have each label, of each node the first labels; counted once."""
        found = self._labels.get((nodes, labels))
        if found is None:
            found = self._labels[nodes, labels] = Counter()
            for node in islice(self, nodes):
                found.update(islice(node.labels.items(), labels))
        return found

    @lazy
    def _labels(self) -> dict[tuple[int, int], Counter[tuple[str, str]]]:
        return {}

    @lazy
    def _kept(self) -> dict[frozenset[tuple[str, str]], Selection]:
        return {}

    def __reduce__(self) -> tuple[type[Nodes], tuple[tuple[Node, ...]]]:
        return Nodes, (tuple(self),)


class Placement:
    """One Module on all nodes that are known; `nodes` is None where they are not."""

    def __init__(self, module: ModuleView, nodes: Sequence[Node] | None) -> None:
        self._module = module
        self._repelled: dict[tuple[Taint, ...], bool] = {}
        self._met: dict[int, bool] = {}
        self.nodes = nodes if nodes is None or isinstance(nodes, Nodes) else Nodes(nodes)

    @lazy
    def selection(self) -> Selection:
        return (self.nodes or Nodes()).selection(map_in(self._module.spec.value, "selector"))

    @property
    def selected(self) -> list[Node]:
        """The nodes with the labels of the selector."""
        return self.selection.nodes

    @lazy
    def kernels(self) -> Mapping[str, list[Node]]:
        """The nodes that are selected and do not repel the Module, by the kernel that they run."""
        if not self.selection.are_tainted:
            return self.selection.kernels
        return _by_kernel(node for node in self.selected if not self.is_repelled(node))

    def is_repelled(self, node: Node) -> bool:
        """Whether the Module does not tolerate a taint of a node; many nodes have the same taints."""
        if not node.taints:
            return False
        taints = tuple(node.taints)
        if taints not in self._repelled:
            self._repelled[taints] = bool(why_repelled(self._module.object, node))
        return self._repelled[taints]

    @lazy
    def winners(self) -> Mapping[str, int | None]:
        """The index of the mapping that KMM takes, by kernel; None where it finds none.

        Nothing where an expression is too large to tell.
        """
        found: dict[str, int | None] = {}
        searched = _Searches()
        matches = [(mapping.literal, mapping.regexp) for mapping in self._module.mappings]
        try:
            for kernel in self.kernels:
                found[kernel] = _winner(matches, trimmed(kernel), searched)
        except _NotKnown:
            return {}
        return found

    def meets(self, other: ModuleView) -> bool:
        """Whether some node may be selected by another Module, too: by the selectors, where no node is known."""
        key = id(other.object)
        if key not in self._met:
            self._met[key] = self._meets(other)
        return self._met[key]

    def _meets(self, other: ModuleView) -> bool:
        first, second = map_in(self._module.spec.value, "selector"), map_in(other.spec.value, "selector")
        if self.nodes is None:
            return all(second.get(key, value) == value for key, value in first.items())
        return not self.selection.names.isdisjoint(self.nodes.selection(second).names)


class _NotKnown(Exception):
    """What an expression matches, because it is too large."""


def _by_kernel(nodes: Iterable[Node]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in nodes:
        if node.kernel:
            found.setdefault(node.kernel, []).append(node)
    return found


class _Searches:
    """Searches for kernels: the answers of short expressions are kept; long ones are compiled once a review."""

    def __init__(self) -> None:
        self._long: dict[str, Pattern | BadPattern | TooLarge] = {}

    def __call__(self, regexp: str, kernel: str) -> bool | None:
        if len(regexp) <= LONGEST:
            return _kept(regexp, kernel)
        if regexp not in self._long:
            self._long[regexp] = compile_pattern(regexp)
        return _searched(self._long[regexp], kernel)


def _winner(matches: Iterable[tuple[str, str]], kernel: str, searched: _Searches) -> int | None:
    """Where the first of the mappings stands that takes a kernel, given by literal and expression."""
    for index, (literal, regexp) in enumerate(matches):
        if literal == kernel:
            return index
        found = searched(regexp, kernel) if regexp else False
        if found:
            return index
        if found is None:
            return None
    return None


def _searched(pattern: Pattern | BadPattern | TooLarge, kernel: str) -> bool | None:
    """Whether an expression matches; None for one that cannot be compiled, at which KMM stops."""
    if isinstance(pattern, TooLarge):
        raise _NotKnown
    return pattern.searches(kernel) if isinstance(pattern, Pattern) else None


@lru_cache(8192)
def _kept(regexp: str, kernel: str) -> bool | None:
    return _searched(compile_pattern(regexp), kernel)
