"""What every node of a fleet loads on the kernels that it runs and on those that come next, or why it loads nothing.

Computed from specs and inventories alone, by the semantics of `policy/kmm/`: no cluster is asked.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding, Mode, sort_findings
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.nodes import node_selection as kmm
from kmodgate.policy.kmm.resolution.resolve import IMAGE_INPUTS
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.plan.boot_images import BootImage, boot_images
from kmodgate.renderer.plan.coverage import Cell, Group, Module, Resolver, cells_of, groups_of, modules_of
from kmodgate.renderer.plan.failures import with_failures
from kmodgate.renderer.plan.kmm_upgrade import Upgrade
from kmodgate.renderer.wording import listed

RULES = ("MAP205", "MAP206", "SEL203", "SEL204", "SEL205", "PLG301", "PLG302")
"""What the plan tells beside coverage: Modules that no node is labelled for, or that get into each other's way."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Nodes that load a driver today and would not on another kernel; an old one is in the compared revision, too.

    Nodes that run a kernel without a DaemonSet have lost theirs already: `before` is a kernel that has one.
    """

    before: Cell
    after: Cell
    is_old: bool = False


@dataclass(frozen=True, slots=True)
class Unused:
    """A mapping that wins on no node and no kernel, although the Module selects nodes; `why` says what is known."""

    module: Module
    mapping: int
    why: str


@dataclass
class Plan:
    """Everything that is known of a fleet and its kernels; cells are of nodes that a Module selects."""

    cells: list[Cell] = field(default_factory=list)
    lost: list[Loss] = field(default_factory=list)
    unused: list[Unused] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    """Clusters that have nodes, or may have, whose kernels are not known."""
    blind_groups: dict[str, list[str]] = field(default_factory=dict)
    """Of these clusters, the groups whose kernels are not known, where those of others are."""
    paused: list[Group] = field(default_factory=list)
    """Nodes that keep their kernels although a driver is loaded on them."""
    without_next: dict[str, list[str]] = field(default_factory=dict)
    """Clusters of which no next kernel is known, or only of the nodes that are not listed here."""

    boot_images: list[BootImage] = field(default_factory=list)
    """Images that nodes pull at their first boot with a kernel that they get next."""

    against: str = ""
    """The revision whose losses are old ones; empty without a comparison."""
    upgrade: Upgrade | None = None

    @property
    def new_losses(self) -> list[Loss]:
        """The losses that the compared revision does not have; all of them without a comparison."""
        return [loss for loss in self.lost if not loss.is_old]

    @property
    def old_losses(self) -> list[Loss]:
        return [loss for loss in self.lost if loss.is_old]

    @property
    def to_build(self) -> list[Cell]:
        """One cell an image that nodes would need next and that KMM would have to build or sign first.

        An image of one name that clusters make in different ways is several.
        """
        return sorted((cells[0] for cells in self._work.values()), key=lambda cell: (cell.module.name, cell.kernel))

    def clusters_of(self, cell: Cell) -> list[str]:
        """Return the clusters that need the image of a cell, made as this cell has it made."""
        return sorted({other.group.cluster.name for other in self._work.get(_work_key(cell), ())})

    def is_too_late(self, item: BootImage) -> bool:
        """Whether KMM makes an image for boot, which it does only when a node runs the kernel: after its boot."""
        return any(image == item.image for image, _ in self._work)

    def apart(self, cell: Cell) -> str:
        """Return ` on paris` where others make an image of the same name in another way, and else nothing."""
        return f" on {listed(self.clusters_of(cell), 3)}" if self._ways[_work_key(cell)[0]] > 1 else ""

    @cached_property
    def _ways(self) -> Counter[str]:
        """In how many ways each image is made."""
        return Counter(image for image, _ in self._work)

    @cached_property
    def _work(self) -> dict[tuple[str, str], list[Cell]]:
        """The next cells that need an image to be made, by the image and what it is made of."""
        known = {cell.resolution.image for cell in self.cells if cell.resolution and cell.phase == "running"}
        found: dict[tuple[str, str], list[Cell]] = {}
        keys: dict[int, tuple[str, str]] = {}  # clusters share resolutions
        for cell in self.cells:
            is_next = cell.phase == "next" and cell.loads and cell.work != "prebuilt"
            if is_next and cell.resolution and cell.resolution.image not in known:
                if id(cell.resolution) not in keys:
                    keys[id(cell.resolution)] = _work_key(cell)
                found.setdefault(keys[id(cell.resolution)], []).append(cell)
        return found


def _work_key(cell: Cell) -> tuple[str, str]:
    """The image of a cell and what it is made of; a ConfigMap of ours is called after the Dockerfile in it."""
    found = cell.resolution
    if found is None:
        return "", ""
    blocks = {name: getattr(found, name) for name in IMAGE_INPUTS if getattr(found, name) is not None}
    inputs = {
        name: {key: block[key] for key in IMAGE_INPUTS[name] if key != "secrets" and block.get(key)}
        for name, block in blocks.items()
    }
    return found.image, json.dumps(inputs, sort_keys=True)


def plan_fleet(
    compiled: CompiledFleet, judge: FleetJudge, kernels: Iterable[str] = (), only: Iterable[str] = ()
) -> Plan:
    """Plan for these kernels instead of the clusters' own next ones, for some clusters or all.

    The judge asks RULES.
    """
    result = Plan(findings=sort_findings(item for item in judge.judge(compiled) if item.mode is not Mode.AUDIT))
    asked = tuple(kernels)
    for cluster, modules, groups, cells in _of_clusters(compiled, judge, asked, only):
        is_idle = cluster.is_hub and not modules  # it loads nothing itself, and nobody need describe its nodes
        if not is_idle and (not groups or any(not group.kernels for group in groups)):
            result.blind.append(cluster.name)
            if any(group.kernels for group in groups):
                result.blind_groups[cluster.name] = [
                    name for group in groups if not group.kernels for name in group.names
                ]
        result.clusters.append(cluster)
        result.cells += cells
        if modules:
            _add_groups_without_next(result, cluster, groups, cells, asked)
    result.boot_images = boot_images(compiled, asked, only)
    result.lost = list(losses_in(result.cells))
    result.unused = list(_unused(result.cells))
    return result


def cells_in(compiled: CompiledFleet, judge: FleetJudge, kernels: Iterable[str], only: Iterable[str]) -> list[Cell]:
    """Return the cells of a plan alone."""
    return [cell for *_, cells in _of_clusters(compiled, judge, tuple(kernels), only) for cell in cells]


def _of_clusters(
    compiled: CompiledFleet, judge: FleetJudge, asked: tuple[str, ...], only: Iterable[str]
) -> Iterator[tuple[Cluster, list[Module], list[Group], list[Cell]]]:
    """Yield each cluster with its Modules, its nodes, and what they make of each other."""
    resolver = Resolver()
    for cluster, modules in modules_of(compiled, only):
        groups = list(groups_of(cluster, modules))
        cells = [
            cell
            for module in modules
            for group in groups
            for cell in cells_of(module, group, asked, resolver, judge.refuses_unsigned)
        ]
        yield cluster, modules, groups, list(with_failures(cells, cluster.release or Release()))


def _add_groups_without_next(
    plan: Plan, cluster: Cluster, groups: list[Group], cells: list[Cell], asked: tuple[str, ...]
) -> None:
    """Adds the groups that stay on their kernels: those that are paused, and those whose next kernel is not known."""
    with_driver = [*dict.fromkeys(cell.group for cell in cells)] or groups
    plan.paused += (group for group in with_driver if group.is_paused)
    moving = [group for group in with_driver if not group.is_paused]
    lacking = [group for group in moving if not group.coming(asked)]
    if lacking and len(lacking) < len(moving):
        plan.without_next[cluster.name] = [name for group in lacking for name in group.names]
    elif lacking or not (groups or asked or cluster.next_kernels):
        plan.without_next[cluster.name] = []


def losses_in(cells: Iterable[Cell]) -> Iterator[Loss]:
    """Yield the nodes that load a driver today and would not on another kernel."""
    today: dict[tuple[Module, Group], Cell] = {}
    for cell in cells:
        if cell.phase == "running" and cell.loads:
            today.setdefault((cell.module, cell.group), cell)
    for cell in cells:
        before = today.get((cell.module, cell.group))
        if before is not None and cell.phase == "next" and not cell.loads:
            yield Loss(before, cell)
        elif cell.phase == "running" and cell.lacks_daemon_set:
            yield Loss(cell.on_rendered_kernel(), cell)


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
