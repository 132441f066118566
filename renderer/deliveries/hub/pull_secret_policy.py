"""The Policy that copies a pull secret from the hub to the spokes, and the Placement that says to which.

The value is filled in on the hub, by a hub template; git holds its name only. A Placement sees the clusters of the sets
that its namespace is bound to: `global` is the set of all. Source: Red Hat Advanced Cluster Management, Governance
(hub cluster templates); open-cluster-management.io, Placement.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.deliveries.hub.manifest_works import NAME
from kmodgate.renderer.deliveries.kmm import objects as kmm
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.fleet.targets.targets import Variant
from kmodgate.renderer.manifests import argo, service_accounts
from kmodgate.renderer.manifests.manifest import Manifest

_POLICY = "policy.open-cluster-management.io"
_CLUSTER = "cluster.open-cluster-management.io"
_SET = "global"


def manifests(variant: Variant, selector: dict[str, str], namespace: str) -> Iterator[Manifest]:
    """The objects, in the namespace in which the hub has the pull secret."""
    name, secret = NAME.format(variant.driver.name), str(variant.spec["imageRepoSecret"])
    binding = _object(f"{_CLUSTER}/v1beta2", "ManagedClusterSetBinding", _SET, namespace)
    yield _made(variant, {**binding, "spec": {"clusterSet": _SET}}, shareable=True)
    placement = _object(f"{_CLUSTER}/v1beta1", "Placement", name, namespace)
    yield _made(variant, {**placement, "spec": _placement(selector)})
    policy = _object(f"{_POLICY}/v1", "Policy", name, namespace)
    template = _configuration(name, secret, namespace, variant.namespace)
    spec: JsonMap = {
        "disabled": False,
        "remediationAction": "enforce",
        "policy-templates": [{"objectDefinition": template}],
    }
    yield _made(variant, {**policy, "spec": spec})
    yield _made(
        variant,
        {
            **_object(f"{_POLICY}/v1", "PlacementBinding", name, namespace),
            "placementRef": {"apiGroup": _CLUSTER, "kind": "Placement", "name": name},
            "subjects": [{"apiGroup": _POLICY, "kind": "Policy", "name": name}],
        },
    )


def _placement(selector: dict[str, str]) -> JsonMap:
    """A spoke that does not answer for a while keeps its Secret."""
    chosen: Json = [{"requiredClusterSelector": {"labelSelector": {"matchLabels": {**selector}}}}]
    return {
        **({"predicates": chosen} if selector else {}),
        "tolerations": [
            {"key": f"{_CLUSTER}/unreachable", "operator": "Exists"},
            {"key": f"{_CLUSTER}/unavailable", "operator": "Exists"},
        ],
    }


def _configuration(name: str, secret: str, hub: str, spoke: str) -> JsonMap:
    """The Secret as it has to be on each spoke; it stays when the Policy goes, since unloading needs it."""
    value = f'{{{{hub fromSecret "{hub}" "{secret}" ".dockerconfigjson" hub}}}}'
    definition: JsonMap = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret, "namespace": spoke},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": value},
    }
    return {
        "apiVersion": f"{_POLICY}/v1",
        "kind": "ConfigurationPolicy",
        "metadata": {"name": name},
        "spec": {
            "remediationAction": "enforce",
            "severity": "high",
            "pruneObjectBehavior": "None",
            "object-templates": [{"complianceType": "musthave", "objectDefinition": definition}],
        },
    }


def _object(api_version: str, kind: str, name: str, namespace: str) -> JsonMap:
    metadata: JsonMap = {
        "name": name,
        "namespace": namespace,
        "labels": {**service_accounts.MANAGED_BY},
        "annotations": argo.sync_annotations(kind),
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _made(variant: Variant, value: JsonMap, *, shareable: bool = False) -> Manifest:
    trace = kmm.ObjectTrace(variant, str(value["kind"]), ("hub", "copyPullSecret"))
    return kmm.manifest(variant, value, trace, shareable=shareable)
