"""Two drivers that load one kernel module on the same nodes, however each of them reaches the nodes.

KMM, a DaemonSet and a unit at boot do not know of each other: what is loaded already is left as it is, and whichever
driver leaves first unloads the module under the other. Only nodes whose kernel is known count: elsewhere the mappings
may keep the two apart, and SEL204 warns.
Sources: internal/controllers/nmc_reconciler.go of Kernel Module Management; kmod, modprobe(8).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, title
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.views.boot_config import boot_config
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.node_placement import Nodes, Placement
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.delivery import is_at_boot
from kmodgate.renderer.deliveries.hub.hub_module import selected_spokes
from kmodgate.renderer.fleet.clusters.nodes import nodes_of
from kmodgate.renderer.fleet.clusters.pools import groups_in_pool
from kmodgate.renderer.fleet.json_parts import items_of, map_of
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.fleet.targets.targets import Target, Variant
from kmodgate.renderer.judge.node_pools import node_pool_configs
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.wording import counted

ID = "SEL401"

_MODULE_NAME: FieldPath = ("spec", "moduleLoader", "container", "modprobe", "moduleName")

_Place = tuple[str, str]
"""A node, or a group of nodes that are alike, and its kernel."""


@dataclass(frozen=True, slots=True)
class _Load:
    """An object by which a driver loads kernel modules on a cluster, the field that says so, and where it does."""

    manifest: Manifest
    path: FieldPath
    names: frozenset[str]
    places: frozenset[_Place]
    is_at_boot: bool
    title: str

    def meets(self, other: _Load) -> frozenset[str]:
        """Return the kernel modules that another driver loads on the same nodes; DAY201 compares two at boot."""
        is_other = self.manifest.owner != other.manifest.owner and not (self.is_at_boot and other.is_at_boot)
        return self.names & other.names if is_other and self.places & other.places else frozenset()


def module_findings(compiled: CompiledFleet) -> Iterator[tuple[Manifest, Finding]]:
    """Yield an error for drivers that load a kernel module on the same nodes: on the first, which names another one.

    Yields one for each of the others, too: they are shown only where the file of the first is not checked.
    """
    for cluster, names in _shared_names(compiled):
        loads = sorted(_loads(compiled, cluster, names), key=lambda load: (load.is_at_boot, title(load.manifest.value)))
        told: set[frozenset[str]] = set()
        for place, load in enumerate(loads):
            rivals = _rivals(load, loads[place + 1 :], told)
            told |= set(map(frozenset, combinations((load.manifest.owner, *rivals), 2)))
            causes = {owner: _told_by(loads, load, other) for owner, (other, _) in rivals.items()}
            named = min(rivals, key=lambda owner: bool(causes[owner]), default=None)  # which nothing else tells of
            for owner, (other, name) in rivals.items():
                if owner == named:
                    yield _on_cluster(cluster, load, _finding(load, other, name, len(rivals) - 1), causes[owner])
                cause = _told_by(loads, other, load) or f"{ID} {title(load.manifest.value)}"
                yield _on_cluster(cluster, other, _finding(other, load, name, len(rivals) - 1), cause)


def _on_cluster(cluster: Cluster, load: _Load, finding: Finding, told_by: str) -> tuple[Manifest, Finding]:
    found = load.manifest.at_origin(replace(finding, told_by=told_by), load.path)
    return load.manifest, replace(found, clusters=(cluster.name,))


def _rivals(load: _Load, others: Iterable[_Load], told: set[frozenset[str]]) -> dict[str, tuple[_Load, str]]:
    """By driver, what loads the same kernel module on the same nodes, with its name; not the pairs that are told."""
    rivals: dict[str, tuple[_Load, str]] = {}
    for other in others:
        owner = other.manifest.owner
        if (found := load.meets(other)) and frozenset((load.manifest.owner, owner)) not in told:
            rivals.setdefault(owner, (other, min(found)))
    return rivals


def _told_by(loads: list[_Load], load: _Load, other: _Load) -> str:
    """The finding that tells it where both drivers load the module at boot, too; empty where they do not."""
    own = [item for item in loads if item.is_at_boot and item.manifest.owner == load.manifest.owner]
    others = [item for item in loads if item.is_at_boot and item.manifest.owner == other.manifest.owner]
    twice = (mine for mine in own for item in others if mine.names & item.names and mine.places & item.places)
    return next((f"DAY201 {mine.title}" for mine in twice), "")


def _finding(load: _Load, other: _Load, name: str, others: int) -> Finding:
    origin = other.manifest.trace(other.path)
    how = "at boot, " if other.is_at_boot else ""
    more = f", and so {'do' if others > 1 else 'does'} {counted(others, 'other driver')}" if others else ""
    message = (
        f"driver {other.manifest.owner} ({origin.file}:{origin.line}) loads {name} on the same nodes, {how}too{more}: "
        f"when one of them is unloaded, it takes the module from the other"
    )
    fix = f"make the selectors disjoint, or load {name} by one driver"
    return Finding(ID, message, fix, title(load.manifest.value))


def _shared_names(compiled: CompiledFleet) -> Iterator[tuple[Cluster, frozenset[str]]]:
    """Yield the clusters on which several drivers load a kernel module of one name, with these names."""
    names: dict[Variant, frozenset[str]] = {}
    drivers: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for target in compiled.targets:
        if target.is_absent:
            continue
        if target.variant not in names:
            names[target.variant] = _names(map_of(target.variant.spec.get("modprobe")))
        for place in _places(target):
            for name in names[target.variant]:
                drivers[place][name].add(target.variant.driver.name)
    for cluster in compiled.fleet.clusters:
        found = frozenset(name for name, owners in drivers.get(cluster.name, {}).items() if len(owners) > 1)
        if found:
            yield cluster, found


def _names(modprobe: JsonMap) -> frozenset[str]:
    names = [modprobe.get("moduleName"), *items_of(modprobe.get("modulesLoadingOrder"))]
    return frozenset(in_kernel_form(str(name)) for name in names if name)


def _places(target: Target) -> Iterable[str]:
    """The clusters on whose nodes a driver is loaded: the spokes of a hub that delivers it."""
    if target.variant.spec.get("delivery") == "hub":
        return [spoke.name for spoke in selected_spokes(target)]
    return [target.cluster.name]


def _loads(compiled: CompiledFleet, cluster: Cluster, names: frozenset[str]) -> Iterator[_Load]:
    """Yield what loads one of the kernel modules on a cluster, and where."""
    nodes = Nodes(nodes_of(cluster) or ())
    for manifest in compiled.modules(cluster.name):
        view = ModuleView(manifest.value)
        if found := names & view.loaded:
            yield _Load(manifest, _MODULE_NAME, found, _loaded_on(view, nodes), is_at_boot=False, title="")
    own = ((item, item.value) for item in compiled.of_drivers[cluster.name] if is_at_boot(item.value))
    hosted = node_pool_configs(compiled, cluster)
    for manifest, value in (*(own if cluster.hosted is None else ()), *hosted):
        config = boot_config(value)
        if config is not None and (found := names & {in_kernel_form(config.module)}):
            groups = groups_in_pool(cluster, config.pool)
            places = frozenset((group.name, kernel) for group in groups for kernel in group.kernels)
            path = config.path if manifest.value is value else ("data", "config")
            yield _Load(manifest, path, found, places, is_at_boot=True, title=title(value))


def _loaded_on(view: ModuleView, nodes: Nodes) -> frozenset[_Place]:
    """The nodes on whose kernel a mapping wins, of those that are selected and do not repel the Module."""
    placement = Placement(view, nodes)
    winners = placement.winners
    return frozenset(
        (node.name, kernel)
        for kernel, selected in placement.kernels.items()
        if winners.get(kernel) is not None
        for node in selected
    )
