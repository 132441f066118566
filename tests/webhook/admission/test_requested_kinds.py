"""Pairs of kind and resource that an API server sends, and those that it does not: these are a bad request."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.engine import Engine
from kmodgate.policy.webhook_entries.entry_table import ROWS
from kmodgate.webhook.admission.requested_kinds import PAIRS
from tests.webhook.program import memory
from tests.webhook.reviews import RESOURCES, module, named, namespace, pod, review
from tests.webhook.server import Webhook


def scale(name: str) -> dict[str, Any]:
    return named("Scale", name, "apps", "autoscaling/v1", spec={"replicas": 0})


ASKED = {
    "Scale": ("UPDATE", "Deployment", "scale", scale("web")),
    "Eviction": ("CREATE", "Pod", "eviction", named("Eviction", "tool", "apps", "policy/v1")),
    "Binding": ("CREATE", "Pod", "binding", named("Binding", "tool", "apps", target={"name": "worker-1"})),
    "TokenRequest": (
        "CREATE",
        "ServiceAccount",
        "token",
        named("TokenRequest", "a", "apps", "authentication.k8s.io/v1"),
    ),
    "finalize": ("UPDATE", "Namespace", "finalize", namespace("empty")),
    "status of a Namespace": ("UPDATE", "Namespace", "status", namespace("empty")),
    "status of a Module": ("UPDATE", "Module", "status", module("gpu")),
    "exec": ("CONNECT", "Pod", "exec", named("PodExecOptions", "tool", "apps", command=["sh"])),
    "attach": ("CONNECT", "Pod", "attach", named("PodAttachOptions", "tool", "apps")),
    "portforward": ("CONNECT", "Pod", "portforward", named("PodPortForwardOptions", "tool", "apps")),
    "proxy": ("CONNECT", "Pod", "proxy", named("PodProxyOptions", "tool", "apps")),
    "ephemeral containers": ("UPDATE", "Pod", "ephemeralcontainers", pod()),
    "resize": ("UPDATE", "Pod", "resize", pod()),
}


def kind_of(item: dict[str, Any]) -> dict[str, str]:
    group, _, version = item["apiVersion"].rpartition("/")
    return {"group": group, "version": version, "kind": item["kind"]}


@pytest.mark.parametrize(("operation", "kind", "subresource", "item"), ASKED.values(), ids=ASKED)
def test_what_an_api_server_sends_for_a_subresource_is_taken(
    webhook: Webhook, operation: str, kind: str, subresource: str, item: dict[str, Any]
) -> None:
    old = item if operation == "UPDATE" else None
    assert webhook.post(review(operation, kind, item, old, subResource=subresource, kind=kind_of(item))).allowed


def test_a_deletion_without_an_object_is_judged_by_its_name(webhook: Webhook) -> None:
    assert webhook.post(review("DELETE", "Pod", None, None, name="tool", namespace="apps")).allowed


def test_an_object_that_was_converted_is_of_the_registered_kind(webhook: Webhook) -> None:
    """matchPolicy Equivalent: what was sent as `extensions/v1beta1` is asked about as `apps/v1`."""
    original = {"group": "extensions", "version": "v1beta1"}
    more = {
        "requestKind": {**original, "kind": "Deployment"},
        "requestResource": {**original, "resource": "deployments"},
    }
    item = named("Deployment", "web", "apps", "apps/v1", spec={"template": {"spec": pod()["spec"]}})
    assert webhook.post(review("CREATE", "Deployment", item, **more)).allowed


ODD = {
    "another kind at a resource": (review("CREATE", "Pod", named("Secret", "a", "apps")), "Secret", ""),
    "a kind of nobody at a resource": (review("CREATE", "Pod", named("Widget", "a", "apps")), "Widget", ""),
    "a pod at a resource of nobody": (review("CREATE", "Pod", pod(), resource={"resource": "widgets"}), "Pod", ""),
    "the kind of a subresource at its resource": (review("CREATE", "Pod", scale("a")), "Scale", "autoscaling"),
    "a subresource of nobody": (review("UPDATE", "Pod", pod(), pod(), subResource="unheard-of"), "Pod", ""),
    "another kind at a subresource": (
        review("UPDATE", "Deployment", pod(), pod(), subResource="scale"), "Pod", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "kind", "group"), ODD.values(), ids=ODD)
def test_a_pair_that_no_api_server_sends_is_a_bad_request(
    webhook: Webhook, asked: dict[str, Any], kind: str, group: str
) -> None:
    asked["request"]["kind"] = {"group": group, "version": "v1", "kind": kind}
    assert webhook.post(asked).code == 400


def test_an_object_of_another_kind_than_the_request_says_is_a_bad_request(webhook: Webhook) -> None:
    for kind in RESOURCES.keys() - {"ConfigMap"}:
        assert webhook.post(review("CREATE", kind, named("ConfigMap", "a", "apps"))).code == 400, kind


def test_every_resource_of_the_entries_has_its_kind() -> None:
    places = {(item.group, *name.partition("/")[::2]) for row in ROWS for item in row.resources for name in item.names}
    assert {place for place in places if place[1] != "*"} <= PAIRS.keys()


def test_kinds_of_callers_fill_no_table() -> None:
    from kmodgate.policy.config import Policy
    from kmodgate.policy.review import Review

    engine = Engine(Policy(), "admit")
    for number in range(200):
        engine.evaluate(Review(named(f"Kind{number}", "a", api_version=f"example{number}.com/v1")))
    assert len(engine._chosen) == 1


@pytest.mark.timing
def test_reviews_of_kinds_that_nobody_knows_take_no_memory(webhook: Webhook) -> None:
    def asked(number: int) -> None:
        item = named(f"Kind{number}", "a", "apps", f"g{number}.example.com/v1", text="x" * 2000)
        resource = {"group": f"g{number}.example.com", "version": "v1", "resource": f"kind{number}s"}
        caller.post(review("CREATE", "Pod", item, kind=kind_of(item), resource=resource))
        known = {**named(f"Kind{number}", "a", "apps", "kmm.sigs.x-k8s.io/v1beta1")}
        caller.post(review("CREATE", "Module", known, kind=kind_of(known)))

    with webhook.caller() as caller:
        for number in range(100):
            asked(number)
        before = memory(webhook.pid)["Rss"]
        for number in range(100, 1700):
            asked(number)
    assert memory(webhook.pid)["Rss"] - before < 8 << 20
