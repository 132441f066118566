"""Objects that differ → what happens on the nodes when Argo CD has applied them.

Computed by KMM's semantics for every group of nodes of every cluster, on the kernels that they run.
Sources: internal/controllers/{module,nmc,mic,device_plugin}_reconciler.go of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from policy.findings import Severity
from policy.kmm.nodes import Node, Verdict, verdict, why_not_selected, why_repelled
from policy.kmm.reload import node_config, reasons
from policy.kmm.resolve import IMAGE_INPUTS, Resolution
from renderer.coverage import Resolver
from renderer.diff import Kind, ObjectChange
from renderer.manifest import Manifest, Origin
from renderer.resolving import node_of_group, plain_reason
from renderer.sentences import Effect, place, sentence
from renderer.specs import Cluster, NodeGroup

SEVERITIES = {
    Effect.RECREATE: Severity.ERROR,
    Effect.UNLOAD: Severity.ERROR,
    Effect.RELOAD: Severity.WARNING,
    Effect.ORDERED: Severity.INFO,
    Effect.LOAD: Severity.INFO,
    Effect.AWAY: Severity.WARNING,
    Effect.RESTART: Severity.WARNING,
    Effect.BUILD: Severity.INFO,
    Effect.JOB: Severity.INFO,
    Effect.STALE: Severity.WARNING,
    Effect.NOTHING: Severity.INFO,
}


_WORST_FIRST = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_RANKS = {effect: (_WORST_FIRST.index(severity), effect) for effect, severity in SEVERITIES.items()}


@dataclass(frozen=True, slots=True)
class Consequence:
    """One thing that happens because of one driver, on all nodes and clusters that it happens on.

    `text` is the sentence; `why` are the fields that cause it. `nodes` counts those that are known; `unknown` are the
    clusters whose nodes or kernels nobody has said.
    """

    effect: Effect
    driver: str
    text: str
    clusters: tuple[str, ...]
    nodes: int
    unknown: tuple[str, ...]
    why: tuple[str, ...]
    origin: Origin

    @property
    def severity(self) -> Severity:
        return SEVERITIES[self.effect]


@dataclass(slots=True)
class _Sum:
    """The places of one consequence, added up."""

    origin: Origin
    groups: dict[tuple[str, str], int] = field(default_factory=dict)  # cluster and group → nodes
    clusters: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    why: dict[str, None] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)

    @property
    def nodes(self) -> int:
        return sum(self.groups.values())

    def add(self, cluster: str, group: NodeGroup, why: Iterable[str] = ()) -> None:
        """Nodes that are alike; a group counts once, whichever of its kernels it is added for."""
        self.groups[cluster, group.name] = group.count
        self.clusters.add(cluster)
        self.why.update(dict.fromkeys(why))


_Key = tuple[Effect, str, str]
"""Effect, driver, and what tells two of a kind apart."""


class Consequences:
    """Adds up what the changes of a fleet do."""

    def __init__(self, clusters: Mapping[str, Cluster]) -> None:
        self._clusters = clusters
        self._resolver = Resolver()
        self._sums: dict[_Key, _Sum] = {}

    def of(self, found: Iterable[ObjectChange]) -> list[Consequence]:
        """All consequences, the worst first."""
        for change in found:
            if change.manifest.identity.kind == "Module":
                self._module(change)
            elif change.manifest.identity.kind == "Job":
                self._job(change)
        ordered = sorted(self._sums.items(), key=lambda item: (_RANKS[item[0][0]], -item[1].nodes, item[0][1:]))
        return [_consequence(key, sum) for key, sum in ordered]

    # -- adding up -----------------------------------------------------------------------------------

    def _add(self, effect: Effect, change: ObjectChange, detail: str = "", path: tuple[str | int, ...] = ()) -> _Sum:
        name = change.manifest.identity.name
        key = (effect, name, detail)
        if key not in self._sums:
            self._sums[key] = _Sum(change.manifest.trace(path or ("metadata", "name")))
        return self._sums[key]

    def _job(self, change: ObjectChange) -> None:
        if change.kind is not Kind.REMOVED:
            self._add(
                Effect.JOB, change, "added" if change.kind is Kind.ADDED else _job_detail(change)
            ).clusters.update(change.clusters)

    def _module(self, change: ObjectChange) -> None:
        before, after = _value(change.before), _value(change.after)
        for name in change.clusters:
            self._on_cluster(change, before, after, name)
        self._plugins(change, before, after)
        if before is None or after is None:
            return
        old, new = _container(before), _container(after)
        if old and new and bool(old.get("version")) is not bool(new.get("version")):
            detail = "first" if new.get("version") else "last"
            path = ("spec", "moduleLoader", "container", "version")
            self._add(Effect.RECREATE, change, detail, path).clusters.update(change.clusters)
        self._identity(change, before, after)
        if before["spec"].get("imageRebuildTriggerGeneration") != after["spec"].get("imageRebuildTriggerGeneration"):
            self._add(Effect.STALE, change, "trigger").clusters.update(change.clusters)
        if before["spec"] == after["spec"]:
            self._add(Effect.NOTHING, change, "metadata").clusters.update(change.clusters)

    # -- nodes ---------------------------------------------------------------------------------------

    def _on_cluster(self, change: ObjectChange, before: Any, after: Any, name: str) -> None:
        cluster = self._clusters[name]
        kernels = [(group, kernel) for group in cluster.nodes for kernel in group.kernels]
        if not cluster.nodes or any(not group.kernels and _may_select(before, after, group) for group in cluster.nodes):
            self._blind(change, before, after, name)
        worst: dict[str, tuple[_Key, NodeGroup, list[str]]] = {}
        for group, kernel in kernels:
            described = node_of_group(group, observed=cluster.has_inventory)
            node = replace(described, kernel=kernel)
            was, now = self._verdict(before, node), self._verdict(after, node)
            found = _effect(before, after, was, now)
            if found is not None:
                effect, detail, why = found
                key = (effect, change.manifest.identity.name, detail)
                if group.name not in worst or key < worst[group.name][0]:
                    worst[group.name] = (key, group, why)
            self._image(change, was, now, name)
            self._away(change, was, now, name, group)
        for key, group, why in worst.values():
            self._add(key[0], change, key[2], ("spec", "moduleLoader")).add(name, group, why)

    def _verdict(self, module: Any, node: Node) -> Resolution | str:
        """What the node loads of the Module, or keeps until its version label changes; or why nothing."""
        if module is None:
            return "the Module does not exist"
        if not _container(module):
            return "its moduleLoader goes"
        found: Verdict = verdict(module, node, self._resolver)
        if found.resolution is not None and (found.loads or found.keeps or not node.observed):
            return found.resolution
        return found.reason

    def _blind(self, change: ObjectChange, before: Any, after: Any, name: str) -> None:
        """Nodes or kernels are not known: what can be said from the fields alone."""
        old, new = _container(before), _container(after)
        if old and new:
            changed = [key for key in _CONFIG if old.get(key) != new.get(key)]
            if not changed:
                return
            if new.get("version") and old.get("version") and new["version"] != old["version"]:
                sum = self._add(Effect.ORDERED, change, str(new["version"]), ("spec", "moduleLoader"))
            else:
                sum = self._add(Effect.RELOAD, change, "", ("spec", "moduleLoader"))
            sum.why.update(dict.fromkeys(changed))
        elif old or new:
            sum = self._add(Effect.UNLOAD if old else Effect.LOAD, change, "gone" if old else "")
        else:
            return
        sum.clusters.add(name)
        sum.unknown.add(name)

    # -- images --------------------------------------------------------------------------------------

    def _image(self, change: ObjectChange, was: Resolution | str, now: Resolution | str, name: str) -> None:
        if isinstance(now, str):
            return
        old_image = "" if isinstance(was, str) else was.image
        if now.image != old_image:
            works = [block for block in IMAGE_INPUTS if getattr(now, block) is not None]
            if works:
                sum = self._add(Effect.BUILD, change, " and ".join(works), ("spec", "moduleLoader"))
                sum.images.add(now.image)
                sum.clusters.add(name)
        elif not isinstance(was, str):
            stale = [f"{block}.{key}" for block, key in _stale(was, now)]
            if stale:
                sum = self._add(Effect.STALE, change, "image", ("spec", "moduleLoader", "container", "containerImage"))
                sum.clusters.add(name)
                sum.why.update(dict.fromkeys(stale))
                sum.images.add(now.image)

    def _away(
        self, change: ObjectChange, was: Resolution | str, now: Resolution | str, name: str, group: NodeGroup
    ) -> None:
        """Modules of the kernel that were removed for the driver, and that nobody loads again."""
        removed = [] if isinstance(was, str) else was.in_tree_modules_to_remove or []
        still = [] if isinstance(now, str) else now.in_tree_modules_to_remove or []
        for module in removed:
            if module not in still:
                self._add(Effect.AWAY, change, module, ("spec", "moduleLoader")).add(name, group)

    # -- beside the loader ---------------------------------------------------------------------------

    def _plugins(self, change: ObjectChange, before: Any, after: Any) -> None:
        """Pods start, stop or restart; a restart is what a change of their DaemonSet amounts to."""
        for key, what in (("devicePlugin", "device-plugin"), ("dra", "DRA driver")):
            old, new = ((value or {}).get("spec", {}) for value in (before, after))
            if (key not in old and key not in new) or all(old.get(part) == new.get(part) for part in (key, *_POD)):
                continue
            how = "start" if key not in old else "stop" if key not in new else "restart"
            module = after if key in new else before
            sum = self._add(Effect.RESTART, change, f"{what} {how}", ("spec", key))
            for name in change.clusters:
                sum.clusters.add(name)
                for group in self._clusters[name].nodes:
                    node = node_of_group(group)
                    if not why_not_selected(module, node) and not why_repelled(module, node):
                        sum.add(name, group)

    def _identity(self, change: ObjectChange, before: Any, after: Any) -> None:
        """Names that are used from the next load on, while the old ones are still needed to unload."""
        pairs = (
            ("moduleLoader", "serviceAccountName", "ServiceAccount"),
            ("imageRepoSecret", "name", "pull secret"),
        )
        for block, key, what in pairs:
            old, new = ((value["spec"].get(block) or {}).get(key) for value in (before, after))
            if old and old != new:
                sum = self._add(Effect.STALE, change, f"{what} {old}", ("spec", block))
                sum.clusters.update(change.clusters)


_POD = ("tolerations", "imageRepoSecret")
"""What the pods of plugins have of the Module beside their own part."""

_CONFIG = ("containerImage", "imagePullPolicy", "registryTLS", "inTreeModulesToRemove", "modprobe", "kernelMappings")


def _effect(
    before: Any, after: Any, was: Resolution | str, now: Resolution | str
) -> tuple[Effect, str, list[str]] | None:
    """What nodes of one kernel do, with what tells it apart from others of its kind, and the fields that cause it."""
    if isinstance(was, str):
        return None if isinstance(now, str) else (Effect.LOAD, "", [])
    if isinstance(now, str):
        return Effect.UNLOAD, "gone" if after is None else plain_reason(now), []
    why = reasons(node_config(before, was), node_config(after, now))
    if not why:
        return None
    if now.version and was.version and was.version != now.version:
        return Effect.ORDERED, now.version, why
    return Effect.RELOAD, "", why


def _stale(was: Resolution, now: Resolution) -> Iterator[tuple[str, str]]:
    """The inputs of an image that changed although its name did not."""
    for block, keys in IMAGE_INPUTS.items():
        old, new = getattr(was, block), getattr(now, block)
        if new is not None:
            yield from ((block, key) for key in keys if (old or {}).get(key) != new.get(key))


def _may_select(before: Any, after: Any, group: NodeGroup) -> bool:
    """Whether a Module, as it was or as it is, selects nodes."""
    node = node_of_group(group)
    return any(module is not None and not why_not_selected(module, node) for module in (before, after))


def _value(manifest: Manifest | None) -> Any:
    return None if manifest is None else manifest.value


def _container(module: Any) -> Any:
    loader = (module or {}).get("spec", {}).get("moduleLoader")
    return loader["container"] if loader else None


def _job_detail(change: ObjectChange) -> str:
    annotations: Any = change.manifest.value["metadata"]
    annotations = annotations.get("annotations") or {}
    replaced = "Replace=true" in str(annotations.get("argocd.argoproj.io/sync-options", ""))
    return "again" if replaced or "argocd.argoproj.io/hook" in annotations else "immutable"


def _consequence(key: _Key, sum: _Sum) -> Consequence:
    effect, driver, detail = key
    where = place(len(sum.clusters), sum.nodes, sorted(sum.unknown))
    text = sentence(effect, driver, detail, where, len(sum.images))
    return Consequence(
        effect,
        driver,
        text,
        tuple(sorted(sum.clusters)),
        sum.nodes,
        tuple(sorted(sum.unknown)),
        tuple(sum.why),
        sum.origin,
    )
