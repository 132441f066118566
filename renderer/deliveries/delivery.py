"""The deliveries by their names. A new one is a file beside this one and a row in the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.config import Platform
from kmodgate.policy.findings import Problem
from kmodgate.policy.kmm.versions import Release, unsupported
from kmodgate.policy.views.module import ModuleView
from kmodgate.renderer.deliveries import kmm
from kmodgate.renderer.fleet.referenced_files import Sources
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.fleet.targets import Variant
from kmodgate.renderer.manifests.manifest import Identity, Manifest

DEFAULT = "kmm"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One way in which a driver reaches the nodes.

    `group` and `kind` are those of the object that stands for the driver in a cluster: when it leaves, the driver is
    unloaded. `manifests` makes the objects of a driver, that one last, in the `dialect` of a release of KMM. `loads` is
    whether the object loads something, `certificates` the Secrets that it names as certificates to sign with, and
    `unsupported` the fields of it that a release of KMM does not know or ignores. `needs_kmm`: a cluster without KMM
    cannot have such a driver.
    """

    group: str
    kind: str
    manifests: Callable[[Variant, Sources, Platform, str], list[Manifest]]
    loads: Callable[[JsonMap], bool]
    certificates: Callable[[JsonMap], set[str]]
    unsupported: Callable[[JsonMap, Release], Iterator[Problem]]
    dialect: Callable[[Release], str] = lambda _: ""
    needs_kmm: bool = False


def _certificates(module: JsonMap) -> set[str]:
    return {sign.map("certSecret").text("name") for sign in ModuleView(module).signs} - {""}


DELIVERIES = {
    "kmm": Delivery(
        "kmm.sigs.x-k8s.io",
        "Module",
        kmm.manifests,
        lambda module: "moduleLoader" in as_map(module.get("spec")),
        _certificates,
        unsupported,
        kmm.dialect,
        needs_kmm=True,
    )
}
"""By the name that `spec.delivery` has."""


def delivery_of(variant: Variant) -> Delivery:
    """Return the delivery of a driver."""
    return DELIVERIES[str(variant.spec.get("delivery", DEFAULT))]


def delivery_by_kind(group: str, kind: str) -> Delivery | None:
    """Return the delivery whose drivers objects of this kind stand for, if there is one."""
    return next((item for item in DELIVERIES.values() if (item.group, item.kind) == (group, kind)), None)


def is_driver(identity: Identity) -> bool:
    """Whether an object stands for a driver in its cluster, which is unloaded when the object leaves."""
    return delivery_by_kind(identity.group, identity.kind) is not None


def loads_something(manifest: Manifest) -> bool:
    """Whether an object loads a driver, and does not only run what belongs to one."""
    delivery = delivery_by_kind(manifest.identity.group, manifest.identity.kind)
    return delivery is not None and delivery.loads(manifest.value)
