"""What `kmodgate webhook-config` writes for a fleet, and which of its entries a request goes to."""

from __future__ import annotations

import subprocess
from typing import Any

import yaml

from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request, called

LABEL = "kmm.node.k8s.io/contains-modules"
OVERRIDE = "kmodgate.io/override"

SIGNED = """\
sign: {unsignedImage: quay.io/acme/plain:1.0, keySecret: key, certSecret: cert, filesToSign: ['/opt/a.ko']}
"""


def policy(fleet: FleetFolder, spec: str) -> None:
    head = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\nspec:\n"
    fleet.write("policies/p.yaml", f"{head}  clusters: {{matchLabels: {{}}}}\n  {spec}\n")


def made(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The objects of a run that must succeed, by kind and name."""
    assert result.returncode == 0, result.stderr
    objects = list(yaml.safe_load_all(result.stdout))
    return {
        "/".join(filter(None, (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]))): item
        for item in objects
    }


def generated(fleet: FleetFolder, *arguments: str) -> dict[str, Any]:
    return made(fleet.run("webhook-config", *arguments))


def validating(objects: dict[str, Any]) -> dict[str, Any]:
    return objects["ValidatingWebhookConfiguration/kmodgate"]


def mutating(objects: dict[str, Any]) -> dict[str, Any]:
    return objects["MutatingWebhookConfiguration/kmodgate"]


def answer(objects: dict[str, Any], request: Request) -> list[tuple[str, str]]:
    """Name and failure policy of the validating entries that a request goes to."""
    return [
        (item["name"].removesuffix(".kmodgate.io"), item["failurePolicy"])
        for item in called(validating(objects), request)
    ]


KMM_GROUP = "kmm.sigs.x-k8s.io"
CONTROLLERS = (
    "system:serviceaccount:kmm-operator-system:kmm-operator-controller",
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
)
MIGRATOR = "system:serviceaccount:openshift-kube-storage-version-migrator:kube-storage-version-migrator-sa"

FINALIZED = {"metadata": {"finalizers": ["kmm.node.kubernetes.io/module-finalizer"]}}
MIGRATED = {"metadata": {"managedFields": [{"manager": "migrator"}], "resourceVersion": "2"}}
OWNED = {"metadata": {"ownerReferences": [{"name": "a"}]}}

COMES_UP = [
    Request("CREATE", "nodes", name="node-1"),
    Request("UPDATE", "nodes/status", name="node-1"),
    Request("UPDATE", "nodes", name="node-1", labels={LABEL: ""}, old={}),
    Request("CREATE", "leases", "coordination.k8s.io", namespace="kube-node-lease"),
    Request("UPDATE", "leases", "coordination.k8s.io", namespace="kube-node-lease", old={}),
    Request("UPDATE", "leases", "coordination.k8s.io", namespace="kmm-tests", old={}),
    Request("CREATE", "certificatesigningrequests", "certificates.k8s.io"),
    Request("UPDATE", "certificatesigningrequests/approval", "certificates.k8s.io", old={}),
    Request("CREATE", "tokenreviews", "authentication.k8s.io"),
    Request("CREATE", "subjectaccessreviews", "authorization.k8s.io"),
    Request("CREATE", "serviceaccounts/token", namespace="kmm-tests"),
    Request("CREATE", "events", namespace="kmm-tests"),
    Request("CREATE", "events", "events.k8s.io", namespace="kube-system"),
    Request("CREATE", "pods", namespace="kube-system", labels={"k8s-app": "kube-dns"}),
    Request("CREATE", "pods", namespace="kube-flannel", labels={"app": "flannel"}),
    Request("CREATE", "pods", namespace="calico-system"),
    Request("CREATE", "pods", namespace="rook-ceph", labels={"app": "csi-rbdplugin"}),
    Request("CREATE", "pods", namespace="kmodgate-system", labels={"app": "kmodgate-webhook"}),
    Request("CREATE", "pods", namespace="kmm-tests"),
    Request("UPDATE", "pods/status", namespace="ims", old={}),
    Request("CREATE", "pods/binding", namespace="ims"),
    Request("CREATE", "pods/eviction", namespace="ims"),
    Request("DELETE", "pods", namespace="ims", labels=None, old={}),
    Request("UPDATE", "namespaces/status", name="kube-system", old={}, annotations={OVERRIDE: "yes"}),
    Request("UPDATE", "namespaces/status", name="elsewhere", old={}),
    Request("CREATE", "namespaces", name="elsewhere", annotations={"team": "nic"}),
    Request("UPDATE", "namespaces", name="elsewhere", annotations={"team": "nic"}, old={}),
    Request("UPDATE", "secrets", namespace="kmm-tests", old={}),
    Request("UPDATE", "serviceaccounts", namespace="kmm-tests", old={}, content=OWNED),
    Request("UPDATE", "secrets", namespace="kmm-tests", old={}, content={"data": {"a": "b" * 24}}, old_content={"data": {"a": "c" * 24}}),
    Request("UPDATE", "secrets", namespace="kmm-tests", old={}, content=OWNED),
    Request("UPDATE", "secrets", namespace="kube-system", old={}, old_content={"data": {"a": "b"}}, place={LABEL: ""}),
    Request("UPDATE", "secrets", namespace="elsewhere", old={}, old_content={"data": {"a": "b"}}),
    Request("CREATE", "resourcequotas", namespace="elsewhere", content={"spec": {"hard": {"pods": "0"}}}),
    Request("CREATE", "resourcequotas", namespace="kmm-tests", content={"spec": {"hard": {"pods": "10"}}}),
    Request("UPDATE", "rolebindings", "rbac.authorization.k8s.io", namespace="kube-system", old={}),
    Request("UPDATE", "deployments", "apps", namespace="kmodgate-system", old={}),
    Request("UPDATE", "secrets", namespace="kmodgate-system", old={}),
    Request("DELETE", "secrets", namespace="kmodgate-system", labels=None, old={}, place={LABEL: ""}),
    Request("UPDATE", "configmaps", namespace="kmm-tests", old={}),
    Request("CREATE", "secrets", namespace="kmm-tests"),
    Request("DELETE", "configmaps", namespace="kube-system", labels=None, old={}, place={LABEL: ""}),
    Request("DELETE", "secrets", namespace="elsewhere", labels=None, old={LABEL: ""}),
    Request("UPDATE", "namespaces", name="kube-system", labels={LABEL: ""}, old={LABEL: ""}, place={LABEL: ""}),
    Request("DELETE", "namespaces", name="elsewhere", labels=None, old={}),
    Request("UPDATE", "namespaces/finalize", name="elsewhere", old={}),
    Request("UPDATE", "endpointslices", "discovery.k8s.io", namespace="kmodgate-system", old={}),
    Request("UPDATE", "customresourcedefinitions", "apiextensions.k8s.io", old={}),
    Request("DELETE", "customresourcedefinitions", "apiextensions.k8s.io", name="a.example.com", labels=None, old={}),
    Request("UPDATE", "modules/status", "kmm.sigs.x-k8s.io", "v1beta1", namespace="kmm-tests", old={}),
    *(
        Request(operation, f"{resource}{part}", KMM_GROUP, "v1beta1", old={}, content={"spec": 1, "status": 1}, user=user)
        for operation in ("CREATE", "UPDATE", "DELETE")
        for resource in ("nodemodulesconfigs", "moduleimagesconfigs", "modulebuildsignconfigs")
        for part in ("", "/status")
        for user in CONTROLLERS
    ),
    *(
        Request("UPDATE", resource, KMM_GROUP, "v1beta1", old={}, content=FINALIZED, user=user)
        for resource in ("modules", "nodemodulesconfigs")
        for user in CONTROLLERS
    ),
    *(
        Request("UPDATE", resource, KMM_GROUP, "v1beta1", old={}, content=MIGRATED, user=MIGRATOR)
        for resource in ("modules", "nodemodulesconfigs", "modulebuildsignconfigs")
    ),
]  # fmt: skip
"""Requests without which a cluster does not come up, and such as have nothing to do with drivers."""


def protected(objects: dict[str, Any]) -> list[str]:
    """The namespaces that `protection` names."""
    entries = [item for item in validating(objects)["webhooks"] if item["name"] == "protection.kmodgate.io"]
    return [name for item in entries for name in item["namespaceSelector"]["matchExpressions"][0]["values"]]
