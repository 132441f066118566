"""What the API server takes for an answer, and what people then read of it.

Sources: kubernetes/apiserver `pkg/admission/plugin/webhook` and `pkg/endpoints/filters/warning.go`; kubectl
`pkg/cmd/util/helpers.go`.
"""

from __future__ import annotations

import base64
import json
import re

import pytest

from tests.objects.json_patch import applied
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
)
from tests.webhook.server import PATHS, Webhook


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
    status = webhook.post(review("CREATE", "Module", module(kernelMappings=mappings))).response["status"]
    causes = status["details"]["causes"]
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
    found = warned(webhook, "5.14[a\n\r\t\x00\x1b\x7f\u2028]end")
    assert any("end" in line for line in found)
    for line in found:
        assert line.isprintable()
        line.encode()


def test_a_warning_names_field_and_rule(webhook: Webhook) -> None:
    for line in warned(webhook, "5.14"):
        assert re.match(r"[a-z][\w.\[\]]*: \[[A-Z]{3}\d{3}\] ", line)


@pytest.mark.parametrize("number", [1, 15, 16, 17, 300])
def test_no_warning_is_dropped_because_they_are_too_long_together(webhook: Webhook, number: int) -> None:
    found = warned(webhook, *(f"{'a' * 250}[a\u00e9]{index}" for index in range(number)))
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


def test_a_pod_that_was_patched_is_not_patched_again(webhook: Webhook) -> None:
    patch = json.loads(base64.b64decode(webhook.post(review("CREATE", "Pod", dkms_pod()), "/mutate").response["patch"]))
    again = review("CREATE", "Pod", applied(patch, dkms_pod()))
    assert "patch" not in webhook.post(again, "/mutate").response
    assert webhook.post(again).allowed
