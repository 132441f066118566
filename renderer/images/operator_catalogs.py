"""The operator of clusters with the Operator Lifecycle Manager, as oc-mirror takes it: a package of a catalog.

Sources: OpenShift, "Mirroring images for a disconnected installation by using the oc-mirror plugin v2";
api/v2alpha1 of openshift/oc-mirror.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kmodgate.renderer.fleet.specs import Cluster

PACKAGE = "kernel-module-management"

_INDEXES = {
    "redhat-operators": "registry.redhat.io/redhat/redhat-operator-index",
    "certified-operators": "registry.redhat.io/redhat/certified-operator-index",
    "community-operators": "registry.redhat.io/redhat/community-operator-index",
}
"""CatalogSource of OpenShift → the image of its catalog, whose tag is the version of OpenShift."""

_AHEAD = 13
"""Minor versions by which Kubernetes is ahead of the OpenShift that has it: 1.33 is in 4.20."""

_RELEASE = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


@dataclass(frozen=True, slots=True)
class OperatorPackage:
    """A package of a catalog in one channel; `version` is empty where any of the channel does."""

    catalog: str
    name: str
    channel: str
    version: str


def operator_packages(clusters: Iterable[Cluster], unknown: dict[str, None]) -> list[OperatorPackage]:
    """Return the packages of the operators of OpenShift clusters, each once; what is not known goes to `unknown`."""
    found: dict[OperatorPackage, None] = {}
    for cluster in clusters:
        if cluster.kmm is None:
            continue
        if cluster.platform != "openshift":
            unknown[f"{cluster.name}: the images of KMM itself, which no catalog of OpenShift brings"] = None
            continue
        source = _source(cluster)
        minor = cluster.kubernetes.split(".")[1:2]
        if source not in _INDEXES or not minor:
            what = (
                f"the catalog of CatalogSource {source}" if minor else "spec.kubernetes.version, and so its OpenShift"
            )
            unknown[f"{cluster.name}: {what}; KMM's operator is missing"] = None
            continue
        catalog = f"{_INDEXES[source]}:v4.{int(minor[0]) - _AHEAD}"
        found[OperatorPackage(catalog, PACKAGE, _channel(cluster), _version(cluster))] = None
    return sorted(found, key=lambda item: (item.catalog, item.name, item.channel, item.version))


def _source(cluster: Cluster) -> str:
    return "redhat-operators" if cluster.kmm is not None and cluster.kmm.flavour == "redhat" else "community-operators"


def _channel(cluster: Cluster) -> str:
    return "stable" if cluster.kmm is not None and cluster.kmm.flavour == "redhat" else "alpha"


def _version(cluster: Cluster) -> str:
    """The one release that the cluster runs, where its spec names one and no line of releases."""
    version = "" if cluster.kmm is None else cluster.kmm.version
    return version if _RELEASE.fullmatch(version) else ""
