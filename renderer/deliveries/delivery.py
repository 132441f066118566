"""The deliveries by their names. A new one is a file beside this one, or a folder, and a row in the table."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding, Problem
from kmodgate.policy.kmm.versions import Release, unsupported
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.views.module import ModuleView
from kmodgate.renderer.deliveries.boot import objects as boot
from kmodgate.renderer.deliveries.boot.objects import BOOT_MODULE_CONFIG, MACHINE_CONFIG, NODE_POOL_CONFIG
from kmodgate.renderer.deliveries.boot.problems import problems as boot_problems
from kmodgate.renderer.deliveries.daemonset import kernels, module_view, objects
from kmodgate.renderer.deliveries.daemonset.problems import problems
from kmodgate.renderer.deliveries.hub import hub_module, spoke_findings
from kmodgate.renderer.deliveries.kmm import objects as kmm
from kmodgate.renderer.fleet.specs import Cluster, JsonMap, NodeGroup
from kmodgate.renderer.fleet.targets.referenced_files import Sources
from kmodgate.renderer.fleet.targets.targets import Target, Variant
from kmodgate.renderer.manifests.manifest import DRIVER_LABEL, Manifest

DEFAULT = "kmm"

_NAME = lazy_regex("[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")

LOSS = "takes it off {}"
"""What happens to nodes, `12 nodes`, when a driver leaves."""


def own_tree(cluster: Cluster) -> str:
    """Return the name of the cluster: what is for it lies in its own tree."""
    return cluster.name


def _no_problems(_: Target) -> tuple[Finding, ...]:
    return ()


def _no_certificates(_: JsonMap) -> set[str]:
    return set()


def _all_supported(_: JsonMap, __: Release) -> Iterator[Problem]:
    return iter(())


def _loads_nothing(_: JsonMap) -> bool:
    return False


def _no_module(_: Sequence[Manifest]) -> None:
    return None


def _no_place(_: JsonMap) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One way in which a driver reaches the nodes.

    `group` and `kind` are those of the objects that stand for the driver in a cluster: when they leave, the driver is
    unloaded. Where the kind is also that of ordinary objects, `is_labelled`: such an object stands for a driver if it
    carries `DRIVER_LABEL`. `site` is what of a cluster decides the objects: clusters with an equal one share them.
    `problems` are those of a driver on a cluster, and `manifests` makes its objects at a site, the one that stands for
    it the last. `loads` is whether the object loads something, `certificates` the Secrets that it names as certificates
    to sign with, and `unsupported` the fields of it that a release of KMM does not know or ignores. `attaches` is
    whether `manifests` has the attached objects, too, because not all of them are for the driver's namespace.

    `as_module` makes, of all objects that stand for a driver, the Module by which nodes are reckoned; None where no
    selector says which nodes those are. `tree` is the cluster in whose tree the objects lie. `is_on` is whether nodes
    of a group of that cluster have the driver; None where the Module says so. `loss` is what happens to nodes when it
    leaves. `place` is a pool or namespace for which the object stands there: with another one, it leaves the former.
    """

    group: str
    kind: str
    site: Callable[[Cluster], Hashable]
    manifests: Callable[[Variant, Sources, Any], list[Manifest]]
    problems: Callable[[Target], Iterable[Finding]] = _no_problems
    loads: Callable[[JsonMap], bool] = _loads_nothing
    certificates: Callable[[JsonMap], set[str]] = _no_certificates
    unsupported: Callable[[JsonMap, Release], Iterator[Problem]] = _all_supported
    as_module: Callable[[Sequence[Manifest]], Manifest | None] = _no_module
    is_labelled: bool = False
    attaches: bool = False
    tree: Callable[[Cluster], str] = own_tree
    is_on: Callable[[JsonMap, Cluster, NodeGroup], bool] | None = None
    loss: str = LOSS
    place: Callable[[JsonMap], str] = _no_place


def _certificates(module: JsonMap) -> set[str]:
    return {sign.map("certSecret").text("name") for sign in ModuleView(module).signs} - {""}


DELIVERIES = {
    "kmm": Delivery(
        "kmm.sigs.x-k8s.io",
        "Module",
        kmm.site,
        kmm.manifests,
        problems=kmm.problems,
        loads=lambda module: "moduleLoader" in as_map(module.get("spec")),
        certificates=_certificates,
        unsupported=unsupported,
        as_module=lambda modules: modules[0],
    ),
    "daemonset": Delivery(
        "apps",
        "DaemonSet",
        kernels.site,
        objects.manifests,
        problems=problems,
        loads=lambda _: True,
        as_module=module_view.view,
        is_labelled=True,
    ),
    "hub": Delivery(  # it loads nothing on the hub
        "hub.kmm.sigs.x-k8s.io",
        "ManagedClusterModule",
        hub_module.site,
        hub_module.manifests,
        problems=spoke_findings.problems,
        certificates=_certificates,
        unsupported=hub_module.unsupported,
        attaches=True,
        place=hub_module.namespace_on_spokes,
    ),
}
"""By the name that `spec.delivery` has."""

