"""What the API server may ask of a webhook, row by row, and that it is understood.

Source: kubernetes/apiserver `pkg/admission/plugin/webhook`.
"""

from __future__ import annotations

import json

import pytest

from kmodgate.webhook.admission.admission_review import _TOKEN, uid_in
from tests.webhook.reviews import (
    Object,
    broken_module,
    dkms_pod,
    loading_container,
    module,
    named,
    namespace,
    padded,
    review,
    uid,
)
from tests.webhook.server import PATHS, Webhook


def nested(depth: int) -> tuple[str, bytes]:
    """The uid of a review, and its bytes, whose object is nested that deep: no Python decoder takes it."""
    asked = review("CREATE", "ConfigMap", named("ConfigMap", "deep", "apps", data={"here": "DEEP"}))
    return uid(asked), json.dumps(asked).replace('"DEEP"', "[" * depth + "]" * depth).encode()


# --- the envelope ---


@pytest.mark.parametrize("path", PATHS)
def test_the_reply_is_a_review_of_the_same_version_with_the_uid_of_the_request(webhook: Webhook, path: str) -> None:
    asked = review("CREATE", "Module", module("gpu"))
    answered = webhook.post(asked, path).review
    assert (answered["apiVersion"], answered["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answered["response"]["uid"] == uid(asked)
    assert "request" not in answered


@pytest.mark.parametrize("path", PATHS)
def test_the_uid_comes_back_for_an_object_in_the_process_for_large_ones(webhook: Webhook, path: str) -> None:
    asked = review("CREATE", "Module", padded(broken_module()))
    reply = webhook.post(asked, path)
    assert reply.response["uid"] == uid(asked)
    assert reply.allowed is (path == "/mutate")


@pytest.mark.parametrize("depth", [1025, 200_000], ids=["small", "large"])
def test_an_object_that_is_nested_too_deep_is_refused_under_its_uid(webhook: Webhook, depth: int) -> None:
    name, body = nested(depth)
    reply = webhook.post(body)
    assert (reply.response["uid"], reply.code) == (name, 400)


def test_the_uid_is_that_of_the_request_and_not_of_an_object_before_it(webhook: Webhook) -> None:
    inner = {"uid": "another", "request": {"uid": "another"}}
    asked = {"extra": inner, **review("CREATE", "ConfigMap", {"data": "DEEP", "metadata": {"uid": "another"}})}
    asked["request"] = {"options": inner, **asked["request"]}
    body = json.dumps(asked).replace('"DEEP"', "[" * 2000 + "]" * 2000).encode()
    assert webhook.post(body).response["uid"] == uid(asked)


UNREADABLE = {
    "an older version": {"apiVersion": "admission.k8s.io/v1beta1"},
    "a version to come": {"apiVersion": "admission.k8s.io/v2"},
    "no version": {"apiVersion": None},
    "another kind": {"kind": "ConversionReview"},
    "no request": {"request": None},
    "a list for a request": {"request": []},
    "no uid": {"request": {}},
    "an empty uid": {"request": {"uid": ""}},
    "a number for a uid": {"request": {"uid": 7}},
}


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_review_of_version_1_is_answered_400(webhook: Webhook, path: str, change: Object) -> None:
    reply = webhook.post(review("CREATE", "Module", module()) | change, path)
    assert reply.status == 400
    assert reply.body


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"7", b"{", b"\xff\xfe", b"{}" * 2])
def test_a_body_that_is_no_review_is_answered_400(webhook: Webhook, body: bytes) -> None:
    reply = webhook.post(body)
    assert (reply.status, bool(reply.body)) == (400, True)


