"""What of `spec.kmm` of a Cluster cannot be installed or configured, each with its field and what to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kmodgate.policy.cluster.controllers import HUB_PACKAGE, PACKAGE
from kmodgate.policy.findings import FieldPath, Finding, Mode, Severity
from kmodgate.policy.kmm.operator_config import unknown_keys, wrong_values
from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.lazy import lazy_regex
from kmodgate.renderer.compile.operator_install.operator import (
    UPSTREAM_INDEX,
    UPSTREAM_SOURCE,
    Operator,
    catalog,
    usual_namespace,
)
from kmodgate.renderer.fleet.clusters.read_operator import version_of
from kmodgate.renderer.fleet.schema_check import finding_at
from kmodgate.renderer.fleet.specs import Cluster, Install, Kmm

_KMM: FieldPath = ("spec", "kmm")
_INSTALL: FieldPath = (*_KMM, "install")
_FOLDER = lazy_regex(r"[^?]*/config/(?P<name>[^/?]+?)(?P<hub>-hub)?/*(\?.*)?")
"""A folder of KMM's repository that kustomize builds an operator from; those of a hub's end so."""

_BUILDS_SINCE = "2.2"
"""The first line of KMM whose folders kustomize 5 builds; tried with kubectl 1.36."""

_OF_OLM = ("csv", "channel", "source", "sourceNamespace", "approve")


def contradictions(cluster: Cluster) -> Iterator[Finding]:
    """Report the fields that contradict each other, or that miss another one."""
    kmm = cluster.kmm
    if kmm is None:
        return
    if kmm.install is not None:
        yield from _installing(cluster, kmm, kmm.install)
    if kmm.config is not None:
        yield from _configuring(cluster, kmm)


def _installing(cluster: Cluster, kmm: Kmm, install: Install) -> Iterator[Finding]:
    if kmm.flavour == "redhat" and cluster.platform != "openshift":
        fix = "flavour: upstream, or platform: openshift"
        yield _finding(cluster, _INSTALL, "SCH104", "Red Hat's build of KMM installs on OpenShift only", fix)
    if install.kustomize:
        yield from _by_kustomize(cluster, install)
    elif not install.csv:
        fix = f"pin a version: csv: {PACKAGE}.v2.6.0, or kustomize: a folder at a commit"
        yield _finding(cluster, _INSTALL, "SCH103", "says neither csv nor kustomize", fix)
    else:
        yield from _by_olm(cluster, kmm, install)


def _by_kustomize(cluster: Cluster, install: Install) -> Iterator[Finding]:
    for key in _OF_OLM:
        if cluster.document.has((*_INSTALL, key)):
            message = f"{key} is for the Operator Lifecycle Manager, which kustomize does without"
            yield _finding(cluster, (*_INSTALL, key), "SCH104", message, f"remove {key}, or kustomize")
    yield from _other_folder(cluster, install)
    if cluster.release is not None and not cluster.release.has(_BUILDS_SINCE):
        message = f"kustomize 5 does not build the folder of {cluster.release}: it knows a field there no more"
        fix = f"install KMM {_BUILDS_SINCE} or newer, or leave kustomize out"
        yield _finding(cluster, (*_INSTALL, "kustomize"), "SCH104", message, fix)
    wanted = usual_namespace(cluster, is_hub=cluster.is_hub)
    if cluster.kmm is not None and cluster.kmm.namespace not in ("", wanted):
        message = f"KMM's folder for kustomize installs into {wanted}, whose name is in its certificates"
        yield _finding(cluster, (*_KMM, "namespace"), "SCH104", message, f"remove it, or write namespace: {wanted}")


def _other_folder(cluster: Cluster, install: Install) -> Iterator[Finding]:
    """Report the folder of the other operator; one that is not below `config` is somebody's own, and may be either."""
    found = _FOLDER.fullmatch(install.kustomize)
    if found is None or (found["hub"] is not None) is cluster.is_hub:
        return
    name = found["name"] + (found["hub"] or "")
    if cluster.is_hub:
        message, fix = f"config/{name} is KMM itself, without the operator of a hub", f"write config/{name}-hub"
    else:
        message, fix = (
            f"config/{name} is the operator of a hub, which this cluster is not",
            f"write config/{found['name']}",
        )
    yield _finding(cluster, (*_INSTALL, "kustomize"), "SCH104", message, fix)