BOOT = (
    Delivery(
        *MACHINE_CONFIG,
        boot.site,
        boot.machine_configs,
        problems=boot_problems,
        is_labelled=True,
        is_on=boot.is_on,
        loss="reboots {} without it",
        place=boot.pool_of,
    ),
    Delivery(
        *NODE_POOL_CONFIG,
        boot.site,
        boot.node_pool_configs,
        is_labelled=True,
        tree=boot.management,
        is_on=boot.is_on,
        loss="takes it off {} at boot",
        place=boot.pool_of,
    ),
    Delivery(
        *BOOT_MODULE_CONFIG,
        boot.site,
        boot.boot_module_configs,
        is_on=boot.is_on,
        loss="leaves its MachineConfig on {}",
        place=boot.pool_of,
    ),
)
"""What a driver with `spec.boot` has besides: a site takes one of them."""

_BY_KIND = {(item.group, item.kind): item for item in (*DELIVERIES.values(), *BOOT)}


def delivery_of(variant: Variant) -> Delivery:
    """Return the delivery of a driver."""
    return DELIVERIES[str(variant.spec.get("delivery", DEFAULT))]


def at_boot_of(target: Target) -> list[Target]:
    """Return the driver on the clusters whose nodes load it at boot: on the spokes where a hub delivers it."""
    if target.variant.spec.get("delivery") != "hub":
        return [target]
    return [replace(target, cluster=spoke) for spoke in hub_module.selected_spokes(target)]


def stands_for_driver(group: str, kind: str) -> bool:
    """Whether every object of a kind stands for a driver, with its own name."""
    found = _BY_KIND.get((group, kind))
    return found is not None and not found.is_labelled


def delivery_of_object(value: JsonMap) -> Delivery | None:
    """Return the delivery whose drivers such an object stands for, if it stands for one."""
    group, _, version = str(value.get("apiVersion", "")).rpartition("/")
    found = _BY_KIND.get((group if version else "", str(value.get("kind", ""))))
    return None if found is None or (found.is_labelled and not driver_label(value)) else found


def is_at_boot(value: JsonMap) -> bool:
    """Whether an object stands for a driver that nodes load at boot."""
    found = delivery_of_object(value)
    return found is not None and found.is_on is not None


def driver_of(value: JsonMap) -> str:
    """Return the driver that an object stands for in its cluster, which is unloaded when it leaves; else nothing."""
    delivery = delivery_of_object(value)
    if delivery is None:
        return ""
    return driver_label(value) if delivery.is_labelled else str(metadata_of(value).get("name", ""))


def place_of(value: JsonMap) -> str:
    """Return the pool or namespace for which an object stands for a driver; empty where it is the whole cluster.

    Attached objects have what their author wrote: what is no name is no place, and reaches no index.
    """
    delivery = delivery_of_object(value)
    place = "" if delivery is None else delivery.place(value)
    return place if _NAME.fullmatch(place) else ""


def as_modules(manifests: Iterable[Manifest], known: dict[tuple[Manifest, ...], Manifest | None]) -> Iterator[Manifest]:
    """Yield the Module by which nodes are reckoned for each driver among the objects of a cluster.

    `known` keeps those that were made: clusters share objects.
    """
    found: dict[tuple[str, str, str], list[Manifest]] = {}
    for manifest in manifests:
        if driver := driver_of(manifest.value):
            found.setdefault((manifest.identity.kind, manifest.identity.namespace, driver), []).append(manifest)
    for items in found.values():
        key = tuple(items)
        if key not in known:
            delivery = delivery_of_object(items[0].value)
            assert delivery is not None
            known[key] = delivery.as_module(items)
        if (module := known[key]) is not None:
            yield module


def driver_label(value: JsonMap) -> str:
    """Return the driver that an object names in its label."""
    return str(as_map(metadata_of(value).get("labels")).get(DRIVER_LABEL, ""))


def loads_something(manifest: Manifest) -> bool:
    """Whether an object loads a driver, and does not only run what belongs to one."""
    delivery = delivery_of_object(manifest.value)
    return delivery is not None and delivery.loads(manifest.value)
