"""What every node of a fleet loads on the kernels that it runs and on those that come next, or why it loads nothing.

Computed from specs and inventories alone, by the semantics of `policy/kmm/`: no cluster is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from policy.findings import Finding, Mode, sort_findings
from policy.kmm import nodes as kmm
from policy.kmm.kernel import trimmed
from policy.kmm.nodes import Node
from policy.kmm.resolve import Resolution, Unresolved, resolve
from renderer.compile.fleet import Judging
from renderer.errors import refuse_enforced
from renderer.fleet import Target
from renderer.load import Fleet
from renderer.manifest import Manifest, Origin
from renderer.policies import Policies
from renderer.render import compile_fleet, fleet_facts
from renderer.resolving import node_of_group
from renderer.specs import Cluster, NodeGroup

Phase = Literal["running", "next"]
"""Of a kernel: what nodes run today, or what they get next or were asked about."""

RULES = ("SEL203", "SEL204", "SEL205", "PLG301", "PLG302")
"""What the plan tells beside coverage: Modules that no node is labelled for, or that get into each other's way."""

_UNSIGNED = "SGN202"
_VERSION = "/version-module."  # in the label by which a node asks for a version
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}
"""How a kernel's version ends → the node label `kubernetes.io/arch`."""


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
        """The kernels to look at; those of another architecture than the nodes' are none of theirs."""
        yield from ((kernel, "running") for kernel in self.kernels)
        for kernel in asked or self.cluster.next_kernels:
            machine = next((arch for ending, arch in _MACHINES.items() if ending in kernel), self.architecture)
            if kernel not in self.kernels and self.architecture in ("", machine):
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


@dataclass(frozen=True, slots=True)
class Loss:
    """Nodes that load a driver today and would not on another kernel."""

    before: Cell
    after: Cell


@dataclass(frozen=True, slots=True)
class Unused:
    """A mapping that wins on no node and no kernel, although the Module selects nodes; `why` says what is known."""

    module: Module
    mapping: int
    why: str


@dataclass(slots=True)
class Plan:
    """Everything that is known of a fleet and its kernels; cells are of nodes that a Module selects."""

    cells: list[Cell] = field(default_factory=list)
    lost: list[Loss] = field(default_factory=list)
    unused: list[Unused] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    """Clusters of whose nodes no kernel is known."""

    @property
    def to_build(self) -> list[Cell]:
        """One cell an image that nodes would need next and that KMM would have to build or sign first."""
        known = {cell.resolution.image for cell in self.cells if cell.resolution and cell.phase == "running"}
        found: dict[str, Cell] = {}
        for cell in self.cells:
            is_next = cell.phase == "next" and cell.loads and cell.work != "prebuilt"
            if is_next and cell.resolution and cell.resolution.image not in known:
                found.setdefault(cell.resolution.image, cell)
        return sorted(found.values(), key=lambda cell: (cell.module.name, cell.kernel))


def work_of(resolution: Resolution | None) -> str:
    """`prebuilt`, `build`, `sign` or `build and sign`; empty without a resolution."""
    if resolution is None:
        return ""
    return " and ".join(name for name in ("build", "sign") if getattr(resolution, name) is not None) or "prebuilt"


def plan_fleet(
    fleet: Fleet, findings: list[Finding], policies: Policies, kernels: Iterable[str] = (), only: Iterable[str] = ()
) -> Plan:
    """The plan for these kernels instead of the clusters' own next ones, for some clusters or all.

    Raises Refused for specs that cannot be rendered.
    """
    modules, result = _modules(fleet, findings, policies, set(only))
    resolver = Resolver()
    for cluster, found in modules:
        groups = list(groups_of(cluster, found))
        if not any(group.kernels for group in groups):
            result.blind.append(cluster.name)
        result.clusters.append(cluster)
        for module in found:
            for group in groups:
                result.cells += _cells(module, group, tuple(kernels), resolver, policies)
    result.lost = list(_lost(result.cells))
    result.unused = list(_unused(result.cells))
    return result


def _modules(
    fleet: Fleet, findings: list[Finding], policies: Policies, only: set[str]
) -> tuple[list[tuple[Cluster, list[Module]]], Plan]:
    """The Modules of every cluster, and a plan that holds what the rules say of them."""
    told: list[Finding] = []
    judging = Judging(policies.engine, facts=fleet_facts)
    targets, compiled = compile_fleet(fleet, told, judging)
    findings += (finding for finding in told if finding.rule not in RULES)  # what is wrong with the specs themselves
    refuse_enforced(findings, outcome="nothing was planned")
    result = Plan(findings=sort_findings(item for item in told if item.rule in RULES and item.mode is not Mode.AUDIT))
    variants = {(target.cluster.name, target.variant.driver.name): target for target in targets}
    shared: dict[Manifest, Module] = {}
    found: list[tuple[Cluster, list[Module]]] = []
    for cluster in fleet.clusters:
        if only and cluster.name not in only:
            continue
        mine: list[Module] = []
        for _, manifest in compiled.get(cluster.name, ()):
            spec: Any = manifest.value.get("spec")
            if manifest.identity.kind == "Module" and isinstance(spec, dict) and "moduleLoader" in spec:
                if manifest not in shared:
                    shared[manifest] = _module(manifest, variants[cluster.name, manifest.owner])
                mine.append(shared[manifest])
        found.append((cluster, mine))
    return found, result


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


def _cells(
    module: Module, group: Group, asked: tuple[str, ...], resolver: Resolver, policies: Policies
) -> Iterator[Cell]:
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
            if not group.node.observed:
                reason = ""  # nobody has described the labels that KMM and administrators set
            unsigned = group.node.secure_boot and found.resolution.sign is None
            if not reason and unsigned and policies.engine(group.cluster).tells(_UNSIGNED, module.value):
                reason = "not signed, and Secure Boot refuses unsigned modules"
        yield Cell(module, group, kernel, phase, found.resolution, reason)


def _lost(cells: Iterable[Cell]) -> Iterator[Loss]:
    today: dict[tuple[Module, Group], Cell] = {}
    for cell in cells:
        if cell.phase == "running" and cell.loads:
            today.setdefault((cell.module, cell.group), cell)
    for cell in cells:
        before = today.get((cell.module, cell.group))
        if before is not None and cell.phase == "next" and not cell.loads:
            yield Loss(before, cell)


def _unused(cells: Iterable[Cell]) -> Iterator[Unused]:
    """Mappings, as they stand in specs, that win in no Module made of them; of Modules that select nodes only."""
    winners: dict[Module, dict[str, int]] = defaultdict(dict)
    for cell in cells:
        if cell.resolution is not None:
            winners[cell.module][cell.kernel] = cell.resolution.mapping
    places: dict[Origin, list[tuple[Module, int]]] = defaultdict(list)
    for module in winners:
        for index in range(len(module.mappings)):
            places[module.origin(index)].append((module, index))
    for found in places.values():
        if not any(index in winners[module].values() for module, index in found):
            module, index = found[0]
            yield Unused(module, index, _why_unused(module, index, winners[module]))


def _why_unused(module: Module, index: int, winners: Mapping[str, int]) -> str:
    """A mapping that wins nowhere is shadowed by one before it, or matches none of the kernels."""
    mapping = module.value["spec"]["moduleLoader"]["container"]["kernelMappings"][index]
    for kernel, winner in winners.items():
        if kmm.matches(mapping, trimmed(kernel)):
            return f"{module.mappings[winner]} comes first for {kernel}"
    return "matches no kernel of the nodes that the Module selects"
