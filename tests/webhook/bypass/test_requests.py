"""Requests of another form: subresources, versions, operations, objects without a name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.renderer.registration.reaching import Request, is_asked
from tests.renderer.registration.registering import LABEL
from tests.webhook.reviews import loading_container, module, named, namespace, pod, review
from tests.webhook.server import Webhook

SUBRESOURCES = [
    Request("UPDATE", "pods/ephemeralcontainers", namespace="apps", old={}),
    Request("UPDATE", "namespaces/finalize", name="drivers", old={}),
    Request("UPDATE", "namespaces/status", name="drivers", old={}),
    Request("DELETE", "namespaces", name="drivers", labels=None, old={}),
    Request("UPDATE", "namespaces", name="drivers", labels={}, old={LABEL: ""}),
]


@pytest.mark.parametrize("request_", SUBRESOURCES, ids=lambda item: f"{item.operation} {item.resource}")
def test_subresources_that_matter_are_registered(registered: list[Any], request_: Request) -> None:
    assert is_asked(registered, request_)


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("kmm.sigs.x-k8s.io/v1alpha1", "Module"),
        ("kmm.sigs.x-k8s.io/v2", "Module"),
        ("kmm.sigs.x-k8s.io/v1beta1", "module"),
        ("kmm.sigs.x-k8s.io/V1beta1", "Module"),
    ],
)
def test_a_version_of_kmms_kinds_that_does_not_exist_is_refused(strict: Webhook, api_version: str, kind: str) -> None:
    group, _, version = api_version.rpartition("/")
    item = module() | {"apiVersion": api_version, "kind": kind}
    asked = review("CREATE", "Module", item, kind={"group": group, "version": version, "kind": kind})
    assert not strict.post(asked).allowed


def test_other_versions_are_converted_by_the_api_server_before_they_are_judged(registered: list[Any]) -> None:
    entries = [entry for item in registered for entry in item["webhooks"]]
    assert entries
    assert {entry["matchPolicy"] for entry in entries} == {"Equivalent"}


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_each_version_that_kmm_has_served_is_judged(strict: Webhook, registered: list[Any], version: str) -> None:
    group = "kmm.sigs.x-k8s.io"
    item = named("PreflightValidation", "next", api_version=f"{group}/{version}", spec={"kernelVersion": "6"})
    what = {"kind": {"group": group, "version": version, "kind": "PreflightValidation"}}
    assert "KMM801" in strict.post(review("CREATE", "PreflightValidation", item, **what)).rules()
    assert is_asked(registered, Request("CREATE", "preflightvalidations", group, version))


def test_a_connection_is_no_pod_whatever_it_says_it_is(strict: Webhook) -> None:
    for item in (pod(containers=[loading_container()]), {"spec": {"containers": None}}, {}, None):
        reply = strict.post(review("CONNECT", "Pod", item, subResource="exec", name="tool", namespace="apps"))
        assert (reply.allowed, reply.rules("noted-by")) == (True, [])


def test_of_a_collection_each_object_is_judged_and_those_in_use_stay(strict: Webhook) -> None:
    names = ["a", "pull", "b", "c"]
    replies = [
        strict.post(review("DELETE", "Secret", None, named("Secret", name, "drivers"), name="")) for name in names
    ]
    assert [reply.allowed for reply in replies] == [True, False, True, True]
    assert all("patch" not in reply.response for reply in replies)


def test_a_dry_run_is_refused_where_the_request_would_be(strict: Webhook) -> None:
    assert strict.post(review("DELETE", "Namespace", None, namespace("drivers"), dryRun=True)).rules() == ["REF201"]


def test_objects_without_a_name_yet_are_told_apart(strict: Webhook) -> None:
    item = pod(containers=[loading_container()])
    item["metadata"] = {"generateName": "tool-", "namespace": "apps"}
    asked = [review("CREATE", "Pod", body, name="") for body in (item, item | {"spec": pod()["spec"]})]
    assert [strict.post(body).allowed for body in asked] == [False, True]
