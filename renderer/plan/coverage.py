"""Modules, nodes and kernels of a fleet, and what they make of each other, one cell for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from kmodgate.policy.kmm import node_selection as kmm
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.node_selection import Node
from kmodgate.policy.kmm.resolve import Resolution, Unresolved, resolve
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.delivery import loads_something
from kmodgate.renderer.fleet.nodes import node_of_group
from kmodgate.renderer.fleet.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, NodeGroup
from kmodgate.renderer.fleet.targets import Target
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.plan.resolutions import work_of

Phase = Literal["running", "next"]
"""Of a kernel: what nodes run today, or what they get next or were asked about."""

_VERSION = "/version-module."  # in the label by which a node asks for a version
_MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loong64",
}
"""How a kernel's version ends → the node label `kubernetes.io/arch`."""


def _machine(kernel: str) -> str:
    """The architecture that the end of a kernel's version names, or nothing."""
    return next((machine for ending, machine in _MACHINES.items() if ending in kernel), "")


def _flavour(kernel: str) -> str:
    """`rt` of a version that ends in `+rt`; one trailing `+` alone says nothing."""
    return trimmed(kernel).partition("+")[2]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Nodes of a cluster that no Module of it can tell apart; `kernels` are those they run."""

    cluster: Cluster
    names: tuple[str, ...]
    count: int
    node: Node
    kernels: tuple[str, ...]
    architecture: str

    def kernels_by_phase(self, asked: Iterable[str]) -> Iterator[tuple[str, Phase]]:
        """The kernels to look at; those of another architecture than the nodes' are none of theirs.

        Of the cluster's next kernels those of another flavour (real-time, 64k pages) are not either, if there is one of
        the flavour that the nodes run. A kernel that some of the nodes have already is the next one of the others.
        """
        yield from ((kernel, "running") for kernel in self.kernels)
        coming = list(asked)
        if not coming:
            flavours = {_flavour(kernel) for kernel in self.kernels}
            alike: list[str] = [kernel for kernel in self.cluster.next_kernels if _flavour(kernel) in flavours]
            coming = alike or [*self.cluster.next_kernels]
        machines = {_machine(kernel) for kernel in self.kernels if _machine(kernel)} | {self.architecture} - {""}
        for kernel in coming:
            if list(self.kernels) != [kernel] and (not machines or _machine(kernel) in ("", *machines)):
                yield kernel, "next"


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A driver's Module, shared by all clusters that get the same; `mappings` are the names of its mappings."""

    driver: str
    name: str
    value: Mapping[str, Any] = field(repr=False)
    manifest: Manifest = field(repr=False)
    mappings: tuple[str, ...]

    def origin(self, mapping: int) -> Origin:
        """The place in a spec of one mapping."""
        return self.manifest.trace(("spec", "moduleLoader", "container", "kernelMappings", mapping))


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One Module on alike nodes under one kernel. Without a resolution nothing is loaded, for the reason.

    With both, something keeps away what the mapping would load: a version label, or Secure Boot.
    """

    module: Module
    group: Group
    kernel: str
    phase: Phase
    resolution: Resolution | None
    reason: str

    @property
    def loads(self) -> bool:
        return not self.reason

    @property
    def mapping(self) -> str:
        """The name of the mapping that wins, or nothing."""
        return "" if self.resolution is None else self.module.mappings[self.resolution.mapping]

    @property
    def work(self) -> str:
        """What KMM does if the image is missing; empty where nothing is resolved."""
        return work_of(self.resolution)


Refuses = Callable[[Cluster, Mapping[str, Any]], bool]
"""Whether Secure Boot on a cluster refuses a Module that is not signed: nobody has said that its images are."""


def modules_of(found: CompiledFleet, only: Iterable[str] = ()) -> list[tuple[Cluster, list[Module]]]:
    """The Modules that load something, of every cluster or of some."""
    wanted = set(only)
    targets = {(target.cluster.name, target.variant.driver.name): target for target in found.targets}
    shared: dict[Manifest, Module] = {}
    result: list[tuple[Cluster, list[Module]]] = []
    for cluster in found.fleet.clusters:
        if wanted and cluster.name not in wanted:
            continue
        mine: list[Module] = []
        for _, manifest in found.placed.get(cluster.name, ()):
            if loads_something(manifest):
                if manifest not in shared:
                    shared[manifest] = _module(manifest, targets[cluster.name, manifest.owner])
                mine.append(shared[manifest])
        result.append((cluster, mine))
    return result


def _module(manifest: Manifest, target: Target) -> Module:
    mappings: Any = target.variant.spec.get("kernelMappings")
    names = tuple(str(item.get("name") or item.get("literal") or item.get("regexp")) for item in mappings)
    identity = manifest.identity
    return Module(manifest.owner, f"{identity.namespace}/{identity.name}", manifest.value, manifest, names)


def groups_of(cluster: Cluster, modules: Iterable[Module]) -> Iterator[Group]:
    """The nodes of a cluster, those together that no Module can tell apart."""
    keys = {key for module in modules for key in module.value["spec"].get("selector") or {}}
    alike: dict[Any, list[NodeGroup]] = defaultdict(list)
    for item in cluster.nodes:
        if cluster.has_inventory:
            told = sorted(label for label in item.labels.items() if label[0] in keys or _VERSION in label[0])
            alike[tuple(told), item.taints, item.kernels, item.architecture, item.secure_boot].append(item)
        else:
            alike[item.name].append(item)
    for members in alike.values():
        first = members[0]
        yield Group(
            cluster,
            tuple(item.name for item in members),
            sum(item.count for item in members),
            node_of_group(first, observed=cluster.has_inventory),
            tuple(first.kernels),
            first.architecture,
        )


class Resolver:
    """Resolutions, kept by Module and kernel: clusters share both."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], Resolution | Unresolved] = {}

    def __call__(self, module: Mapping[str, Any], kernel: str) -> Resolution:
        key = (id(module), kernel)
        if key not in self._kept:
            try:
                self._kept[key] = resolve(module, kernel)
            except Unresolved as error:
                self._kept[key] = error
        found = self._kept[key]
        if isinstance(found, Unresolved):
            raise Unresolved(str(found))
        return found


def cells_of(
    module: Module, group: Group, asked: Iterable[str], resolver: Resolver, refuses: Refuses
) -> Iterator[Cell]:
    """What nodes that the Module selects make of it on each kernel; nothing for nodes that it does not select."""
    if kmm.why_not_selected(module.value, group.node):
        return
    repelled = kmm.why_repelled(module.value, group.node)
    for kernel, phase in group.kernels_by_phase(asked):
        if repelled:
            yield Cell(module, group, kernel, phase, None, repelled)
            continue
        found = kmm.on_kernel(module.value, replace(group.node, kernel=kernel), resolver)
        reason = found.reason
        if found.resolution is not None:
            if not group.node.observed or (found.keeps and phase == "running"):
                reason = ""  # nobody has described the labels that administrators set; or it runs another version
            unsigned = group.node.secure_boot and found.resolution.sign is None
            if not reason and unsigned and refuses(group.cluster, module.value):
                reason = "not signed, and Secure Boot refuses unsigned modules"
        yield Cell(module, group, kernel, phase, found.resolution, reason)
