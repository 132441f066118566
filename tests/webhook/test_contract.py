"""What the API server expects of a webhook, row by row, from a server that runs.

Sources: kubernetes/apiserver `pkg/admission/plugin/webhook` and `pkg/endpoints/filters/warning.go`; kubectl
`pkg/cmd/util/helpers.go`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policy.config import Policy
from policy.dump import Dump
from policy.facts import Facts
from policy.kmm.versions import Release
from tests.webhook.api_stub import ApiStub, failure
from tests.webhook.reviews import (
    Object,
    broken_module,
    dkms_pod,
    loading_container,
    module,
    named,
    namespace,
    pod,
    review,
    uid,
)
from tests.webhook.server import TRUSTING, Webhook, serving
from tests.webhook.stalling import api_server, stalled
from webhook.admit import Admitter
from webhook.decide import decide
from webhook.live import SnapshotCluster

PATHS = ("/validate", "/mutate")

LARGE = 300 * 1024
"""Bytes with which a review goes to the process for large bodies."""


def padded(item: Object, size: int = LARGE) -> Object:
    """The object with an annotation of that size."""
    metadata = item["metadata"]
    return item | {"metadata": metadata | {"annotations": {"example.com/padding": "x" * size}}}


def nested(depth: int) -> bytes:
    """A review whose object is nested that deep, which no Python decoder takes."""
    asked = review("CREATE", "ConfigMap", named("ConfigMap", "deep", "apps", data={"here": "DEEP"}))
    return json.dumps(asked).replace('"DEEP"', "[" * depth + "]" * depth).encode()


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
    body = nested(depth)
    reply = webhook.post(body)
    assert reply.code == 400
    assert reply.response["uid"].encode() in body


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
    "an operation that does not exist": {"operation": "PATCH"},
    "a list for an object": {"object": []},
    "a text for an old object": {"oldObject": "text"},
}


@pytest.mark.parametrize("change", MISSHAPEN.values(), ids=MISSHAPEN.keys())
def test_a_request_that_cannot_be_understood_is_denied_under_its_uid(webhook: Webhook, change: Object) -> None:
    asked = review("UPDATE", "Module", module(), module(), **change)
    reply = webhook.post(asked)
    assert (reply.response["uid"], reply.code) == (uid(asked), 400)


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
    ("Pod", "unheard-of", dkms_pod()),
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
    for operation in ("CREATE", "UPDATE"):
        found = webhook.post(review(operation, kind, item, item, subResource=subresource), path).response
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


# --- what is answered ---


def test_wrong_fields_are_an_invalid_object_with_a_cause_for_each(webhook: Webhook) -> None:
    reply = webhook.post(review("CREATE", "Module", broken_module()))
    status = reply.response["status"]
    assert (status["code"], status["reason"], status["status"]) == (422, "Invalid", "Failure")
    details = status["details"]
    assert (details["group"], details["kind"], details["name"]) == ("kmm.sigs.x-k8s.io", "Module", "nic")
    for cause in details["causes"]:
        assert cause["reason"] == "FieldValueInvalid"
        assert cause["field"].startswith("spec.moduleLoader.container.")
        assert re.match(r"\[[A-Z]{3}\d{3}\] .", cause["message"])
        assert cause["message"] in status["message"]


def test_every_violation_is_told_at_once(webhook: Webhook) -> None:
    reply = webhook.post(review("CREATE", "Module", broken_module()))
    causes = reply.response["status"]["details"]["causes"]
    assert {"KMM203", "KMM205", "KMM401"} <= {cause["message"][1:7] for cause in causes}
    assert sorted({cause["message"][1:7] for cause in causes}) == reply.rules()


def test_of_very_many_violations_the_number_of_the_rest_is_told(webhook: Webhook) -> None:
    mappings = [{"regexp": f"[{number}", "containerImage": ""} for number in range(150)]
    causes = webhook.post(review("CREATE", "Module", module(kernelMappings=mappings))).response["status"]["details"][
        "causes"
    ]
    assert len(causes) == 101
    assert causes[-1]["message"] == "and 50 more"


REFUSALS = [
    ("REF201", review("DELETE", "Namespace", None, namespace("drivers"))),
    ("REF204", review("DELETE", "ServiceAccount", None, named("ServiceAccount", "loader", "drivers"))),
]


@pytest.mark.parametrize(("rule", "asked"), REFUSALS, ids=[rule for rule, _ in REFUSALS])
def test_what_may_not_be_done_is_forbidden_with_the_rules_in_the_message(
    webhook: Webhook, rule: str, asked: Object
) -> None:
    status = webhook.post(asked).response["status"]
    assert (status["code"], status["reason"], "details" in status) == (403, "Forbidden", False)
    assert all(f"[{rule}]" in line for line in status["message"].splitlines())


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """A server that also refuses workloads that can load kernel modules."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "policy.yaml").write_text(
        "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: lab}\nspec: {modes: {PRV: enforce}}\n"
    )
    with serving(folder, "--policy", str(folder / "policy.yaml")) as server:
        yield server


