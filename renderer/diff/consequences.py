"""Objects that differ → what happens on the nodes when Argo CD has applied them.

Computed by KMM's semantics for every group of nodes of every cluster, on the kernels that they run.
Sources: internal/controllers/{module,nmc,mic,device_plugin}_reconciler.go of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kmodgate.policy.findings import FieldPath, Severity
from kmodgate.policy.kmm.node_selection import Node, Verdict, verdict
from kmodgate.policy.kmm.resolve import Resolution
from kmodgate.renderer.deliveries.delivery import is_driver
from kmodgate.renderer.diff import causes, module_effects
from kmodgate.renderer.diff.affected import Affected
from kmodgate.renderer.diff.causes import Causes
from kmodgate.renderer.diff.changed_fields import Kind, ObjectChange
from kmodgate.renderer.diff.renames import Rename, renames
from kmodgate.renderer.diff.sentences import SEVERITIES, Effect, place, sentence
from kmodgate.renderer.fleet.nodes import node_of_group
from kmodgate.renderer.fleet.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, NodeGroup
from kmodgate.renderer.manifests.manifest import Identity
from kmodgate.renderer.plan.coverage import Resolver
from kmodgate.renderer.plan.resolutions import work_of
from kmodgate.renderer.removals.driver_nodes import group_has_driver, has_driver

_WORST_FIRST = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_RANKS = {effect: (_WORST_FIRST.index(severity), effect) for effect, severity in SEVERITIES.items()}


@dataclass(frozen=True, slots=True)
class Consequence:
    """One thing that happens because of one driver, on all nodes and clusters that it happens on.

    `text` is the sentence; `why` are the fields that cause it. `nodes` counts those that are known; `unknown` are the
    clusters whose nodes or kernels nobody has said. `places` has the known nodes by cluster and group.
    """

    effect: Effect
    driver: str
    text: str
    clusters: tuple[str, ...]
    nodes: int
    unknown: tuple[str, ...]
    why: tuple[str, ...]
    origin: Origin
    places: Mapping[tuple[str, str], int] = field(default_factory=dict, repr=False)

    @property
    def severity(self) -> Severity:
        return SEVERITIES[self.effect]


_Key = tuple[Effect, str, str]
"""Effect, driver, and what tells two of a kind apart."""


class Consequences:
    """Adds up what the changes of a fleet do."""

    def __init__(self, clusters: Mapping[str, Cluster], causes_: Causes) -> None:
        self._clusters = clusters
        self._causes = causes_
        self._resolver = Resolver()
        self._sums: dict[_Key, Affected] = {}
        self._known: set[str] = set()
        self._places: dict[str, list[tuple[NodeGroup, Node]]] = {}
        self._renamed: set[tuple[Identity, str, str]] = set()  # Module, cluster and group; no group: none is known
        self._replaced: set[tuple[Identity, str, str]] = set()  # Module, cluster and plugin
        self._told = False

    def of(self, found: Iterable[ObjectChange]) -> list[Consequence]:
        """All consequences, the worst first."""
        found = list(found)
        self._known = {image for change in found for image in self._images_before(change)}
        for rename in renames(found):
            self._rename(rename)
        for change in found:
            if is_driver(change.manifest.identity):
                self._module(change)
            elif change.manifest.identity.kind == "Job":
                self._job(change)
        ordered = sorted(self._sums.items(), key=lambda item: (_RANKS[item[0][0]], -item[1].nodes, item[0][1:]))
        return [_consequence(key, sum) for key, sum in ordered]

    def _images_before(self, change: ObjectChange) -> Iterator[str]:
        """The images that nodes have of a Module: KMM makes none of them again."""
        module = module_effects.value(change.before)
        if is_driver(change.manifest.identity) and module_effects.container(module):
            for name in change.clusters:
                for _, node in self._nodes(name):
                    if (found := self._side(module, node).resolution) is not None:
                        yield found.image

    def _nodes(self, name: str) -> list[tuple[NodeGroup, Node]]:
        """Every group of a cluster on each of its kernels; nodes are as the fleet has them now, for both sides."""
        if name not in self._places:
            cluster = self._clusters[name]
            self._places[name] = [
                (group, replace(node_of_group(group, observed=cluster.has_inventory), kernel=kernel))
                for group in cluster.nodes
                for kernel in group.kernels
            ]
        return self._places[name]

    # -- adding up -----------------------------------------------------------------------------------

    def _add(self, effect: Effect, change: ObjectChange, detail: str = "", *fields: FieldPath) -> Affected:
        self._told = True
        name = change.manifest.identity.name
        key = (effect, name, detail)
        if key not in self._sums:
            self._sums[key] = Affected(self._causes.origin(change, fields))
        return self._sums[key]

    def _rename(self, rename: Rename) -> None:
        """The nodes on which both Modules load: a load and an unload there are one consequence."""
        before, after = rename.old.manifest.value, rename.new.manifest.value
        groups = [
            group
            for group, node in self._nodes(rename.cluster)
            if self._side(before, node).resolution and self._side(after, node).resolution
        ]
        if module_effects.is_blind(self._clusters[rename.cluster], before, after):
            sum = self._add(Effect.RENAME, rename.new, rename.detail)
            sum.clusters.add(rename.cluster)
            sum.unknown.add(rename.cluster)
            self._renamed.update((identity, rename.cluster, "") for identity in rename.identities)
        for group in groups:
            self._add(Effect.RENAME, rename.new, rename.detail).add(rename.cluster, group)
            self._renamed.update((identity, rename.cluster, group.name) for identity in rename.identities)
        self._replaced.update((item, rename.cluster, key) for item in rename.identities for key in rename.plugins)

    def _job(self, change: ObjectChange) -> None:
        if change.kind is Kind.ADDED:
            self._add(Effect.JOB, change, "added").clusters.update(change.clusters)
        elif change.kind is Kind.CHANGED and any(field.path[:1] == ("spec",) for field in change.fields):
            effect = Effect.JOB if module_effects.is_replaced(change.manifest) else Effect.STUCK
            self._add(effect, change, "", ("spec",)).clusters.update(change.clusters)

    def _module(self, change: ObjectChange) -> None:
        before, after = module_effects.value(change.before), module_effects.value(change.after)
        old, new = module_effects.container(before), module_effects.container(after)
        if change.kind is Kind.REMOVED and module_effects.is_retained(change.manifest):
            self._add(Effect.NOTHING, change, "retained").clusters.update(change.clusters)
        elif old and new and bool(old.get("version")) is not bool(new.get("version")):
            detail = "first" if new.get("version") else "last"  # nothing else is done until then
            self._add(Effect.RECREATE, change, detail, causes.VERSION).clusters.update(change.clusters)
        else:
            self._told = False
            for name in change.clusters:
                self._on_cluster(change, before, after, name)
            self._plugins(change, before, after)
            if before is not None and after is not None:
                self._kept(change, before, after)

    def _kept(self, change: ObjectChange, before: Any, after: Any) -> None:
        """What is to be said of a Module that stays, beside what its nodes do."""
        self._identity(change, before, after)
        if before["spec"].get("imageRebuildTriggerGeneration") != after["spec"].get("imageRebuildTriggerGeneration"):
            trigger = self._add(Effect.STALE, change, "trigger", ("spec", "imageRebuildTriggerGeneration"))
            trigger.clusters.update(change.clusters)
        if not self._told:
            quiet = self._add(Effect.NOTHING, change, "metadata" if before["spec"] == after["spec"] else "spec")
            quiet.clusters.update(change.clusters)
            quiet.why.update({field.shown: None for field in change.fields if field.path[:1] == ("spec",)})

    # -- nodes ---------------------------------------------------------------------------------------

    def _on_cluster(self, change: ObjectChange, before: Any, after: Any, name: str) -> None:
        identity = change.manifest.identity
        if module_effects.is_blind(self._clusters[name], before, after) and (identity, name, "") not in self._renamed:
            self._blind(change, before, after, name)
        worst: dict[str, tuple[_Key, NodeGroup, list[str], tuple[FieldPath, ...]]] = {}
        for group, node in self._nodes(name):
            was, now = self._side(before, node), self._side(after, node)
            found = module_effects.effect(change, was, now, node)
            renamed = (identity, name, group.name) in self._renamed
            if found is not None and not renamed:
                effect, detail, why = found
                key = (effect, change.manifest.identity.name, detail)
                if group.name not in worst or key < worst[group.name][0]:
                    worst[group.name] = (key, group, why, causes.of_node(why, was, now))
            self._image(change, was.resolution, now.resolution, name)
            if not renamed:
                self._away(change, was.resolution, now.resolution, name, group)
        for key, group, why, fields in worst.values():
            self._add(key[0], change, key[2], *fields).add(name, group, why)

    def _side(self, module: Any, node: Node) -> module_effects.Side:
        """What the node loads of the Module, or keeps until its version label changes; or why nothing."""
        if module is None:
            return module_effects.Side(None, "the Module does not exist")
        if not module_effects.container(module):
            return module_effects.Side(None, "its moduleLoader goes")
        found: Verdict = verdict(module, node, self._resolver)
        if has_driver(found, node):
            return module_effects.Side(found.resolution, "", found.keeps)
        return module_effects.Side(None, found.reason)

    def _blind(self, change: ObjectChange, before: Any, after: Any, name: str) -> None:
        """Nodes or kernels are not known: what can be said from the fields alone."""
        old, new = module_effects.container(before), module_effects.container(after)
        if not old and not new:
            return
        if not (old and new):
            sum = self._add(
                Effect.UNLOAD if old else Effect.LOAD, change, module_effects.gone(change.manifest) if old else ""
            )
        elif any(before["spec"].get(key) != after["spec"].get(key) for key in ("selector", "tolerations")):
            sum = self._add(Effect.UNKNOWN, change, "", causes.SELECTOR, causes.TOLERATIONS)
        elif changed := [
            key for key, part in module_effects.config(old).items() if part != module_effects.config(new)[key]
        ]:
            is_ordered = old.get("version") != new.get("version")
            effect, detail = (Effect.ORDERED, str(new["version"])) if is_ordered else (Effect.RELOAD, "")
            sum = self._add(effect, change, detail, *causes.of_settings(None, *changed), causes.LOADER)
            sum.why.update(dict.fromkeys(changed))
        else:
            return
        sum.clusters.add(name)
        sum.unknown.add(name)

    # -- images --------------------------------------------------------------------------------------

    def _image(self, change: ObjectChange, was: Resolution | None, now: Resolution | None, name: str) -> None:
        if now is None:
            return
        old_image = "" if was is None else was.image
        if now.image != old_image and now.image not in self._known:
            work = work_of(now)
            if work != "prebuilt":
                sum = self._add(Effect.BUILD, change, work, *causes.of_image(now))
                sum.images.add(now.image)
                sum.clusters.add(name)
        elif was is not None and now.image == old_image:
            stale = [f"{block}.{key}" for block, key in module_effects.stale(was, now)]
            if stale:
                sum = self._add(Effect.STALE, change, "image", *causes.of_settings(now, "build", "sign"))
                sum.clusters.add(name)
                sum.why.update(dict.fromkeys(stale))
                sum.images.add(now.image)

    def _away(
        self, change: ObjectChange, was: Resolution | None, now: Resolution | None, name: str, group: NodeGroup
    ) -> None:
        """Modules of the kernel that were removed for the driver, and that nobody loads again."""
        removed = [] if was is None else was.in_tree_modules_to_remove or []
        still = [] if now is None else now.in_tree_modules_to_remove or []
        for module in removed:
            if module not in still:
                self._add(Effect.AWAY, change, module, *causes.of_removals(now)).add(name, group)

    # -- beside the loader ---------------------------------------------------------------------------

    def _plugins(self, change: ObjectChange, before: Any, after: Any) -> None:
        """Pods start, stop or restart; those that only change with the name of their Module are part of the rename."""
        identity = change.manifest.identity
        for key, what, how in module_effects.plugin_changes(before, after):
            fields = (("spec", key), causes.TOLERATIONS, ("spec", "imageRepoSecret"))
            module = before if how == "stop" else after
            for name in change.clusters:
                groups = [
                    group
                    for group in self._clusters[name].nodes
                    if group_has_driver(module, self._clusters[name], group, self._resolver)
                ]
                if (identity, name, key) in self._replaced:
                    groups = [group for group in groups if (identity, name, group.name) not in self._renamed]
                    if not groups:
                        continue
                sum = self._add(Effect.RESTART, change, f"{what} {how}", *fields)
                sum.clusters.add(name)
                for group in groups:
                    sum.add(name, group)

    def _identity(self, change: ObjectChange, before: Any, after: Any) -> None:
        """Names that are used from the next load on, while the old ones are still needed to unload."""
        for path, what in module_effects.names_left(before, after):
            self._add(Effect.STALE, change, what, path).clusters.update(change.clusters)


def _consequence(key: _Key, sum: Affected) -> Consequence:
    effect, driver, detail = key
    where = place(len(sum.clusters), sum.nodes, sorted(sum.unknown))
    return Consequence(
        effect,
        driver,
        sentence(effect, driver, detail, where, len(sum.images)),
        clusters=tuple(sorted(sum.clusters)),
        nodes=sum.nodes,
        unknown=tuple(sorted(sum.unknown)),
        why=tuple(sum.why),
        origin=sum.origin,
        places=sum.groups,
    )
