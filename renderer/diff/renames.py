"""Modules that come under another name or namespace: one goes, and one with the same kernel module is new.

KMM loads the new Module where the kernel module is loaded already. Then it unloads the old one, and the kernel module
is gone. It does not look again until a reboot or a change: the new Module says ready, and the nodes have no driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.formats.kernel_module_names import in_kernel_form
from kmodgate.policy.views.module import ModuleView
from kmodgate.renderer.deliveries.delivery import driver_of
from kmodgate.renderer.diff import module_effects
from kmodgate.renderer.diff.changed_fields import Kind, ObjectChange
from kmodgate.renderer.manifests.argo import is_never_pruned
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
        """Both names, the kernel module and the plugins: all renames with the same ones are one consequence."""
        pods = " and ".join(module_effects.PLUGINS[key] for key in self.plugins)
        return "|".join((*(f"{item.namespace}/{item.name}" for item in self.identities), self.kernel_module, pods))


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


def _kernel_modules(manifest: Manifest) -> set[str]:
    view = ModuleView(manifest.value)
    words = view.modprobe.map("rawArgs").strings("load")
    named = {in_kernel_form(word) for word in words if word[:1] not in ("-", "") and not {"/", "="} & {*word}}
    return view.loaded or named