def test_a_workload_that_is_not_approved_is_forbidden(strict: Webhook) -> None:
    reply = strict.post(review("CREATE", "Pod", pod(containers=[loading_container()])))
    assert (reply.code, reply.response["status"]["reason"], reply.rules()) == (403, "Forbidden", ["PRV101"])


def warned(webhook: Webhook, *regexps: str) -> list[str]:
    mappings = [{"regexp": regexp, "containerImage": "quay.io/acme/nic:1.0"} for regexp in regexps]
    reply = webhook.post(review("CREATE", "Module", module(kernelMappings=mappings)))
    assert reply.allowed, reply.response
    found: list[str] = reply.response["warnings"]
    return found


def test_a_warning_is_one_line_without_what_a_header_cannot_carry(webhook: Webhook) -> None:
    found = warned(webhook, "5.14\n\r\t\x00\x1b\x7f\u2028end")
    assert any("end" in line for line in found)
    for line in found:
        assert line.isprintable()
        line.encode()


def test_a_warning_names_field_and_rule(webhook: Webhook) -> None:
    for line in warned(webhook, "5.14"):
        assert re.match(r"[a-z][\w.\[\]]*: \[[A-Z]{3}\d{3}\] ", line)


@pytest.mark.parametrize("number", [1, 15, 16, 17, 300])
def test_no_warning_is_dropped_because_they_are_too_long_together(webhook: Webhook, number: int) -> None:
    found = warned(webhook, *(f"{'a' * 250}\u00e9{index}" for index in range(number)))
    assert sum(map(len, found)) <= 4096
    if number == 300:
        assert re.fullmatch(r"and \d+ more warnings", found[-1])


