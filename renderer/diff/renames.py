"""Modules that come under another name or namespace: one goes, and one with the same kernel module is new.

KMM loads the new Module where the kernel module is loaded already. Then it unloads the old one, and the kernel module
is gone. It does not look again until a reboot or a change: the new Module says ready, and the nodes have no driver.
Pods of a DaemonSet look, and are not ready; none of them loads again until it is deleted. A Module that a hub hands
over to another hub or to the tree of its spoke, or takes from it, is one object: it goes with what made it before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.views.module import ModuleView
from kmodgate.renderer.deliveries.daemonset.module_view import STRATEGY
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.diff.effects import module_effects
from kmodgate.renderer.diff.effects.changed_fields import Kind, ObjectChange
from kmodgate.renderer.manifests.argo import SYNC_WAVE, is_never_pruned
from kmodgate.renderer.manifests.manifest import Identity, Manifest


@dataclass(frozen=True, slots=True, eq=False)
class Rename:
    """A Module that goes from a cluster and the one that comes in its place."""

    cluster: str
    old: ObjectChange
    new: ObjectChange
    kernel_module: str

    @property
    def identities(self) -> tuple[Identity, Identity]:
        return self.old.manifest.identity, self.new.manifest.identity

    @property
    def plugins(self) -> list[str]:
        """The plugins of both Modules: their pods stop under the old name and start under the new one."""
        sides = [as_map(change.manifest.value.get("spec")) for change in (self.old, self.new)]
        return [key for key in module_effects.PLUGINS if all(key in spec for spec in sides)]

    @property
    def detail(self) -> str:
        """Both objects, the kernel module, the plugins and how: all renames with the same ones are one consequence."""
        pods = " and ".join(module_effects.PLUGINS[key] for key in self.plugins)
        return "|".join((_title(self.old), _title(self.new), self.kernel_module, pods, self._how))

    @property
    def _how(self) -> str:
        """Who delivers the new one, where that tells what happens: DaemonSets, or the tree or hub that takes over."""
        if _has_daemonsets(self.new):
            return "daemonsets"
        if _has_daemonsets(self.old) or self.old.manifest.identity != self.new.manifest.identity:
            return "module"
        own = [SYNC_WAVE in module_effects.annotations_of(change.manifest) for change in (self.old, self.new)]
        return "from hub" if own[1] else "to hub" if own[0] else "between hubs"


def renames(found: Iterable[ObjectChange]) -> Iterator[Rename]:
    """Yield each pair of a removed and an added Module of a cluster that load the same kernel module."""
    modules = [change for change in found if driver_of(change.manifest.value)]
    removed = [change for change in modules if change.kind is Kind.REMOVED]
    for new in modules:
        for old in removed if new.kind is Kind.ADDED else ():
            shared = _kernel_modules(old.manifest) & _kernel_modules(new.manifest)
            if shared and not is_never_pruned(old.manifest.value):
                for cluster in sorted({*old.clusters} & {*new.clusters}):
                    yield Rename(cluster, old, new, min(shared))


def _has_daemonsets(change: ObjectChange) -> bool:
    return STRATEGY in as_map(change.manifest.value.get("spec"))


def _title(change: ObjectChange) -> str:
    identity = change.manifest.identity
    return f"{'DaemonSets of' if _has_daemonsets(change) else 'Module'} {identity.namespace}/{identity.name}"


def _kernel_modules(manifest: Manifest) -> set[str]:
    view = ModuleView(manifest.value)
    words = view.modprobe.map("rawArgs").strings("load")
    named = {in_kernel_form(word) for word in words if word[:1] not in ("-", "") and not {"/", "="} & {*word}}
    return view.loaded or named
