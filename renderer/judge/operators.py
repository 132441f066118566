"""KMM's operator on a cluster: one that leaves while something needs it, and one that somebody else has installed.

Sources: docs/mkdocs/documentation/uninstall.md and the finalizers in internal/controllers of Kernel Module Management;
pkg/controller/operators/decorators of operator-framework/operator-lifecycle-manager (component labels); Helm,
pkg/action/validate.go (annotations of what a release owns).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from kmodgate.policy.cluster.controllers import HUB_PACKAGE, PACKAGE, controllers_in
from kmodgate.policy.cluster.dump import Dump
from kmodgate.policy.cluster.facts import as_map, metadata_of, node_entries
from kmodgate.policy.findings import Finding
from kmodgate.policy.kmm.kinds import MODULE_KINDS
from kmodgate.policy.kmm.misnamed_kinds import KMM_GROUPS
from kmodgate.renderer.compile.cluster_policies import Policies
from kmodgate.renderer.compile.compiler import CompiledFleet
from kmodgate.renderer.compile.operator_install.install import installs, operators
from kmodgate.renderer.compile.operator_install.operator import Operator
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster
from kmodgate.renderer.manifests.manifest import Identity, identity_of
from kmodgate.renderer.wording import listed

ELSEWHERE, LEAVES = "OPC201", "OPC202"
_PACKAGES = (PACKAGE, HUB_PACKAGE)
_INSTALLATIONS = ("Subscription", "Kustomization")
_OLM = "operators.coreos.com"
_RELEASE, _RELEASE_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
_DEFINITIONS = ("modules.kmm.sigs.x-k8s.io", "managedclustermodules.hub.kmm.sigs.x-k8s.io")
"""The CustomResourceDefinition that tells whose KMM a cluster has, and whose hub."""


def operator_findings(
    before: CompiledFleet | None, now: CompiledFleet, dumps: Mapping[str, Dump], policies: Policies
) -> Iterator[Finding]:
    """Yield the findings about the operators of all clusters, with the modes that their policies give them."""
    for cluster in now.fleet.clusters:
        dump = dumps.get(cluster.name)
        found = [*_leaving(cluster, before, now, dump), *(_elsewhere(cluster, now, dump) if dump else ())]
        for finding in found:
            mode = policies.policy(cluster.name).mode(finding.rule, finding.severity)
            yield replace(finding, mode=mode, clusters=(cluster.name,))


# -- an operator that leaves ------------------------------------------------------------------------------------------


def _leaving(
    cluster: Cluster, before: CompiledFleet | None, now: CompiledFleet, dump: Dump | None
) -> Iterator[Finding]:
    """Report an operator that the specs do not install any more while there is something that it has to unload.

    What the commit itself removes counts, too: the operator must be there until the last node has unloaded it. A dump
    that lists Modules and nodes knows whether that is so.
    """
    installed = _installations(now, cluster.name)
    if not _installations(before, cluster.name) - installed:
        return
    if installs(cluster) and not installed:  # an error of the spec keeps it out, and is reported as that
        return
    left = None if dump is None else _in_cluster(dump)
    needing = _modules(now, cluster.name) | (_modules(before, cluster.name) if left is None else left)
    if needing:
        message = f"KMM's operator leaves {cluster.name} while it has to unload {listed(sorted(needing), 3)}"
        path = ("spec", "kmm") if cluster.document.has(("spec", "kmm")) else ("spec",)
        fix = "first remove these and wait until they are gone, and the operator in a later commit (docs/operator.md)"
        yield finding_at(cluster.document, path, LEAVES, message, fix)


def _installations(fleet: CompiledFleet | None, cluster: str) -> set[str]:
    """The packages that the specs install on a cluster, in whatever way."""
    return {item.name for item in _objects(fleet, cluster) if item.kind in _INSTALLATIONS and item.name in _PACKAGES}


def _modules(fleet: CompiledFleet | None, cluster: str) -> set[str]:
    return {str(item) for item in _objects(fleet, cluster) if item.group in KMM_GROUPS}


def _objects(fleet: CompiledFleet | None, cluster: str) -> list[Identity]:
    return [*fleet.objects(cluster), *fleet.handed_over(cluster)] if fleet else []


def _in_cluster(dump: Dump) -> set[str] | None:
    """The Modules and loaded drivers of a dump; None where it does not list all of them."""
    if not {"Module", "NodeModulesConfig"} <= dump.complete:
        return None
    found = {str(identity_of(item)) for item in dump.objects if item.get("kind") in MODULE_KINDS}
    configs = (item for item in dump.objects if item.get("kind") == "NodeModulesConfig")
    entries = (entry for item in configs for entry in node_entries(item))
    return found | {f"{entry.name} on node {entry.node}" for entry in entries}


# -- an operator of somebody else -------------------------------------------------------------------------------------


def _elsewhere(cluster: Cluster, now: CompiledFleet, dump: Dump) -> Iterator[Finding]:
    """Report that the cluster has a KMM that the specs do not know of: two of them fight about the same objects."""
    if not installs(cluster):
        return
    targets = [target for target in now.targets if target.cluster is cluster]
    for item in operators(cluster, targets):
        owners = sorted({owner for value in dump.objects for owner in _other_owners(value, item)})
        if owners:
            message = f"{cluster.name} has KMM from another installation: {listed(owners, 3)}"
            fix = "remove that one first, or take spec.kmm.install away and say where it is: spec.kmm.namespace"
            yield finding_at(cluster.document, ("spec", "kmm", "install"), ELSEWHERE, message, fix)


def _other_owners(value: Mapping[str, Any], operator: Operator) -> Iterator[str]:
    """Who else has installed what an object shows."""
    metadata, kind = metadata_of(value), value.get("kind")
    place = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    if kind == "Subscription" and str(value.get("apiVersion", "")).startswith(f"{_OLM}/"):
        is_ours = place == f"{operator.namespace}/{operator.package}"
        if as_map(value.get("spec")).get("name") == operator.package and not is_ours:
            yield f"Subscription {place}"
    elif kind == "CustomResourceDefinition" and metadata.get("name") == _DEFINITIONS[operator.is_hub]:
        yield from _owners_of_definition(metadata, operator)
    elif kind == "Deployment" and metadata.get("namespace") != operator.namespace:
        accounts = controllers_in([value])
        if accounts and any("hub" in account for account in accounts) is operator.is_hub:
            yield f"Deployment {place}"


def _owners_of_definition(metadata: Mapping[str, Any], operator: Operator) -> Iterator[str]:
    labels, annotations = as_map(metadata.get("labels")), as_map(metadata.get("annotations"))
    release = annotations.get(_RELEASE)
    if release or labels.get("app.kubernetes.io/managed-by") == "Helm" or "helm.sh/chart" in labels:
        name = f"{annotations.get(_RELEASE_NAMESPACE, '?')}/{release}" if release else labels.get("helm.sh/chart", "")
        amd = " (AMD's GPU Operator brings a KMM of its own)" if "gpu-operator" in f"{name}{labels}" else ""
        yield f"Helm release {name or 'without a name'}{amd}"
    for label in labels:
        package, _, namespace = str(label).removeprefix(f"{_OLM}/").partition(".")
        if str(label).startswith(f"{_OLM}/") and (package, namespace) != (operator.package, operator.namespace):
            yield f"package {package} in namespace {namespace}"
