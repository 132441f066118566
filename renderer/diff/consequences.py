"""Objects that differ → what happens on the nodes when Argo CD has applied them.

Computed by KMM's semantics for every group of nodes of every cluster, on the kernels that they run.
Sources: internal/controllers/{module,nmc,mic,device_plugin}_reconciler.go of Kernel Module Management.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Severity
from kmodgate.policy.kmm.resolution.reload_triggers import has_loader_daemonsets
from kmodgate.policy.views.boot_config import boot_config
from kmodgate.renderer.deliveries.daemonset.module_view import STRATEGY
from kmodgate.renderer.deliveries.delivery import driver_label, driver_of
from kmodgate.renderer.diff.cluster_effects.boot_effects import add_boot
from kmodgate.renderer.diff.cluster_effects.hub_effects import add_unknown_spokes, is_on_hub, without_confirmation
from kmodgate.renderer.diff.cluster_effects.mirror_drains import add_drains
from kmodgate.renderer.diff.cluster_effects.operator_changes import add_operators
from kmodgate.renderer.diff.effects import causes, module_effects
from kmodgate.renderer.diff.effects.affected import Affected, Key, Objects, Places, Refusals, Sums
from kmodgate.renderer.diff.effects.causes import Causes
from kmodgate.renderer.diff.effects.changed_fields import Kind, ObjectChange
from kmodgate.renderer.diff.effects.effect import SEVERITIES, Effect
from kmodgate.renderer.diff.effects.module_effects import Side
from kmodgate.renderer.diff.effects.sentences import place, sentence
from kmodgate.renderer.diff.image_work import ImageWork
from kmodgate.renderer.diff.plugin_pods import PluginPods, add_device_classes, moved_classes
from kmodgate.renderer.diff.renames import Rename, renames
from kmodgate.renderer.fleet.fields.origin import Origin
from kmodgate.renderer.fleet.specs import Cluster, NodeGroup
from kmodgate.renderer.manifests.argo import is_never_pruned

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


class Consequences:
    """Adds up what the changes of a fleet do."""

    def __init__(
        self,
        clusters: Mapping[str, Cluster],
        causes_: Causes,
        refusals: Refusals,
        objects: Objects = lambda _: (),
    ) -> None:
        self._objects = objects
        self._places = Places(clusters, refusals)
        self._sums = Sums(causes_)
        self._pods = PluginPods(self._places, self._sums)

    def of(self, objects: Iterable[ObjectChange], as_modules: Iterable[ObjectChange] = ()) -> list[Consequence]:
        """All consequences, the worst first.

        Drivers that DaemonSets load and those that a hub delivers come as Modules, beside the objects.
        """
        objects = list(objects)
        at_boot = [change for change in objects if boot_config(change.manifest.value) is not None]
        found = [change for change in objects if not driver_label(change.manifest.value) and change not in at_boot]
        add_unknown_spokes(found, self._sums)
        found += without_confirmation(list(as_modules), found, self._places.clusters)
        drivers = [change for change in found if driver_of(change.manifest.value) and not is_on_hub(change)]
        known = {image for change in drivers for image in self._images_before(change)}
        images, moved = ImageWork(self._places, self._sums, known), moved_classes(drivers)
        for rename in renames(found):
            self._rename(rename)
        for change in drivers:
            self._module(change, images, moved)
        for change in at_boot:
            add_boot(change, self._places, self._objects, self._sums)
        for change in found:
            if change.manifest.identity.kind == "Job":
                self._job(change)
        add_operators(found, self._objects, self._sums)
        add_drains(found, self._places.clusters, self._objects, self._sums)
        ordered = sorted(self._sums.found.items(), key=lambda item: (_RANKS[item[0][0]], -item[1].nodes, item[0][1:]))
        return [_consequence(key, sum) for key, sum in ordered]

    def _images_before(self, change: ObjectChange) -> Iterator[str]:
        """The images that nodes have of a Module: KMM makes none of them again."""
        module = module_effects.value(change.before)
        if module_effects.container(module):
            for name in change.clusters:
                for _, node in self._places.nodes(name):
                    if (found := self._places.before(module, name, node).resolution) is not None:
                        yield found.image

    def _rename(self, rename: Rename) -> None:
        """The nodes on which both Modules load: a load and an unload there are one consequence."""
        before, after, name = rename.old.manifest.value, rename.new.manifest.value, rename.cluster
        groups = [
            group
            for group, node in self._places.nodes(name)
            if self._places.before(before, name, node).resolution and self._places.after(after, name, node).resolution
        ]
        if module_effects.is_blind(self._places.clusters[name], before, after):
            self._sums.add(Effect.RENAME, rename.new, rename.detail).add_unknown(name)
            self._pods.renamed.update((identity, name, "") for identity in rename.identities)
        for group in groups:
            self._sums.add(Effect.RENAME, rename.new, rename.detail).add(name, group)
            self._pods.renamed.update((identity, name, group.name) for identity in rename.identities)
        self._pods.replaced.update((item, name, key) for item in rename.identities for key in rename.plugins)

    def _job(self, change: ObjectChange) -> None:
        if change.kind is Kind.ADDED:
            self._sums.add(Effect.JOB, change, "added").clusters.update(change.clusters)
        elif change.kind is Kind.CHANGED and any(field.path[:1] == ("spec",) for field in change.fields):
            effect = Effect.JOB if module_effects.is_replaced(change.manifest) else Effect.STUCK
            self._sums.add(effect, change, "", ("spec",)).clusters.update(change.clusters)

    def _module(self, change: ObjectChange, images: ImageWork, moved: set[tuple[str, str]]) -> None:
        before, after = module_effects.value(change.before), module_effects.value(change.after)
        old, new = module_effects.container(before), module_effects.container(after)
        if change.kind is Kind.REMOVED and is_never_pruned(change.manifest.value):
            self._sums.add(Effect.NOTHING, change, "retained").clusters.update(change.clusters)
        elif old and new and bool(old.get("version")) is not bool(new.get("version")):
            detail = "first" if new.get("version") else "last"  # nothing else is done until then
            self._sums.add(Effect.RECREATE, change, detail, causes.VERSION).clusters.update(change.clusters)
        else:
            self._sums.told = False
            for name in change.clusters:
                self._on_cluster(change, before, after, name, images)
            self._pods.add(change)
            add_device_classes(change, self._sums, moved)
            if before is not None and after is not None:
                self._kept(change, before, after)

    def _kept(self, change: ObjectChange, before: Any, after: Any) -> None:
        """What is to be said of a Module that stays, beside what its nodes do."""
        self._names(change, before, after)
        if before["spec"].get("imageRebuildTriggerGeneration") != after["spec"].get("imageRebuildTriggerGeneration"):
            trigger = self._sums.add(Effect.STALE, change, "trigger", ("spec", "imageRebuildTriggerGeneration"))
            trigger.clusters.update(change.clusters)
        if not self._sums.told:
            detail = module_effects.quiet_detail(before, after)
            quiet = self._sums.add(Effect.NOTHING, change, detail)
            quiet.clusters.update(change.clusters)
            if STRATEGY not in after["spec"]:  # else the fields are not those of the objects
                quiet.why.update({field.shown: None for field in change.fields if field.path[:1] == ("spec",)})

    # -- nodes ---------------------------------------------------------------------------------------

    def _on_cluster(self, change: ObjectChange, before: Any, after: Any, name: str, images: ImageWork) -> None:
        identity = change.manifest.identity
        is_blind = module_effects.is_blind(self._places.clusters[name], before, after)
        if is_blind and (identity, name, "") not in self._pods.renamed:
            self._blind(change, before, after, name)
        worst: dict[str, tuple[Key, NodeGroup, list[str], tuple[FieldPath, ...]]] = {}
        for group, node in self._places.nodes(name):
            was, now = self._places.before(before, name, node), self._places.after(after, name, node)
            renamed = (identity, name, group.name) in self._pods.renamed
            found = None if renamed else module_effects.effect(change, was, now, node, self._places.release(name))
            if found is not None:
                effect, detail, why = found
                key = (effect, identity.name, detail)
                if group.name not in worst or key < worst[group.name][0]:
                    fields = causes.of_effect(effect, why, now.resolution, now.reason or was.reason)
                    worst[group.name] = (key, group, why, fields)
            images.add(change, was, now, name, group)
            if not renamed and (found is None or found[0] is not Effect.KEPT):
                self._away(change, was, now, name, group)
        for key, group, why, fields in worst.values():
            self._sums.add(key[0], change, key[2], *fields).add(name, group, why)

    def _blind(self, change: ObjectChange, before: Any, after: Any, name: str) -> None:
        """Nodes or kernels are not known: what can be said from the fields alone."""
        old, new = module_effects.container(before), module_effects.container(after)
        if old and new:
            self._blindly_changed(change, before, after, name)
        elif new:
            self._sums.add(Effect.LOAD, change).add_unknown(name)
        elif old and after is not None:
            self._sums.add(Effect.KEPT, change, "", causes.LOADER).add_unknown(name)
        elif old:
            self._sums.add(Effect.UNLOAD, change, module_effects.gone(change.manifest)).add_unknown(name)

    def _blindly_changed(self, change: ObjectChange, before: Any, after: Any, name: str) -> None:
        if any(before["spec"].get(key) != after["spec"].get(key) for key in ("selector", "tolerations")):
            self._sums.add(Effect.UNKNOWN, change, "", causes.SELECTOR, causes.TOLERATIONS).add_unknown(name)
        release = self._places.release(name)
        was, now = (module_effects.config(module, release) for module in (before, after))
        changed = [key for key in was if was[key] != now[key]]
        versions = [str(module_effects.container(module).get("version") or "") for module in (before, after)]
        if versions[0] != versions[1]:
            effect, detail = (Effect.ORDERED if changed else Effect.VERSION), versions[1]
        elif changed:
            effect, detail, _ = module_effects.reload(after["spec"].get(STRATEGY), release, changed)
        elif (rolls := module_effects.rolled(change)) is not None:
            effect, detail, changed = rolls
        else:
            return
        sum = self._sums.add(effect, change, detail, *causes.of_settings(None, *changed), causes.LOADER)
        sum.add_unknown(name)
        sum.why.update(dict.fromkeys(changed or ["version"]))

    def _away(self, change: ObjectChange, was: Side, now: Side, name: str, group: NodeGroup) -> None:
        """Modules of the kernel that were removed for the driver, and that nobody loads again."""
        removed, still = (
            (side.resolution.in_tree_modules_to_remove or []) if side.resolution else [] for side in (was, now)
        )
        for module in removed:
            if module not in still:
                self._sums.add(Effect.AWAY, change, module, *causes.of_removals(now.resolution)).add(name, group)

    def _names(self, change: ObjectChange, before: Any, after: Any) -> None:
        """Names that are used from the next load on, while the old ones are still needed to unload."""
        if not module_effects.container(before):
            return
        clusters = [name for name in change.clusters if not has_loader_daemonsets(self._places.release(name))]
        for path, what, successor in module_effects.names_left(before, after) if clusters else ():
            detail = f"{'replaced' if successor else 'removed'}|{what}"
            self._sums.add(Effect.STALE, change, detail, path).clusters.update(clusters)


def _consequence(key: Key, sum: Affected) -> Consequence:
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
