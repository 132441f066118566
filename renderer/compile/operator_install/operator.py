"""KMM's operator as the catalogs have it: names, namespaces and defaults, by flavour and platform.

Sources: docs/mkdocs/documentation/{install,hub_spoke,configure}.md, config/default, config/default-hub and bundle/ of
kubernetes-sigs/kernel-module-management and rh-ecosystem-edge/kernel-module-management; the bundles of upstream in
k8s-operatorhub/community-operators (channel alpha); deploy/chart of operator-framework/operator-lifecycle-manager.
"""

from __future__ import annotations

from kmodgate.policy.cluster.controllers import HUB_PACKAGE, PACKAGE
from kmodgate.policy.config import Platform
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.kmm.operator_config import CONFIG_MAPS
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.fleet.specs import Cluster, Flavour, Install, Kmm

UPSTREAM_SOURCE = "operatorhubio-catalog"
UPSTREAM_INDEX = "quay.io/operatorhubio/catalog"
"""The CatalogSource that has upstream KMM, and its image, which OLM brings; OpenShift's own catalogs have others."""

GLOBAL_NAMESPACES = ("operators", "openshift-operators")
"""The namespaces of OLM for operators of all namespaces. Each has an OperatorGroup, and a second one stops them all."""

GLOBAL_GROUP = "global-operators"
"""The OperatorGroup that OLM makes in such a namespace."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One of the two operators on a cluster: KMM itself, or the hub's."""

    package: str
    namespace: str
    csv: str
    deployments: tuple[str, ...]

    @property
    def is_hub(self) -> bool:
        return self.package == HUB_PACKAGE

    @property
    def config_map(self) -> str:
        return CONFIG_MAPS[self.is_hub]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Where OLM finds a package; an empty source is one that nobody has named."""

    channel: str
    source: str
    namespace: str


def catalog(cluster: Cluster, kmm: Kmm, install: Install) -> Catalog:
    """Return the catalog that the spec names, or else the one that has the flavour on the platform."""
    is_redhat, is_openshift = kmm.flavour == "redhat", cluster.platform == "openshift"
    usual = "redhat-operators" if is_redhat else "" if is_openshift else UPSTREAM_SOURCE
    return Catalog(
        install.channel or ("stable" if is_redhat else "alpha"),
        install.source or usual,
        install.source_namespace or ("openshift-marketplace" if is_openshift else "olm"),
    )


def operator(cluster: Cluster, *, is_hub: bool) -> Operator:
    """Return the operator of a cluster with KMM; `csv` is empty where it is not installed by OLM.

    `spec.kmm.namespace` of a hub is that of the hub's operator.
    """
    kmm = cluster.kmm
    assert kmm is not None
    package = HUB_PACKAGE if is_hub else PACKAGE
    version = kmm.install.csv.rpartition(".v")[2] if kmm.install else ""
    own = kmm.namespace if is_hub is cluster.is_hub else ""
    namespace = own or usual_namespace(cluster, is_hub=is_hub)
    return Operator(package, namespace, f"{package}.v{version}" if version else "", _deployments(cluster, is_hub))


def usual_namespace(cluster: Cluster, *, is_hub: bool) -> str:
    """The namespace of the operator where the spec names none."""
    kmm = cluster.kmm
    by_olm = kmm is not None and kmm.install is not None and not kmm.install.kustomize
    return namespace_of(kmm.flavour if kmm else "upstream", cluster.platform, by_olm=by_olm, is_hub=is_hub)


def namespace_of(flavour: Flavour, platform: Platform, *, by_olm: bool, is_hub: bool) -> str:
    """The usual namespace of an operator that is installed in this way."""
    if flavour == "redhat":
        return "openshift-kmm-hub" if is_hub else "openshift-kmm"
    return "operators" if by_olm and not is_hub and platform == "kubernetes" else "kmm-operator-system"


def _deployments(cluster: Cluster, is_hub: bool) -> tuple[str, ...]:
    prefix = "kmm-operator-hub" if is_hub else "kmm-operator"
    release = cluster.release or Release()
    if not release.has("2.1"):  # whose manager serves the webhook itself
        return (f"{prefix}-controller" if release.has("2.0") else f"{prefix}-controller-manager",)
    return f"{prefix}-controller", f"{prefix}-webhook" if release.has("2.4") else f"{prefix}-webhook-server"
