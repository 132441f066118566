"""Modules, nodes and kernels of a fleet, and what they make of each other, one cell for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache
from typing import Any, Literal

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.kmm.kernel import architecture, flavour
from kmodgate.policy.kmm.nodes import node_selection as kmm
from kmodgate.policy.kmm.nodes.node_selection import Node
from kmodgate.policy.kmm.resolution.resolve import Resolution, Unresolved, resolve
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.deliveries.daemonset.kernels import resolved
from kmodgate.renderer.deliveries.daemonset.module_view import STRATEGY
from kmodgate.renderer.deliveries.daemonset.objects import as_module
from kmodgate.renderer.deliveries.delivery import loads_something
from kmodgate.renderer.fleet.clusters.nodes import node_of_group
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, NodeGroup
from kmodgate.renderer.fleet.targets.targets import Target, Variant
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.plan.resolutions import work_of

Phase = Literal["running", "next"]
"""Of a kernel: what nodes run today, or what they get next or were asked about."""

_MAPPINGS: FieldPath = ("spec", "moduleLoader", "container", "kernelMappings")

_NO_DAEMON_SET = "no DaemonSet for this kernel: name it in nextKernels of the Cluster, and render before the upgrade"

_VERSION = "/version-module."  # in the label by which a node asks for a version


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Nodes of a cluster that no Module of it can tell apart; `kernels` are those they run."""

    cluster: Cluster
    names: tuple[str, ...]
    count: int
    node: Node
    kernels: tuple[str, ...]
    architectures: tuple[str, ...]
    next_kernels: tuple[str, ...]
    is_paused: bool

    def coming(self, asked: Sequence[str]) -> list[str]:
        """The kernels that the nodes get: those that were asked about, or else their own next ones.

        Kernels built for another architecture are skipped, and those of another flavour (real-time, 64k pages) where
        there is one of the flavour that the nodes run. A paused group gets none.
        """
        if self.is_paused:
            return []
        flavours = {flavour(kernel) for kernel in self.kernels}
        candidates = [*(asked or self.next_kernels)]
        alike = [kernel for kernel in candidates if flavour(kernel) in flavours] or candidates
        known = self.architectures
        return [kernel for kernel in alike if not known or architecture(kernel) in ("", *known)]

    def kernels_by_phase(self, asked: Sequence[str]) -> Iterator[tuple[str, Phase]]:
        """The kernels to look at. A kernel that some of the nodes have already is the next one of the others."""
        yield from ((kernel, "running") for kernel in self.kernels)
        yield from ((kernel, "next") for kernel in self.coming(asked) if list(self.kernels) != [kernel])


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A driver's Module, shared by all clusters that get the same; `mappings` are the names of its mappings."""

    driver: str
    name: str
    value: Mapping[str, Any] = field(repr=False)
    manifest: Manifest = field(repr=False)
    mappings: tuple[str, ...]
    variant: Variant = field(repr=False)

    @property
    def has_daemon_sets(self) -> bool:
        """Whether it stands for DaemonSets, which load without KMM."""
        return STRATEGY in self.value["spec"]

    @property
    def is_signed_elsewhere(self) -> bool:
        """Whether DaemonSets load images that were signed before, by the spec's word."""
        sign = self.variant.spec.get("sign")
        return self.has_daemon_sets and isinstance(sign, dict) and "prebuilt" in sign

    def origin(self, mapping: int) -> Origin:
        """The place in a spec of one mapping."""
        return self.manifest.trace(("spec", "moduleLoader", "container", "kernelMappings", mapping))


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One Module on alike nodes under one kernel. Without a resolution nothing is loaded, for the reason.

    With both, something keeps away what the mapping would load: a version label, or Secure Boot. `waits_for` are
    temporary taints that keep the Module off the nodes: the rest says what happens once they are gone.
    """

    module: Module
    group: Group
    kernel: str
    phase: Phase
    resolution: Resolution | None
    reason: str
    waits_for: str = ""
    fails: bool = False
    """Whether KMM fails at the Module on this kernel."""

    @property
    def loads(self) -> bool:
        return not self.reason

    @property
    def lacks_daemon_set(self) -> bool:
        """Whether a mapping takes the kernel, and no DaemonSet is rendered for it."""
        return self.reason == _NO_DAEMON_SET

    def on_rendered_kernel(self) -> Cell:
        """The cell under the newest kernel that the driver has a DaemonSet for."""
        mapping = self.module.value["spec"]["moduleLoader"]["container"]["kernelMappings"][-1]
        kernel = mapping["literal"]
        return replace(self, kernel=kernel, resolution=resolve(self.module.value, kernel), reason="")

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
        for manifest in found.modules(cluster.name):
            if loads_something(manifest):
                if manifest not in shared:
                    own = targets.get((cluster.name, manifest.owner))
                    is_own = own is not None and manifest not in found.delivered[cluster.name]
                    hub = cluster.acm.hub if cluster.acm else ""
                    target = own if own is not None and is_own else targets[hub, manifest.owner]
                    shared[manifest] = _module(manifest, target)
                mine.append(shared[manifest])
        result.append((cluster, mine))
    return result


def _module(manifest: Manifest, target: Target) -> Module:
    value: Any = manifest.value
    mappings = value["spec"]["moduleLoader"]["container"]["kernelMappings"]
    names = tuple(_mapping_name(manifest, index) for index in range(len(mappings)))
    identity = manifest.identity
    name = f"{identity.namespace}/{identity.name}"
    return Module(manifest.owner, name, manifest.value, manifest, names, target.variant)


def _mapping_name(manifest: Manifest, index: int) -> str:
    """The name of a mapping in its spec, or else what it matches."""
    path = manifest.trace((*_MAPPINGS, index)).path
    place = path[: path.index("kernelMappings") + 2] if "kernelMappings" in path else path
    item: Any = value_at(manifest.driver.document.value, place, {}) if manifest.driver else {}
    return str(item.get("name") or item.get("literal") or item.get("regexp"))


def groups_of(cluster: Cluster, modules: Iterable[Module]) -> Iterator[Group]:
    """The nodes of a cluster, those together that no Module can tell apart."""
    keys = {key for module in modules for key in module.value["spec"].get("selector") or {}}
    alike: dict[Any, list[NodeGroup]] = defaultdict(list)
    for item in cluster.nodes:
        if cluster.has_inventory:
            told = sorted(label for label in item.labels.items() if label[0] in keys or _VERSION in label[0])
            seen = (item.taints, item.kernels, item.architecture, item.secure_boot)
            alike[tuple(told), seen, item.next_kernels, item.is_paused].append(item)
        else:
            alike[item.name].append(item)
    for members in alike.values():
        yield group_of(cluster, members)


def group_of(cluster: Cluster, members: Sequence[NodeGroup]) -> Group:
    """Return nodes that are alike as one group."""
    first = members[0]
    return Group(
        cluster,
        tuple(item.name for item in members),
        sum(item.count for item in members),
        node_of_group(first, observed=cluster.has_inventory),
        tuple(first.kernels),
        tuple(first.architectures),
        tuple(kernel.version for kernel in first.next_kernels),
        first.is_paused,
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
                self._kept[key] = type(error)(str(error))  # one that was raised holds frames, and these the resolver
        found = self._kept[key]
        if isinstance(found, Unresolved):
            raise type(found)(str(found))
        return found


@lru_cache(maxsize=1024)
def _on_kernels(group: Group, asked: tuple[str, ...]) -> list[tuple[Node, Phase]]:
    """Return the nodes of a group under each of their kernels, which all Modules of a cluster ask for."""
    return [(replace(group.node, kernel=kernel), phase) for kernel, phase in group.kernels_by_phase(asked)]


def cells_of(
    module: Module, group: Group, asked: tuple[str, ...], resolver: Resolver, refuses: Refuses
) -> Iterator[Cell]:
    """What nodes that the Module selects make of it on each kernel; nothing for nodes that it does not select."""
    if kmm.why_not_selected(module.value, group.node):
        return
    repelled = kmm.why_repelled(module.value, kmm.without_temporary_taints(group.node))
    waits_for = "" if repelled else kmm.temporary_taints(module.value, group.node)
    for node, phase in _on_kernels(group, asked):
        kernel = node.kernel
        if repelled:
            yield Cell(module, group, kernel, phase, None, repelled)
            continue
        found = kmm.on_kernel(module.value, node, resolver)
        reason = _why_not(module, group, kernel, phase, found, refuses)
        fails = found.fails and not module.has_daemon_sets
        yield Cell(module, group, kernel, phase, found.resolution, reason, waits_for, fails)


def _why_not(module: Module, group: Group, kernel: str, phase: Phase, found: kmm.Verdict, refuses: Refuses) -> str:
    """Why nodes load nothing on a kernel; empty if they load something."""
    if found.resolution is None:
        return _why_no_daemon_set(module, kernel) if module.has_daemon_sets else found.reason
    if group.node.observed and not (found.keeps and phase == "running") and found.reason:
        return found.reason  # else nobody has described the labels that administrators set, or it runs another version
    unsigned = group.node.secure_boot and found.resolution.sign is None and not module.is_signed_elsewhere
    if unsigned and refuses(group.cluster, module.value):
        return "not signed, and Secure Boot refuses unsigned modules"
    if module.has_daemon_sets:
        return ""
    return kmm.why_never_loaded(module.value, kernel, group.cluster.release or Release())


def _why_no_daemon_set(module: Module, kernel: str) -> str:
    """Why nodes of a kernel load nothing where DaemonSets load: no mapping takes it, or it has no DaemonSet yet."""
    if not list(resolved(as_module(module.variant), [kernel])):
        return "no mapping for this kernel"
    return _NO_DAEMON_SET
