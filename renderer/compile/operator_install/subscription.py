"""What the Operator Lifecycle Manager installs the operator from, and the operator's own ConfigMap.

Sources: docs/mkdocs/documentation/{install,hub_spoke,configure}.md of Kernel Module Management; operator-framework/api,
pkg/operators (OperatorGroup v1, Subscription v1alpha1).
"""

from __future__ import annotations

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.policy.kmm.nodes.node_selection import CORDON
from kmodgate.policy.kmm.operator_config import key_in_config_map
from kmodgate.policy.kmm.versions import Release
from kmodgate.renderer.compile.operator_install.operator import (
    GLOBAL_GROUP,
    GLOBAL_NAMESPACES,
    Catalog,
    Operator,
)
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.emit_yaml import Quoted, emit
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY

TOLERATES_CORDONS: JsonMap = {"key": CORDON, "operator": "Exists", "effect": "NoSchedule"}
"""The toleration of a cordoned node: an operator that has it stays where it has to unload and load."""

MONITORED = "openshift.io/cluster-monitoring"
"""The label of a namespace whose rules OpenShift's own Prometheus evaluates."""


def namespace(operator: Operator, *, is_monitored: bool) -> JsonMap:
    """The namespace of the operator; one of OLM's own is never removed."""
    labels: JsonMap = {**MANAGED_BY, **({MONITORED: Quoted("true")} if is_monitored else {})}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": operator.namespace,
            "labels": labels,
            "annotations": argo.sync_annotations("Namespace", _removal(operator)),
        },
    }


def operator_group(operator: Operator) -> JsonMap:
    """The OperatorGroup for all namespaces, which names none; in a namespace of OLM's own the one that is there."""
    is_global = operator.namespace in GLOBAL_NAMESPACES
    return {
        "apiVersion": "operators.coreos.com/v1",
        "kind": "OperatorGroup",
        "metadata": {
            "name": GLOBAL_GROUP if is_global else operator.package,
            "namespace": operator.namespace,
            "labels": dict(MANAGED_BY),
            "annotations": argo.sync_annotations("OperatorGroup", _removal(operator)),
        },
        "spec": {"upgradeStrategy": "Default"},  # the API server's default, which Argo CD would see as drift
    }


def subscription(operator: Operator, catalog: Catalog, tolerations: list[Json], *, is_spoke: bool) -> JsonMap:
    """The Subscription, by which nothing is installed or upgraded without approval."""
    config: JsonMap = {}
    if tolerations:
        config["tolerations"] = tolerations
    if is_spoke:
        config["env"] = [{"name": "KMM_MANAGED", "value": Quoted("1")}]
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "Subscription",
        "metadata": {
            "name": operator.package,
            "namespace": operator.namespace,
            "labels": dict(MANAGED_BY),
            "annotations": argo.sync_annotations("Subscription", argo.ASK_BEFORE_REMOVAL),
        },
        "spec": {
            "channel": catalog.channel,
            "installPlanApproval": "Manual",
            "name": operator.package,
            "source": catalog.source,
            "sourceNamespace": catalog.namespace,
            "startingCSV": operator.csv,
            **({"config": config} if config else {}),
        },
    }


def manager_config(operator: Operator, config: JsonMap, release: Release) -> JsonMap:
    """The ConfigMap that the operator reads at its start.

    It is applied after the operator: up to 2.3 the bundle brings one of the same name.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": operator.config_map,
            "namespace": operator.namespace,
            "labels": dict(MANAGED_BY),
            "annotations": argo.sync_annotations("ConfigMap"),
        },
        "data": {key_in_config_map(release): emit(config)},
    }


def _removal(operator: Operator) -> str:
    return argo.NEVER_REMOVED if operator.namespace in GLOBAL_NAMESPACES else argo.ASK_BEFORE_REMOVAL