def _by_olm(cluster: Cluster, kmm: Kmm, install: Install) -> Iterator[Finding]:
    package, mark, _ = install.csv.rpartition(".v")
    version = version_of(install.csv)
    path = (*_INSTALL, "csv")
    if package not in (PACKAGE, HUB_PACKAGE) or not mark or not version:
        message = f"{install.csv} is no ClusterServiceVersion of KMM with a version"
        yield _finding(cluster, path, "SCH104", message, f"write it like {PACKAGE}.v2.6.0")
        return
    if package == HUB_PACKAGE and not cluster.is_hub:
        message = f"{install.csv} is the operator of a hub, which this cluster is not"
        yield _finding(cluster, path, "SCH104", message, f"write {PACKAGE}.v{version}")
    if not _agree(kmm, version):
        message = f"installs {version}, and spec.kmm.version says {kmm.version}"
        yield _finding(cluster, path, "SCH104", message, "let the two agree, or leave spec.kmm.version out")
    if not catalog(cluster, kmm, install).source:
        message = "upstream KMM is in none of the catalogs that every OpenShift has"
        fix = f"make a CatalogSource of {UPSTREAM_INDEX}, and name it: source: {UPSTREAM_SOURCE}"
        yield _finding(cluster, _INSTALL, "SCH103", message, fix)
    is_named = cluster.document.has(("spec", "tools", "kubectl"))  # an empty name is an error of its own
    if not install.is_by_hand and not cluster.kubectl_image and not is_named:
        message = "the Job that approves the InstallPlan needs an image with sh and kubectl"
        fix = "name it: spec.tools.kubectl: IMAGE; or leave it to a person: approve: byHand"
        yield _finding(cluster, _INSTALL, "SCH103", message, fix)


def _agree(kmm: Kmm, version: str) -> bool:
    """Whether the version that the spec says is the one that is installed, or its line; head is what it is."""
    return kmm.version in ("", "head", version) or version.startswith(f"{kmm.version}.")


def _configuring(cluster: Cluster, kmm: Kmm) -> Iterator[Finding]:
    release = cluster.release or Release()
    for path, fix in unknown_keys(kmm.config, release):
        ends = f"{release} does not know it, and drops the whole configuration because of it"
        yield _finding(cluster, (*_KMM, "config", *path), "SCH106", ends, fix, at_key=True)
    for path, expected in wrong_values(kmm.config):
        yield _finding(
            cluster, (*_KMM, "config", *path), "SCH104", "is a value that KMM cannot read", f"write {expected}"
        )
    if not kmm.config:
        message, fix = "is empty, which KMM cannot decode", "write a setting, or leave it out for the defaults"
        yield _finding(cluster, (*_KMM, "config"), "SCH104", message, fix)
    if kmm.install is None and not kmm.namespace and kmm.flavour == "upstream":
        message = "belongs into the namespace of the operator, which differs by how it was installed"
        yield _finding(cluster, (*_KMM, "config"), "SCH103", message, "name it: spec.kmm.namespace")


def both_operators(cluster: Cluster) -> Iterator[Finding]:
    """Tell that a hub gets two operators where `csv` names KMM itself."""
    install = cluster.kmm.install if cluster.kmm else None
    package, _, version = install.csv.rpartition(".v") if install else ("", "", "")
    if cluster.is_hub and package == PACKAGE:
        message = (
            f"installs {HUB_PACKAGE}.v{version}, too, which makes the cluster a hub; KMM itself is for its own nodes"
        )
        fix = f"write {HUB_PACKAGE}.v{version}, unless something else than drivers of the fleet is loaded on the hub"
        finding = _finding(cluster, (*_INSTALL, "csv"), "SCH104", message, fix)
        yield replace(finding, severity=Severity.WARNING, mode=Mode.WARN)


def in_one_namespace(cluster: Cluster, operators: Sequence[Operator]) -> Iterator[Finding]:
    """Report operators that share a namespace: OLM puts both into one InstallPlan, and takes one OperatorGroup only."""
    if (
        cluster.kmm is not None
        and cluster.kmm.install is not None
        and len({item.namespace for item in operators}) < len(operators)
    ):
        message = f"the hub's operator and KMM itself would both be installed into {operators[0].namespace}"
        fix = "give the hub's a namespace of its own: spec.kmm.namespace"
        yield _finding(cluster, _KMM, "SCH104", message, fix)


def _finding(cluster: Cluster, path: FieldPath, rule: str, message: str, fix: str, *, at_key: bool = False) -> Finding:
    return finding_at(cluster.document, path, rule, message, fix, at_key=at_key)