MISSHAPEN: dict[str, Object] = {
    "no operation": {"operation": None},
    "a list for the extra of the user": {"userInfo": {"username": "alice", "extra": ["scope"]}},
    "an operation that does not exist": {"operation": "PATCH"},
    "a list for an object": {"object": []},
    "a text for an old object": {"oldObject": "text"},
    "no resource": {"resource": None},
    "a text for a resource": {"resource": "modules"},
    "a resource without a name": {"resource": {"group": "kmm.sigs.x-k8s.io", "version": "v1beta1"}},
    "no kind": {"kind": None},
    "a text for a kind": {"kind": "Module"},
    "a kind without a name": {"kind": {}},
    "an object of another kind": {"object": module() | {"kind": "Secret"}},
    "an old object of another kind": {"oldObject": module() | {"kind": "Secret"}},
    "an object of another version": {"object": module() | {"apiVersion": "kmm.sigs.x-k8s.io/v1beta2"}},
    "an update without an object": {"object": None},
    "an update without an old object": {"oldObject": None},
    "a creation without an object": {"operation": "CREATE", "object": None},
    "a deletion of nothing": {"operation": "DELETE", "oldObject": None, "name": ""},
}


@pytest.mark.parametrize("change", MISSHAPEN.values(), ids=MISSHAPEN.keys())
def test_a_request_that_cannot_be_understood_is_denied_under_its_uid(webhook: Webhook, change: Object) -> None:
    asked = review("UPDATE", "Module", module(), module(), **change)
    reply = webhook.post(asked)
    assert (reply.response["uid"], reply.code) == (uid(asked), 400)


def test_the_end_of_a_namespace_is_not_judged_by_an_object_of_another_kind(webhook: Webhook) -> None:
    item = namespace("drivers")
    asked = review("UPDATE", "Namespace", item | {"kind": "Pod"}, item, subResource="finalize")
    assert webhook.post(asked).code == 400


HEAD = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":'


@pytest.mark.parametrize("text", [b'"' * 9, b'"\\', b"[", b'""' + b" " * 9, b'"x":'], ids=str)
def test_the_uid_is_looked_for_in_the_beginning_only_of_what_cannot_be_decoded(text: bytes) -> None:
    late = HEAD + b'{"options":"' + b"x" * 65536 + b'","uid":"late"'
    early = HEAD + b'{"uid":"early","options":' + text * (1 << 20)
    assert uid_in(early) == "early"
    assert uid_in(late) == ""
    assert uid_in(text * (1 << 20)) == ""


def test_quotes_that_are_never_closed_are_looked_through_once() -> None:
    steps = [_TOKEN.findall(b'"' + b'\\"' * count) for count in (10, 30_000)]
    assert [len(found) for found in steps] == [1, 1]


# --- what is asked ---


def test_a_dry_run_is_judged_counted_and_logged_as_one(webhook: Webhook) -> None:
    sample = 'kmodgate_reviews_total{allowed="false",dry_run="true",operation="CREATE",path="/validate"}'
    before = webhook.metric(sample)
    asked = review("CREATE", "Module", broken_module(), dryRun=True)
    assert not webhook.post(asked).allowed
    assert webhook.metric(sample) == before + 1
    assert webhook.decision(uid(asked))["dryRun"] is True


def test_a_dry_run_is_answered_like_any_other_request(webhook: Webhook) -> None:
    asked = review("CREATE", "Pod", dkms_pod())
    dry = asked | {"request": asked["request"] | {"dryRun": True}}
    for path in PATHS:
        assert webhook.post(dry, path).body == webhook.post(asked, path).body


def test_a_deletion_is_judged_by_the_object_that_goes(webhook: Webhook) -> None:
    assert webhook.post(review("DELETE", "Namespace", None, namespace("drivers"))).rules() == ["REF201"]
    assert webhook.post(review("DELETE", "Namespace", None, namespace("empty"))).allowed


def test_each_object_of_a_collection_is_judged_by_its_own_name(webhook: Webhook) -> None:
    doomed = review("DELETE", "Secret", None, named("Secret", "pull", "drivers"), name="")
    spare = review("DELETE", "Secret", None, named("Secret", "spare", "drivers"), name="")
    assert webhook.post(doomed).rules() == ["REF204"]
    assert webhook.post(spare).allowed
    assert webhook.decision(uid(doomed))["name"] == "pull"


