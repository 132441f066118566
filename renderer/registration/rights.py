"""What the webhook may do in a cluster: read what its rules ask for, by name where it is secret, and nothing else.

Source: Kubernetes, Using RBAC Authorization: `list` and `watch` of Secrets give away their content, and `create` cannot
be limited by name. So the Secret of the webhook's own certificate is made beforehand, and is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kmodgate.policy.config import WITH_SCC, Platform
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.manifests import argo
from kmodgate.renderer.manifests.service_accounts import MANAGED_BY, service_account
from kmodgate.renderer.registration import configurations

NAME = "kmodgate-webhook"
"""The name of its roles and their bindings."""

CERTIFICATE = f"{NAME}-tls"
"""The Secret in which replicas share the webhook's own certificate."""

OVERRIDE = "kmodgate-override"

_GROUP = "rbac.authorization.k8s.io"
_WATCHED = ("get", "list", "watch")

_OWNERS = {
    "": ("replicationcontrollers",),
    "apps": ("deployments", "replicasets", "statefulsets"),
    "batch": ("cronjobs", "jobs"),
}
"""What pods, ReplicaSets and Jobs belong to, by group, beside DaemonSets: they are looked up by name."""


def objects(
    account: str,
    own: str,
    certificates: Mapping[str, tuple[str, ...]],
    *,
    platform: Platform = "kubernetes",
    reads_machine_configs: bool = False,
) -> list[JsonMap]:
    """ServiceAccount, Secret, roles and bindings.

    `account` is that of the webhook's pods in the namespace `own`; `certificates` are the names of the Secrets with the
    certificates of signed drivers, by namespace.
    """
    return [
        service_account(account, own),
        _object("v1", "Secret", CERTIFICATE, own, {"type": "Opaque"}),
        *_granted("ClusterRole", NAME, "", _cluster_rules(platform, reads_machine_configs), account, own),
        *_granted("Role", NAME, own, [_rule("", "secrets", ("get", "update"), (CERTIFICATE,))], account, own),
        *(
            item
            for namespace, names in sorted(certificates.items())
            for item in _granted(
                "Role", f"{NAME}-certificates", namespace, [_rule("", "secrets", ("get",), names)], account, own
            )
        ),
        _role("ClusterRole", OVERRIDE, "", [_rule(configurations.DOMAIN, "namespaces", ("override",))]),
    ]


def _cluster_rules(platform: Platform, reads_machine_configs: bool) -> list[JsonMap]:
    rules = list(_usual_rules(platform))
    if reads_machine_configs and platform in WITH_SCC:
        rules.append(_rule("machineconfiguration.openshift.io", "machineconfigs", ("list",)))
    return rules


def _usual_rules(platform: Platform) -> Iterator[JsonMap]:
    yield _rule("", "namespaces", _WATCHED)
    yield _rule("", "nodes", _WATCHED)
    yield _rule("", "events", ("create",))
    yield _rule("kmm.sigs.x-k8s.io", "modules", _WATCHED)
    yield _rule("kmm.sigs.x-k8s.io", "nodemodulesconfigs", _WATCHED)
    yield _rule("hub.kmm.sigs.x-k8s.io", "managedclustermodules", _WATCHED)
    yield _rule("node.k8s.io", "runtimeclasses", _WATCHED)
    yield _rule("apps", "daemonsets", _WATCHED)
    for group, resources in _OWNERS.items():
        for resource in resources:
            yield _rule(group, resource, ("get",))
    yield _rule("authorization.k8s.io", "subjectaccessreviews", ("create",))
    for resource in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        yield _rule("admissionregistration.k8s.io", resource, ("get", "patch"), (configurations.NAME,))
    if platform in WITH_SCC:
        for resource in ("clusterrolebindings", "clusterroles", "rolebindings", "roles"):
            yield _rule(_GROUP, resource, ("list",))
        yield _rule("security.openshift.io", "securitycontextconstraints", ("list",))


def _granted(
    kind: str, name: str, namespace: str, rules: list[JsonMap], account: str, own: str
) -> tuple[JsonMap, JsonMap]:
    """A role, and its binding to the webhook's account."""
    binding = _object(
        f"{_GROUP}/v1",
        f"{kind}Binding",
        name,
        namespace,
        {
            "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": own}],
        },
    )
    return _role(kind, name, namespace, rules), binding


def _role(kind: str, name: str, namespace: str, rules: list[JsonMap]) -> JsonMap:
    return _object(f"{_GROUP}/v1", kind, name, namespace, {"rules": list(rules)})


def _rule(group: str, resource: str, verbs: tuple[str, ...], names: tuple[str, ...] = ()) -> JsonMap:
    rule: JsonMap = {"apiGroups": [group], "resources": [resource]}
    if names:
        rule["resourceNames"] = list(names)
    return {**rule, "verbs": list(verbs)}


def _object(version: str, kind: str, name: str, namespace: str, body: JsonMap) -> JsonMap:
    metadata: JsonMap = {"name": name, **({"namespace": namespace} if namespace else {})}
    metadata |= {"labels": dict(MANAGED_BY), "annotations": argo.sync_annotations(kind)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