QUALIFIED = re.compile(r"(?=.{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def test_audit_annotations_tell_the_policy_and_the_rules_under_names_that_are_valid(webhook: Webhook) -> None:
    found = webhook.post(review("CREATE", "Module", broken_module())).response["auditAnnotations"]
    assert re.fullmatch(r"[0-9a-f]{16}", found["policy"])
    assert found["denied-by"].split(",") == sorted(set(found["denied-by"].split(",")))
    assert "LDR102" in found["warned-by"].split(",")
    noted = webhook.post(review("CREATE", "Pod", pod(containers=[loading_container()]))).response["auditAnnotations"]
    assert noted["noted-by"] == "PRV101"
    injected = webhook.post(review("CREATE", "Pod", dkms_pod()), "/mutate").response["auditAnnotations"]
    assert injected["note"] == "injected"
    for written in (found, noted, injected):
        assert all(QUALIFIED.fullmatch(key) and type(value) is str for key, value in written.items())


MANY = [
    review("CREATE", "Module", module("gpu")),
    review("CREATE", "Module", broken_module()),
    review("UPDATE", "Module", module(), module()),
    review("DELETE", "Module", None, module()),
    review("CREATE", "Pod", pod()),
    review("CREATE", "Pod", dkms_pod()),
    review("CREATE", "Pod", dkms_pod(runtimeClassName="kata-qemu")),
    review("CREATE", "Pod", dkms_pod(hostNetwork=True)),
    review("UPDATE", "Pod", dkms_pod(), dkms_pod()),
    review("DELETE", "Pod", None, dkms_pod()),
    review("CONNECT", "Pod", dkms_pod(), subResource="exec"),
    review("UPDATE", "Pod", dkms_pod(), dkms_pod(), subResource="ephemeralcontainers"),
    review("DELETE", "Namespace", None, namespace("drivers")),
    review("UPDATE", "Namespace", namespace("drivers"), namespace("drivers"), subResource="finalize"),
    review("CREATE", "Secret", named("Secret", "a", "apps", data={"key": "dmFsdWU="})),
]


@pytest.mark.parametrize("path", PATHS)
def test_a_reply_holds_what_the_api_server_takes_and_nothing_else(webhook: Webhook, path: str) -> None:
    patched = 0
    for asked in MANY:
        found = webhook.post(asked, path).response
        known = {"uid", "allowed", "status", "warnings", "auditAnnotations", "patch", "patchType"}
        assert found.keys() <= known, asked
        assert ("patch" in found) is ("patchType" in found), asked
        if "patch" in found:
            patched += 1
            assert (path, asked["request"]["operation"]) == ("/mutate", "CREATE")
            assert (found["patchType"], found["allowed"]) == ("JSONPatch", True)
            assert json.loads(base64.b64decode(found["patch"], validate=True))
        assert found["allowed"] or found["status"]["code"] >= 400
        assert found["allowed"] is ("status" not in found)
    assert patched == (path == "/mutate")


# --- HTTP ---

ADDRESSES = ["/", "/validate/", "//validate", "/validate/../mutate", "/Validate", "/healthz", "/metrics", "/%76alidate",
             "/validate%2f", "/mutate;a", "*"]  # fmt: skip


@pytest.mark.parametrize("target", ADDRESSES)
def test_nothing_is_ever_redirected(webhook: Webhook, target: str) -> None:
    for method in ("POST", "GET"):
        reply = webhook.send(method, target, b"", {"Content-Type": "application/json", "Host": "metadata.internal"})
        assert 400 <= reply.status < 500
        assert "Location" not in reply.headers
        assert reply.body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_reviews_are_only_posted(webhook: Webhook, path: str, method: str) -> None:
    assert webhook.send(method, path).status == 405


def test_a_method_that_does_not_exist_is_a_bad_request(webhook: Webhook) -> None:
    assert webhook.send("BREW", "/validate").status == 400


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/yaml", "application/vnd.kubernetes.protobuf", "multipart/form-data"]
)
def test_a_review_is_json(webhook: Webhook, kind: str) -> None:
    body = json.dumps(review("CREATE", "Module", module())).encode()
    assert webhook.send("POST", "/validate", body, {"Content-Type": kind}).status == 415


def test_a_content_type_may_name_its_characters(webhook: Webhook) -> None:
    body = json.dumps(review("CREATE", "Module", module("gpu"))).encode()
    assert webhook.send("POST", "/validate", body, {"Content-Type": "application/json; charset=utf-8"}).allowed


def test_one_connection_serves_one_review_after_the_other(webhook: Webhook) -> None:
    with webhook.caller() as caller:
        first = caller.connection.sock
        for _ in range(5):
            asked = review("CREATE", "Module", module("gpu"))
            assert caller.post(asked).response["uid"] == uid(asked)
            first = first or caller.connection.sock
            assert caller.connection.sock is first


def test_http_1_1_is_spoken_to_a_caller_that_would_take_http_2(webhook: Webhook) -> None:
    context = ssl.create_default_context(cadata=None)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(webhook.plain_socket()) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"


# --- time ---


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiStub]:
    with api_server(tmp_path_factory.mktemp("stub")) as server:
        yield server