def test_a_deletion_without_either_object_is_answered(webhook: Webhook) -> None:
    assert webhook.post(review("DELETE", "Secret", None, None, name="spare", namespace="drivers")).allowed
    assert webhook.post(review("DELETE", "Secret", None, None, name="pull", namespace="drivers")).rules() == ["REF204"]


def test_a_pod_whose_name_is_still_to_be_made_is_judged_and_patched(webhook: Webhook) -> None:
    asked = review("CREATE", "Pod", dkms_pod(), name="")
    assert webhook.post(asked).rules() == ["KTA101"]
    assert "patch" in webhook.post(asked, "/mutate").response


def test_a_pod_without_a_namespace_of_its_own_is_in_that_of_the_request(webhook: Webhook) -> None:
    item = dkms_pod()
    del item["metadata"]["namespace"]
    assert webhook.post(review("CREATE", "Pod", item, namespace="ims")).rules() == ["KTA101"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward", "proxy"])
def test_a_connection_is_allowed_whatever_its_options_hold(webhook: Webhook, path: str, subresource: str) -> None:
    options = dkms_pod() | {"kind": "PodExecOptions"}
    asked = review("CONNECT", "Pod", options, subResource=subresource, name="tool", namespace="ims")
    found = webhook.post(asked, path).response
    assert (found["allowed"], found["auditAnnotations"].keys()) == (True, {"policy"})


SUBRESOURCES = [
    ("Pod", "status", dkms_pod()),
    ("Pod", "resize", dkms_pod()),
    (
        "Pod",
        "binding",
        {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a", "namespace": "ims"}, "target": {}},
    ),
    ("Pod", "eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a", "namespace": "ims"}}),
    ("Deployment", "scale", {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {}}),
    ("Deployment", "status", named("Deployment", "a", "apps", "apps/v1", spec=None)),
    ("Module", "status", broken_module()),
    ("Namespace", "status", namespace("drivers")),
    ("ServiceAccount", "token", named("TokenRequest", "loader", "drivers", "authentication.k8s.io/v1")),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("kind", "subresource", "item"), SUBRESOURCES, ids=[f"{k}/{s}" for k, s, _ in SUBRESOURCES])
def test_subresources_that_hold_nothing_to_judge_pass(
    webhook: Webhook, path: str, kind: str, subresource: str, item: Object
) -> None:
    group, _, version = item["apiVersion"].rpartition("/")
    own = {"group": group, "version": version, "kind": item["kind"]}
    for operation in ("CREATE", "UPDATE"):
        found = webhook.post(review(operation, kind, item, item, subResource=subresource, kind=own), path).response
        assert (found["allowed"], found["auditAnnotations"].keys()) == (True, {"policy"})


UNKNOWN_KINDS = {
    "another group's Module": named("Module", "a", "apps", "example.com/v1", spec={"selector": {}}),
    "a kind of nobody": named("Widget", "a", "apps", "example.com/v1", spec={"containers": [loading_container()]}),
    "an Event": named("Event", "a", "apps", reason="Started", involvedObject={"kind": "Pod"}),
    "a Lease": named("Lease", "a", "apps", "coordination.k8s.io/v1", spec={"holderIdentity": "a"}),
    "a Node": named("Node", "worker-2", spec={"taints": []}),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("item", UNKNOWN_KINDS.values(), ids=UNKNOWN_KINDS.keys())
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE"])
def test_kinds_that_no_rule_is_for_pass(webhook: Webhook, path: str, item: Object, operation: str) -> None:
    group, _, version = item["apiVersion"].rpartition("/")
    kind = {"group": group, "version": version, "kind": item["kind"]}
    new, old = (None, item) if operation == "DELETE" else (item, item if operation == "UPDATE" else None)
    asked = review(
        operation, "Pod", new, old, kind=kind, resource={"group": group, "version": version, "resource": "x"}
    )
    assert webhook.post(asked, path).allowed
