"""A Cluster's `spec.kmm` → the objects that install, configure and watch the operator, and the files for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kmodgate.policy.cluster.controllers import PACKAGE
from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.compile.operator_install import hooks, subscription
from kmodgate.renderer.compile.operator_install.alerts import prometheus_rule
from kmodgate.renderer.compile.operator_install.contradictions import both_operators, contradictions, in_one_namespace
from kmodgate.renderer.compile.operator_install.kustomization import CONFIG_FILE, brings_config_map, kustomization
from kmodgate.renderer.compile.operator_install.operator import Operator, catalog, operator
from kmodgate.renderer.compile.operator_install.origins import trace
from kmodgate.renderer.deliveries.delivery import DEFAULT
from kmodgate.renderer.fleet.specs import Cluster, Install, JsonMap, Kmm
from kmodgate.renderer.fleet.targets.targets import Target
from kmodgate.renderer.manifests.emit_yaml import emit
from kmodgate.renderer.manifests.handover import HandoverFile, head
from kmodgate.renderer.manifests.manifest import Manifest

FOLDER = "kmm-operator"
"""The folder of the operator, in the tree of a cluster and in its handover."""


def operator_objects(cluster: Cluster, targets: Sequence[Target], findings: list[Finding]) -> Iterator[Manifest]:
    """Yield the objects of the operator; what contradicts itself goes to `findings`, and is not rendered."""
    kmm = cluster.kmm
    if kmm is None:
        return
    found = list(operators(cluster, targets))
    problems = [*contradictions(cluster), *in_one_namespace(cluster, found)]
    findings += problems or both_operators(cluster)
    managed = set(_managed_namespaces(targets))
    for item in found if not problems else ():
        for value in _objects(cluster, kmm, item):
            if value["kind"] != "Namespace" or item.namespace not in managed:
                yield _manifest(cluster, value)


def operators(cluster: Cluster, targets: Iterable[Target]) -> Iterator[Operator]:
    """Yield the operators of a cluster with KMM.

    A hub has the hub's, and KMM itself where the spec names its version or a driver goes to the hub's own nodes.
    """
    install = cluster.kmm.install if cluster.kmm else None
    if cluster.is_hub:
        yield operator(cluster, is_hub=True)
        by_kmm = any(not item.is_absent and item.variant.spec.get("delivery", DEFAULT) == "kmm" for item in targets)
        is_named = install is not None and install.csv.startswith(f"{PACKAGE}.v")
        if install is None or install.kustomize or not (by_kmm or is_named):
            return
    yield operator(cluster, is_hub=False)


def _managed_namespaces(targets: Iterable[Target]) -> Iterator[str]:
    """The namespaces that drivers make, privileged: one of the operator's name is then theirs."""
    for target in targets:
        if not target.is_absent and as_map(target.variant.spec.get("namespace")).get("manage", True):
            yield target.variant.namespace


def _objects(cluster: Cluster, kmm: Kmm, item: Operator) -> Iterator[JsonMap]:
    tolerations = _tolerations(cluster, kmm.install)
    if kmm.install is not None and not kmm.install.kustomize:
        is_monitored = cluster.platform == "openshift" and _has_alerts(cluster, kmm.install)
        yield subscription.namespace(item, is_monitored=is_monitored)
        yield subscription.operator_group(item)
        yield subscription.subscription(
            item, catalog(cluster, kmm, kmm.install), tolerations, is_spoke=_is_spoke(cluster)
        )
        if not kmm.install.is_by_hand:
            yield from hooks.approving_objects(cluster, item, tolerations)
    if kmm.config is not None and not (kmm.install and kmm.install.kustomize):
        yield subscription.manager_config(item, kmm.config, cluster.release or Release())
        if cluster.kubectl_image:
            yield from hooks.restarting_objects(cluster, item, tolerations)
    if kmm.install is not None and _has_alerts(cluster, kmm.install):
        yield prometheus_rule(item)


def _tolerations(cluster: Cluster, install: Install | None) -> list[Json]:
    """What the operator's pods tolerate: by default a cordon, where they run on the nodes that they serve."""
    if install is not None and install.tolerations is not None:
        return install.tolerations
    return usual_tolerations(cluster) if install is not None else []


def usual_tolerations(cluster: Cluster) -> list[Json]:
    """What the pods of an operator tolerate where its spec does not say it."""
    return [dict(subscription.TOLERATES_CORDONS)] if cluster.topology in ("compact", "sno") else []


def _is_spoke(cluster: Cluster) -> bool:
    """Whether KMM leaves building and preflights to a hub, and publishes the kernels of its nodes."""
    return cluster.acm is not None and cluster.acm.role == "spoke"


def _has_alerts(cluster: Cluster, install: Install) -> bool:
    """Whether alerts are wanted; every OpenShift has the Prometheus Operator, and MicroShift has none."""
    has_prometheus = cluster.platform == "openshift" and cluster.topology != "microshift"
    return has_prometheus if install.has_alerts is None else install.has_alerts


def _manifest(cluster: Cluster, value: JsonMap) -> Manifest:
    return Manifest(value, None, cluster.document.file, trace(cluster, value), folder=FOLDER)


# -- without the Operator Lifecycle Manager ---------------------------------------------------------------------------


def operator_handover(cluster: Cluster, targets: Sequence[Target]) -> Iterator[HandoverFile]:
    """Yield the overlay of an operator that kustomize builds; nothing where the spec contradicts itself."""
    kmm = cluster.kmm
    if kmm is None or kmm.install is None or not kmm.install.kustomize or any(contradictions(cluster)):
        return
    release = cluster.release or Release()
    for item in operators(cluster, targets):
        config = kmm.config and subscription.manager_config(item, kmm.config, release)
        tolerations = _tolerations(cluster, kmm.install)
        is_spoke = _is_spoke(cluster)
        overlay = kustomization(item, kmm.install.kustomize, config or None, tolerations, release, is_spoke=is_spoke)
        use = "cert-manager first; then kubectl apply -k on this folder, or an Application of its own over it."
        yield _file(cluster, "kustomization.yaml", use, overlay)
        if config and not brings_config_map(release):
            yield _file(cluster, CONFIG_FILE, "A resource of the kustomization beside it.", config)


def _file(cluster: Cluster, name: str, use: str, value: JsonMap) -> HandoverFile:
    text = head(cluster.document.file, use) + emit(value)
    return HandoverFile(FOLDER, name, text, _manifest(cluster, value))


def installs(cluster: Cluster) -> bool:
    """Whether the specs install the operator, so that its kinds may be missing when a sync begins."""
    return cluster.kmm is not None and cluster.kmm.install is not None
