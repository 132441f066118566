"""What API servers ask that know no `matchConditions`, and that a newer one would not: it passes."""

from __future__ import annotations

import pytest

from tests.webhook.reviews import Object, loading_container, named, namespace, pod, review
from tests.webhook.server import Webhook

OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "1"}
CONTROLLER = {"username": "system:serviceaccount:kube-system:namespace-controller"}


def written(item: Object) -> list[Object]:
    """The review of an update that changes labels, and of one that takes the owner away."""
    owned = item | {"metadata": item["metadata"] | {"ownerReferences": [OWNER]}}
    labelled = item | {"metadata": item["metadata"] | {"labels": {"a": "b"}}}
    return [review("UPDATE", item["kind"], labelled, item), review("UPDATE", item["kind"], item, owned)]


UPDATES = [
    *written(named("Secret", "pull", "drivers", data={"key": "dmFsdWU="})),
    *written(named("ServiceAccount", "loader", "drivers")),
    *written(named("ConfigMap", "dockerfile", "drivers", data={"dockerfile": "FROM scratch"})),
]

NAMESPACES = [
    review("CREATE", "Namespace", namespace("elsewhere")),
    review("UPDATE", "Namespace", namespace("elsewhere", team="a"), namespace("elsewhere")),
    review("UPDATE", "Namespace", namespace("elsewhere"), namespace("elsewhere"), subResource="status"),
    review(
        "UPDATE", "Namespace", namespace("elsewhere"), namespace("elsewhere"),
        subResource="finalize", userInfo=CONTROLLER,
    ),
]  # fmt: skip


@pytest.mark.parametrize("asked", UPDATES, ids=lambda item: item["request"]["kind"]["kind"])
def test_an_update_that_adds_no_owner_passes_without_a_finding(webhook: Webhook, asked: Object) -> None:
    reply = webhook.post(asked)
    assert (reply.allowed, reply.response.get("warnings"), reply.response["auditAnnotations"].keys()) == (
        True,
        None,
        {"policy"},
    )


@pytest.mark.parametrize("asked", NAMESPACES, ids=["create", "update", "status", "finalize"])
def test_a_namespace_without_an_override_passes_without_a_finding(webhook: Webhook, asked: Object) -> None:
    reply = webhook.post(asked)
    assert (reply.allowed, reply.response["auditAnnotations"].keys()) == (True, {"policy"})


def test_what_can_load_modules_on_the_platform_is_recorded_and_passes(webhook: Webhook) -> None:
    item = pod(namespace="openshift-sdn", containers=[loading_container()])
    reply = webhook.post(review("CREATE", "Pod", item))
    assert (reply.allowed, reply.response.get("warnings"), reply.rules("noted-by")) == (True, None, ["PRV101"])
