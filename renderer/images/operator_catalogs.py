"""The operator of clusters with the Operator Lifecycle Manager, as oc-mirror takes it: a package of a catalog.

Sources: OpenShift, "Mirroring images for a disconnected installation by using the oc-mirror plugin v2";
api/v2alpha1 of openshift/oc-mirror.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.compile.operator_install.install import operators
from kmodgate.renderer.compile.operator_install.operator import Operator, catalog
from kmodgate.renderer.fleet.specs import Cluster, Install, Kmm

_INDEXES = {
    "redhat-operators": "registry.redhat.io/redhat/redhat-operator-index",
    "certified-operators": "registry.redhat.io/redhat/certified-operator-index",
    "community-operators": "registry.redhat.io/redhat/community-operator-index",
}
"""CatalogSource of OpenShift → the image of its catalog, whose tag is the version of OpenShift."""

_NO_CATALOG = "spec.kmm.install.source, since no catalog of OpenShift's own has upstream KMM"

_AHEAD = 13
"""Minor versions by which Kubernetes is ahead of the OpenShift that has it: 1.33 is in 4.20."""

_RELEASE = lazy_regex(r"[0-9]+\.[0-9]+\.[0-9]+")


@dataclass(frozen=True, slots=True)
class OperatorPackage:
    """A package of a catalog in one channel; `version` is empty where any of the channel does."""

    catalog: str
    name: str
    channel: str
    version: str


def operator_packages(
    found: CompiledFleet, clusters: Iterable[Cluster], unknown: dict[str, None]
) -> list[OperatorPackage]:
    """Return the packages of the operators of OpenShift clusters, each once; what is not known goes to `unknown`."""
    packages: dict[OperatorPackage, None] = {}
    for cluster in clusters:
        if cluster.kmm is None:
            continue
        targets = [target for target in found.targets if target.cluster is cluster]
        for item in operators(cluster, targets):
            if package := _package(cluster, cluster.kmm, item, unknown):
                packages[package] = None
    return sorted(packages, key=lambda item: (item.catalog, item.name, item.channel, item.version))


def _package(cluster: Cluster, kmm: Kmm, item: Operator, unknown: dict[str, None]) -> OperatorPackage | None:
    install = kmm.install or Install()
    if cluster.platform != "openshift" or install.kustomize:
        unknown[f"{cluster.name}: the images of KMM's operator, which no catalog of OpenShift brings"] = None
        return None
    place = catalog(cluster, kmm, install)
    minor = cluster.kubernetes.split(".")[1:2]
    if place.source not in _INDEXES or not minor:
        what = "spec.kubernetes.version, and so its OpenShift"
        if minor:
            what = f"the catalog of CatalogSource {place.source}" if place.source else _NO_CATALOG
        unknown[f"{cluster.name}: {what}; KMM's operator is missing"] = None
        return None
    pinned = install.csv.partition(".v")[2] or kmm.version
    version = pinned if _RELEASE.fullmatch(pinned) else ""
    return OperatorPackage(
        f"{_INDEXES[place.source]}:v4.{int(minor[0]) - _AHEAD}", item.package, place.channel, version
    )