@pytest.fixture(scope="module")
def watching(stub: ApiStub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """A server with an API server to ask."""
    folder: Path = tmp_path_factory.mktemp("watching")
    with serving(folder, "--kubeconfig", str(stub.kubeconfig)) as server:
        yield server


def in_namespace(name: str) -> str:
    return f"/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{name}/modules"


@pytest.mark.parametrize("size", [0, LARGE], ids=["small", "large"])
def test_what_is_not_decided_in_the_time_of_the_query_is_denied_under_its_uid(
    stub: ApiStub, watching: Webhook, size: int
) -> None:
    stub.lists(stalled, path=in_namespace("slow"))
    asked = review("DELETE", "Namespace", None, padded(namespace("slow"), size))
    reply = watching.post(asked, timeout="1s")
    assert (reply.response["uid"], reply.code, reply.response["status"]["reason"]) == (uid(asked), 504, "Timeout")
    logged = watching.decision(uid(asked))
    assert logged["allowed"] is False
    assert size or (logged["user"], logged["operation"], logged["name"]) == ("alice", "DELETE", "slow")


def test_the_next_large_review_after_one_that_took_too_long_is_answered(stub: ApiStub, watching: Webhook) -> None:
    stub.lists(stalled, path=in_namespace("slow"))
    assert watching.post(review("DELETE", "Namespace", None, padded(namespace("slow"))), timeout="1s").code == 504
    assert watching.post(review("CREATE", "Module", padded(broken_module()))).code == 422


def test_nothing_is_taken_away_that_the_api_server_was_not_asked_about(stub: ApiStub, watching: Webhook) -> None:
    stub.lists(failure(500, "etcd is gone"), path=in_namespace("unsure"))
    asked = review("DELETE", "Namespace", None, namespace("unsure"))
    reply = watching.post(asked)
    assert (reply.response["uid"], reply.code) == (uid(asked), 503)


def test_a_dry_run_asks_the_cluster_and_changes_nothing_there(stub: ApiStub, watching: Webhook) -> None:
    override = {"kmodgate.io/override": "alice until 2026-01-31T18:00:00Z"}
    item = namespace("dry")
    item["metadata"]["annotations"] = override
    watching.post(review("UPDATE", "Namespace", item, namespace("dry"), dryRun=True))
    watching.post(review("DELETE", "Namespace", None, item, dryRun=True))
    writes = {request.path for request in stub.asked if request.method != "GET"}
    assert writes == {"/apis/authorization.k8s.io/v1/subjectaccessreviews"}
    assert any(request.path == in_namespace("dry") for request in stub.asked)


@pytest.mark.parametrize("timeout", ["", "0s", "-1s", "soon", "1" * 99, "NaN", "10", "%31s"])
def test_a_time_that_is_none_counts_as_the_usual_one(webhook: Webhook, timeout: str) -> None:
    assert webhook.post(review("CREATE", "Module", module("gpu")), timeout=timeout).allowed


# --- bugs ---


class _Failing(SnapshotCluster):
    """A cluster with a bug."""

    @property
    def facts(self) -> Facts:
        raise LookupError("drawer")

    @facts.setter
    def facts(self, value: Any) -> None: ...


def test_a_bug_denies_under_the_uid_and_with_a_text_that_says_so() -> None:
    asked = review("DELETE", "Namespace", None, namespace("drivers"))
    admitter = Admitter(Policy(), Release("head"))
    body = json.dumps(asked).encode()
    answer = asyncio.run(decide("/validate", body, admitter, _Failing(Dump()), datetime.now(UTC)))
    response = json.loads(answer.encoded(admitter.digest))["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == (uid(asked), False, 500)
    assert "LookupError" in response["status"]["message"]
    assert "drawer" not in response["status"]["message"]


def test_the_certificate_is_checked_by_the_caller_of_these_tests() -> None:
    assert TRUSTING.verify_mode is ssl.CERT_REQUIRED
