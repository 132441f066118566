"""The Jobs of a sync that approve the pinned InstallPlan and restart the operator, with the rights that they need.

A Subscription whose InstallPlan waits for its first approval is not healthy, and Argo CD waits for it before it goes on
to the next wave: the Job that approves runs in the wave of the Subscription. OLM owns the operator's Deployments, so
that no checksum on their pods can restart them.

Sources: Argo CD, docs/user-guide/resource_hooks.md and sync-waves.md, and its health check of Subscription; Kubernetes,
Pod Security Standards (restricted).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.compile.operator_install.operator import Operator
from kmodgate.renderer.fleet.specs import Cluster, JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.emit_yaml import Quoted
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY, metadata_in, service_account

_OLM = "operators.coreos.com"
_SCRIPTS = Path(__file__).resolve().parent / "scripts"
_APPROVE, _RESTART = 1500, 600
_MARGIN = 60
"""Seconds that a Job gets beyond those of its script, which says what it has waited for."""


def approving_objects(cluster: Cluster, operator: Operator, tolerations: list[Json]) -> Iterator[JsonMap]:
    """Yield the Job that approves the InstallPlan of the pinned version, and its rights in the operator's namespace.

    Names of InstallPlans are not known before: they can be read and changed by name, and not listed.
    """
    name = f"kmodgate-approve-{operator.package}"
    rules: list[Json] = [
        _rule(_OLM, "subscriptions", ["get"], [operator.package]),
        _rule(_OLM, "clusterserviceversions", ["get"], [operator.csv]),
        _rule(_OLM, "installplans", ["get", "patch"]),
    ]
    yield from _rights(name, operator.namespace, rules)
    env = {"NAMESPACE": operator.namespace, "SUBSCRIPTION": operator.package, "CSV": operator.csv}
    yield _job(cluster, name, operator.namespace, "approve_install_plan.sh", env, _APPROVE, tolerations)


def restarting_objects(cluster: Cluster, operator: Operator, tolerations: list[Json]) -> Iterator[JsonMap]:
    """Yield the Job that restarts what is older than the operator's ConfigMap, and its rights in the namespace."""
    name = f"kmodgate-restart-{operator.package}"
    rules: list[Json] = [
        _rule("", "configmaps", ["get"], [operator.config_map]),
        _rule("", "pods", ["list"]),
        _rule("apps", "deployments", ["get", "patch"], list(operator.deployments)),
    ]
    yield from _rights(name, operator.namespace, rules)
    env = {
        "NAMESPACE": operator.namespace,
        "CONFIG_MAP": operator.config_map,
        "DEPLOYMENTS": " ".join(operator.deployments),
    }
    yield _job(cluster, name, operator.namespace, "restart_operator.sh", env, _RESTART, tolerations)


_WAVES = {"approve_install_plan.sh": "-10", "restart_operator.sh": "-4"}
"""Script → the wave of its Job: that of the Subscription, and the one after the operator's ConfigMap."""


def _rule(group: str, resource: str, verbs: list[str], names: list[str] | None = None) -> Json:
    rule: JsonMap = {"apiGroups": [group], "resources": [resource]}
    if names is not None:
        rule["resourceNames"] = list[Json](names)
    return {**rule, "verbs": list[Json](verbs)}


def _rights(name: str, namespace: str, rules: list[Json]) -> Iterator[JsonMap]:
    yield service_account(name, namespace)
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata_in("Role", name, namespace),
        "rules": rules,
    }
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata_in("RoleBinding", name, namespace),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }


def _job(
    cluster: Cluster, name: str, namespace: str, script: str, env: dict[str, str], timeout: int, tolerations: list[Json]
) -> JsonMap:
    """A hook of Argo CD, made anew in every sync; the script finds nothing to do where all is as it should be."""
    annotations: JsonMap = {
        "argocd.argoproj.io/hook": "Sync",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
        argo.SYNC_WAVE: _WAVES[script],
    }
    pod: JsonMap = {
        "serviceAccountName": name,
        "restartPolicy": "Never",
        "securityContext": _pod_security(cluster),
        "containers": [_container(cluster.kubectl_image, script, {**env, "TIMEOUT": str(timeout)})],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    if tolerations:
        pod["tolerations"] = tolerations
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(MANAGED_BY), "annotations": annotations},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": timeout + _MARGIN,
            "template": {"metadata": {"labels": {**MANAGED_BY, "app.kubernetes.io/name": name}}, "spec": pod},
        },
    }


def _pod_security(cluster: Cluster) -> JsonMap:
    """Pod Security's restricted profile; OpenShift gives a user of the namespace, and refuses any other."""
    user: JsonMap = {} if cluster.platform == "openshift" else {"runAsUser": 65534, "runAsGroup": 65534}
    return {"runAsNonRoot": True, **user, "seccompProfile": {"type": "RuntimeDefault"}}


def _container(image: str, script: str, env: dict[str, str]) -> JsonMap:
    text = (_SCRIPTS / script).read_text(encoding="utf-8")
    return {
        "name": "main",
        "image": image,
        "command": ["sh", "-c", text],
        "env": [{"name": key, "value": Quoted(value)} for key, value in {**env, "HOME": "/tmp"}.items()],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
