"""Being somebody else, or exempt: controllers, accounts, labels, mirror pods, edited configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.renderer.registration.reaching import Request, is_asked
from tests.webhook.reviews import CLUSTER, LARGE, Object, dkms_pod, dump, loading_container, padded, pod, review, uid
from tests.webhook.server import Webhook, serving

CONTROLLERS = ["replicaset-controller", "job-controller", "daemon-set-controller", "generic-garbage-collector"]


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_pod_is_judged_whichever_controller_makes_it(strict: Webhook, controller: str) -> None:
    user = {"username": f"system:serviceaccount:kube-system:{controller}", "groups": ["system:serviceaccounts"]}
    item = pod(containers=[loading_container()])
    item["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "controller": True}
    ]
    assert strict.post(review("CREATE", "Pod", item, userInfo=user)).rules() == ["PRV101"]


def test_a_user_with_the_name_of_an_approved_account_is_not_that_account(strict: Webhook) -> None:
    containers = [loading_container()]
    for namespace_, account, allowed in (
        ("storage", "csi-node", True),
        ("apps", "csi-node", False),
        ("storage", "default", False),
    ):
        user = {"username": "system:serviceaccount:storage:csi-node"}
        item = pod(namespace=namespace_, containers=containers, serviceAccountName=account)
        assert strict.post(review("CREATE", "Pod", item, userInfo=user)).allowed is allowed


@pytest.mark.parametrize(
    ("user", "allowed"), [("alice", False), ("system:serviceaccount:services:ims-service-launch-job", True)]
)
def test_a_job_that_says_it_directs_a_build_elsewhere_is_ims_own(strict: Webhook, user: str, allowed: bool) -> None:
    containers = [{"name": "sshd", "image": "registry.local/sshd:1"}]
    containers[0]["env"] = [{"name": key, "value": "True"} for key in ("JOB_ENABLE_DKMS", "REMOTE_BUILD_NODE")]  # type: ignore[assignment]
    app = "ims-0d1e2f3a-1111-2222-3333-444455556666-create"
    template = {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": f"cray-{app}", "namespace": "ims"}}
    reply = strict.post(review("CREATE", "Job", {**job, "spec": {"template": template}}, userInfo={"username": user}))
    assert (reply.allowed, "KTA114" in reply.rules()) == (allowed, not allowed)


@pytest.mark.parametrize(("platform", "is_approved"), [("kubernetes", False), ("openshift", True)])
def test_an_account_of_a_product_of_another_platform_is_not_approved(
    tmp_path: Path, platform: str, is_approved: bool
) -> None:
    item = pod("worker", "openshift-nfd", containers=[loading_container()], serviceAccountName="nfd-worker")
    with serving(tmp_path, "--platform", platform, facts=dump(*CLUSTER)) as server:
        for size in (0, LARGE):
            reply = server.post(review("CREATE", "Pod", padded(item, size)))
            assert ("PRV101" not in reply.rules("noted-by")) is is_approved


EXEMPT = {
    "app.kubernetes.io/part-of": "kmm",
    "kmodgate.io/exempt": "true",
    "control-plane": "true",
    "kmm.node.kubernetes.io/module.name": "nic",
}


def test_nobody_exempts_a_pod_by_labels_and_annotations(strict: Webhook) -> None:
    item = pod(containers=[loading_container()])
    item["metadata"] |= {"labels": EXEMPT, "annotations": EXEMPT}
    assert strict.post(review("CREATE", "Pod", item)).rules() == ["PRV101"]


def test_nobody_exempts_a_namespace_by_labels(registered: list[Any]) -> None:
    for labels in ({}, EXEMPT, {"admissions.enforcer/disabled": "true", "admission.gatekeeper.sh/ignore": "yes"}):
        for request in (
            Request("CREATE", "pods", namespace="apps", place=labels),
            Request("DELETE", "secrets", namespace="drivers", labels=None, old={}, place=labels),
            Request("DELETE", "namespaces", name="drivers", labels=None, old=labels, place=labels),
            Request("CREATE", "modules", "kmm.sigs.x-k8s.io", "v1beta1", namespace="apps", place=labels),
        ):
            assert is_asked(registered, request), (labels, request)


def test_what_somebody_adds_to_a_live_configuration_shows_as_a_difference(registered: list[Any]) -> None:
    """Fields that the API server would fill in are written out, so that whoever compares sees any that was changed."""
    for entry in (entry for item in registered for entry in item["webhooks"]):
        assert entry.keys() >= {
            "namespaceSelector", "objectSelector", "matchPolicy", "failurePolicy", "timeoutSeconds", "sideEffects",
        }  # fmt: skip
        assert all("scope" in rule for rule in entry["rules"])


def mirrored(item: Object) -> Object:
    metadata = item["metadata"] | {
        "annotations": {"kubernetes.io/config.mirror": "a", "kubernetes.io/config.source": "file"}
    }
    return item | {"metadata": metadata}


def test_a_mirror_pod_is_not_changed_and_yet_judged(strict: Webhook) -> None:
    reply = strict.post(review("CREATE", "Pod", mirrored(dkms_pod())), "/mutate")
    assert ("patch" in reply.response, reply.response["auditAnnotations"]["note"]) == (False, "mirror-pod")
    asked = review("CREATE", "Pod", mirrored(pod(containers=[loading_container()])))
    assert strict.post(asked).rules() == ["PRV101"]
    assert strict.decision(uid(asked))["denied"] == ["PRV101"]
