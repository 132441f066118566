"""Entries of the webhook: which requests the API server sends, and that no cluster waits for the webhook to come up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kmodgate.policy.rule import RULES, load_rules
from kmodgate.policy.webhook_entries import is_reached
from tests.command import run
from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request, called
from tests.renderer.registration.registering import (
    COMES_UP,
    LABEL,
    OVERRIDE,
    answer,
    generated,
    made,
    mutating,
    policy,
    protected,
    validating,
)


@pytest.mark.parametrize(
    ("group", "version", "resource"),
    [
        ("kmm.sigs.x-k8s.io", "v1beta1", "modules"),
        ("hub.kmm.sigs.x-k8s.io", "v1beta1", "managedclustermodules"),
        ("kmm.sigs.x-k8s.io", "v1beta2", "preflightvalidations"),
        ("kmm.sigs.x-k8s.io", "v1beta1", "preflightvalidations"),
        ("kmm.sigs.x-k8s.io", "v1beta2", "preflightvalidationsocp"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("namespace", ["kmm-tests", "elsewhere", "kube-system", "kmodgate-system", "openshift-kmm"])
def test_row_modules_fails_in_all_namespaces(
    fleet: FleetFolder, group: str, version: str, resource: str, namespace: str
) -> None:
    objects = generated(fleet)
    for operation in ("CREATE", "UPDATE"):
        request = Request(operation, resource, group, version, namespace=namespace)
        assert answer(objects, request) == [("modules", "Fail")]
    assert answer(objects, Request("UPDATE", f"{resource}/status", group, version, namespace=namespace)) == []
    assert answer(objects, Request("DELETE", resource, group, version, namespace=namespace)) == []


@pytest.mark.parametrize(
    "request_",
    [
        Request("DELETE", "namespaces", name="kmm-tests", labels=None, old={}),
        Request("UPDATE", "namespaces", name="kmm-tests"),
        Request("CREATE", "namespaces", name="kmm-tests"),
        Request("UPDATE", "namespaces/finalize", name="kmm-tests"),
        Request("UPDATE", "namespaces/status", name="kmm-tests"),
        Request("DELETE", "secrets", namespace="kmm-tests", labels=None, old={}),
        Request("DELETE", "serviceaccounts", namespace="kmm-tests", labels=None, old={}),
        Request("DELETE", "configmaps", namespace="kmm-tests", labels=None, old={}),
        Request("DELETE", "rolebindings", "rbac.authorization.k8s.io", namespace="kmm-tests", labels=None, old={}),
        Request("UPDATE", "rolebindings", "rbac.authorization.k8s.io", namespace="kmm-tests", old={}),
    ],
    ids=lambda request: f"{request.operation} {request.resource}",
)  # fmt: skip
def test_row_protection_fails_in_the_namespaces_of_drivers(fleet: FleetFolder, request_: Request) -> None:
    assert answer(generated(fleet), request_) == [("protection", "Fail")]


@pytest.mark.parametrize(("old", "new"), [({LABEL: ""}, {}), ({LABEL: ""}, {LABEL: "true"}), ({}, {LABEL: ""})])
def test_row_protection_sees_kmms_label_taken_off_and_changed_in_a_namespace_that_no_fleet_knows(
    fleet: FleetFolder, old: dict[str, str], new: dict[str, str]
) -> None:
    request = Request("UPDATE", "namespaces", name="foreign", labels=new, old=old, place=old)
    assert answer(generated(fleet), request) == [("labelled-namespaces", "Fail")]


@pytest.mark.parametrize("value", ["", "true"])
def test_row_protection_covers_labelled_namespaces_and_what_lies_in_them(fleet: FleetFolder, value: str) -> None:
    objects, label = generated(fleet), {LABEL: value}
    gone = Request("DELETE", "namespaces", name="foreign", labels=None, old=label, place=label)
    finalized = Request("UPDATE", "namespaces/finalize", name="foreign", labels=label, old=label, place=label)
    patched = Request("UPDATE", "namespaces/status", name="foreign", labels={}, old=label, place=label)
    for request in (gone, finalized, patched):
        assert answer(objects, request) == [("labelled-namespaces", "Fail")]
    for resource, group in (("secrets", ""), ("configmaps", ""), ("rolebindings", "rbac.authorization.k8s.io")):
        request = Request("DELETE", resource, group, namespace="foreign", labels=None, old={}, place=label)
        assert answer(objects, request) == [("labelled-contents", "Fail")]


@pytest.mark.parametrize("resource", ["secrets", "configmaps", "serviceaccounts"])
def test_row_owners_sees_an_owner_that_is_added_and_no_other_change(fleet: FleetFolder, resource: str) -> None:
    objects = generated(fleet)

    def asked(old: tuple[str, ...], new: tuple[str, ...], **place: Any) -> list[tuple[str, str]]:
        return answer(objects, Request("UPDATE", resource, old={}, owners=new, old_owners=old, **place))

    for old, new in (((), ("a",)), (("a",), ("a", "b")), (("a",), ("b",))):
        assert asked(old, new, namespace="kmm-tests") == [("owners", "Fail")]
        assert asked(old, new, namespace="foreign", place={LABEL: ""}) == [("labelled-owners", "Fail")]
        assert asked(old, new, namespace="elsewhere") == []
    for old, new in (((), ()), (("a",), ("a",)), (("a",), ())):
        assert asked(old, new, namespace="kmm-tests") == []


@pytest.mark.parametrize(
    ("operation", "resource"),
    [("CREATE", "namespaces"), ("UPDATE", "namespaces"), ("UPDATE", "namespaces/status"), ("UPDATE", "namespaces/finalize")],
)  # fmt: skip
def test_row_overrides_sees_an_override_before_the_namespace_is_one_of_drivers(
    fleet: FleetFolder, operation: str, resource: str
) -> None:
    objects = generated(fleet)

    def asked(name: str, annotations: dict[str, str] | None) -> list[tuple[str, str]]:
        return answer(objects, Request(operation, resource, name=name, annotations=annotations))

    assert asked("foreign", {OVERRIDE: "alice until 2026-01-31T18:00:00Z"}) == [("overrides", "Fail")]
    assert asked("kmm-tests", {OVERRIDE: "yes"}) == [("protection", "Fail")]
    for others in (None, {}, {"team": "nic"}):
        assert asked("foreign", others) == []
    for name in ("kube-system", "kmodgate-system"):
        assert asked(name, {OVERRIDE: "yes"}) == []


def test_row_ims_mutates_new_pods_and_validates_them_and_their_ephemeral_containers(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    pod = Request("CREATE", "pods", namespace="ims")
    (entry,) = called(mutating(objects), pod)
    assert (entry["failurePolicy"], entry["reinvocationPolicy"]) == ("Ignore", "IfNeeded")
    debugged = Request("UPDATE", "pods/ephemeralcontainers", namespace="ims", old={})
    for request in (pod, debugged):
        assert answer(objects, request) == [("dkms-pods", "Fail")]
    assert called(mutating(objects), debugged) == []
    assert called(mutating(objects), Request("CREATE", "pods", namespace="elsewhere")) == []
    assert answer(objects, Request("CREATE", "jobs", "batch", namespace="ims")) == [("workloads", "Ignore")]


def test_row_ims_covers_other_dkms_work_that_the_policy_names(fleet: FleetFolder) -> None:
    work = "work: {namespaces: [builds], serviceAccounts: [ci/dkms], podLabels: [{dkms: 'yes', team: a}]}"
    policy(fleet, f"parameters: {{kata: {{imsNamespace: images, {work}}}}}")
    objects = generated(fleet)
    for namespace in ("images", "builds", "ci"):
        assert answer(objects, Request("CREATE", "pods", namespace=namespace)) == [("dkms-pods", "Fail")]
    pod = Request("CREATE", "pods", namespace="default", labels={"dkms": "yes", "team": "a", "b": "c"})
    assert ("labelled-dkms-pods", "Fail") in answer(objects, pod)
    assert [item["failurePolicy"] for item in called(mutating(objects), pod)] == ["Ignore"]
    assert answer(objects, Request("CREATE", "pods", namespace="default", labels={"dkms": "yes"})) == [
        ("workloads", "Ignore")
    ]
    assert (
        answer(objects, Request("CREATE", "pods", namespace="kube-system", labels={"dkms": "yes", "team": "a"})) == []
    )
    assert answer(objects, Request("CREATE", "pods", namespace="ims")) == [("workloads", "Ignore")]


WORKLOADS = [
    ("", "pods"), ("", "replicationcontrollers"), ("apps", "deployments"), ("apps", "daemonsets"),
    ("apps", "statefulsets"), ("apps", "replicasets"), ("batch", "jobs"), ("batch", "cronjobs"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "resource"), WORKLOADS)
def test_row_ring_0_is_ignored_when_nobody_answers_and_leaves_the_platform_out(
    fleet: FleetFolder, group: str, resource: str
) -> None:
    objects = generated(fleet)
    for namespace in ("default", "kmm-tests", "kubevirt", "openshift", "kube-flannel", "kube-own", "openshift-sdn"):
        assert answer(objects, Request("CREATE", resource, group, namespace=namespace)) == [("workloads", "Ignore")]
    for namespace in ("kube-system", "kube-public", "kube-node-lease", "kmodgate-system"):
        assert answer(objects, Request("CREATE", resource, group, namespace=namespace)) == []


def test_on_openshift_its_own_namespaces_are_left_to_it_too(fleet: FleetFolder, tmp_path: Path) -> None:
    named = made(run("webhook-config", "--namespace=kmm-tests", "--platform=openshift", cwd=tmp_path))
    path = fleet.cluster("paris")
    path.write_text(path.read_text().replace("platform: kubernetes", "platform: openshift"))
    for objects in (named, generated(fleet)):
        for namespace in ("default", "kube-flannel", "openshift", "openshiftish"):
            assert answer(objects, Request("CREATE", "pods", namespace=namespace)) == [("workloads", "Ignore")]
        for namespace in ("kube-system", "openshift-sdn", "openshift-own"):
            assert answer(objects, Request("CREATE", "pods", namespace=namespace)) == []


def test_where_a_fleet_says_the_platform_nobody_else_does(fleet: FleetFolder) -> None:
    result = fleet.run("webhook-config", "--platform=openshift")
    assert (result.returncode, result.stdout) == (2, "")
    assert "spec.platform" in result.stderr


def test_row_ring_0_sees_ephemeral_containers(fleet: FleetFolder) -> None:
    request = Request("UPDATE", "pods/ephemeralcontainers", namespace="default", old={})
    assert answer(generated(fleet), request) == [("workloads", "Ignore")]


@pytest.mark.parametrize("request_", COMES_UP, ids=lambda item: f"{item.operation} {item.resource} {item.namespace}")
def test_without_the_webhook_nothing_is_blocked_that_a_cluster_needs_to_come_up(
    fleet: FleetFolder, request_: Request
) -> None:
    entries = [*called(validating(objects := generated(fleet)), request_), *called(mutating(objects), request_)]
    assert [item["name"] for item in entries if item["failurePolicy"] == "Fail"] == []


def test_a_driver_in_kube_system_or_beside_the_webhook_does_not_draw_protection_there(fleet: FleetFolder) -> None:
    for namespace in ("kube-system", "kmodgate-system"):
        path = fleet.driver(namespace)
        path.write_text(path.read_text().replace("name: kmm-tests", f"name: {namespace}"))
    objects = generated(fleet)
    assert protected(objects) == ["kmm-tests"]
    for request in COMES_UP:
        assert not [item for item in called(validating(objects), request) if item["failurePolicy"] == "Fail"]


def test_an_entry_that_fails_has_no_condition_that_could(fleet: FleetFolder) -> None:
    """A field that may be missing is asked for before it is read."""
    entries = [item for item in validating(generated(fleet))["webhooks"] if item["failurePolicy"] == "Fail"]
    expressions = {cel["expression"] for item in entries for cel in item.get("matchConditions", ())}
    assert len(expressions) == 2
    for expression in expressions:
        for field in set(re.findall(r"\b(?:object|oldObject)(?:\.\w+)+", expression)):
            assert expression.index(f"has({field})") < re.search(rf"(?<!has\(){re.escape(field)}", expression).start()  # type: ignore[union-attr]


def test_a_request_is_sent_to_one_entry_of_a_kind_at_most(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    for request in COMES_UP:
        assert len(called(validating(objects), request)) <= 1
        assert len(called(mutating(objects), request)) <= 1


def test_every_entry_keeps_the_contract(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    entries = [*validating(objects)["webhooks"], *mutating(objects)["webhooks"]]
    for item in entries:
        assert item["sideEffects"] == "None"
        assert item["admissionReviewVersions"] == ["v1"]
        assert item["matchPolicy"] == "Equivalent"
        assert 1 <= item["timeoutSeconds"] <= 5
        assert item["name"].endswith(".kmodgate.io")
    for configuration in (validating(objects), mutating(objects)):
        names = [item["name"] for item in configuration["webhooks"]]
        assert len(set(names)) == len(names)


_KINDS = {
    "Namespace": ("", "namespaces"), "Secret": ("", "secrets"), "ServiceAccount": ("", "serviceaccounts"),
    "ConfigMap": ("", "configmaps"), "rbac.authorization.k8s.io/RoleBinding": ("rbac.authorization.k8s.io", "rolebindings"),
}  # fmt: skip


def test_what_a_guarding_rule_looks_at_is_asked() -> None:
    load_rules()
    guards = [rule for rule in RULES.values() if rule.guards and rule.id.startswith("REF")]
    assert guards
    for rule in guards:
        for kind in rule.kinds:
            group, resource = _KINDS[kind]
            for operation in rule.operations:
                assert is_reached("/validate", group, resource, "", operation), rule.id


def test_what_the_webhook_is_not_registered_for_it_is_not_asked() -> None:
    assert is_reached("/validate", "", "namespaces", "finalize", "UPDATE")
    assert is_reached("/validate", "", "namespaces", "status", "UPDATE")
    assert not is_reached("/validate", "", "secrets", "", "CREATE")
    assert not is_reached("/validate", "", "pods", "exec", "CONNECT")
    assert not is_reached("/mutate", "", "pods", "ephemeralcontainers", "UPDATE")
    assert not is_reached("/validate", "", "nodes", "", "CREATE")
