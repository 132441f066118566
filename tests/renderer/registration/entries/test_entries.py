"""Entries of the webhook: which requests the API server sends, and that no cluster waits for the webhook to come up."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from kmodgate.policy.cluster.controllers import COLLECTORS
from tests.command import run
from tests.fleets import FleetFolder
from tests.objects.changed_definitions import (
    STRICTER,
    USEFUL,
    USELESS,
    changed,
    definition,
    empty_contents,
    listed_elsewhere,
)
from tests.renderer.registration.reaching import Request, called
from tests.renderer.registration.registering import (
    COMES_UP,
    CONTROLLERS,
    FINALIZED,
    KMM_GROUP,
    LABEL,
    MIGRATED,
    OVERRIDE,
    OWNED,
    answer,
    generated,
    made,
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
        ("kmm.sigs.x-k8s.io", "v1beta1", "bootmoduleconfigs"),
        ("kmm.sigs.x-k8s.io", "v1beta1", "initramfsmodules"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("namespace", ["kmm-tests", "elsewhere", "kube-system", "kmodgate-system", "openshift-kmm"])
def test_row_modules_fails_in_all_namespaces(
    fleet: FleetFolder, group: str, version: str, resource: str, namespace: str
) -> None:
    objects = generated(fleet)
    for operation in ("CREATE", "UPDATE"):
        request = Request(operation, resource, group, version, namespace=namespace, content={"spec": 1})
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
    for resource in ("secrets", "configmaps", "serviceaccounts"):
        request = Request("DELETE", resource, namespace="foreign", labels=None, old={}, place=label)
        assert answer(objects, request) == [("labelled-contents", "Fail")]


def test_a_change_of_owners_alone_is_not_asked_about(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    for resource in ("secrets", "configmaps", "serviceaccounts"):
        request = Request("UPDATE", resource, old={}, content=OWNED, namespace="kmm-tests")
        assert answer(objects, request) == []


def test_a_module_is_asked_about_but_where_a_controller_only_keeps_it(fleet: FleetFolder) -> None:
    objects = generated(fleet)

    def asked(user: str, content: dict[str, Any]) -> list[tuple[str, str]]:
        request = Request("UPDATE", "modules", KMM_GROUP, "v1beta1", old={}, content=content, user=user)
        return answer(objects, request)

    for user in CONTROLLERS:
        assert asked(user, FINALIZED) == []
        assert asked(user, {"spec": 1}) == [("modules", "Fail")]
    assert asked("alice", FINALIZED) == [("modules", "Fail")]
    assert asked("alice", MIGRATED) == []


@pytest.mark.parametrize("place", [{}, {LABEL: ""}])
def test_controllers_do_not_wait_for_what_they_are_never_refused(fleet: FleetFolder, place: dict[str, str]) -> None:
    objects, name = generated(fleet), "foreign" if place else "kmm-tests"
    row = "labelled-namespaces" if place else "protection"
    contents = "labelled-contents" if place else "protection"

    def asked(operation: str, resource: str, user: str, **more: Any) -> list[tuple[str, str]]:
        where = {"name": name} if resource.startswith("namespaces") else {"namespace": name}
        return answer(
            objects, Request(operation, resource, user=user, place=place, labels=place, old=place, **where, **more)
        )

    for user in CONTROLLERS:
        for resource in ("namespaces", "namespaces/finalize", "namespaces/status"):
            assert asked("UPDATE", resource, user) == []
            assert (row, "Fail") in asked("UPDATE", resource, user, annotations={OVERRIDE: "yes"})
            assert asked("UPDATE", resource, "alice") == [(row, "Fail")]
        assert asked("DELETE", "namespaces", user) == [(row, "Fail")]
        is_collector = user in COLLECTORS
        assert asked("DELETE", "secrets", user) == ([(contents, "Fail")] if is_collector else [])


def test_row_new_kinds_is_ignored_when_nobody_answers(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    for group in (KMM_GROUP, f"hub.{KMM_GROUP}"):
        assert answer(objects, Request("CREATE", "kernelpatches", group, "v7")) == [("new-kinds", "Ignore")]
        assert answer(objects, Request("UPDATE", "kernelpatches/status", group, "v7", old={})) == []


def test_row_definitions_fails_for_those_of_kmm(fleet: FleetFolder) -> None:
    objects = generated(fleet)

    def asked(name: str) -> list[tuple[str, str]]:
        content = {"metadata": {"name": name}}
        request = Request("DELETE", "customresourcedefinitions", "apiextensions.k8s.io", name=name, old_content=content)
        return answer(objects, request)

    for name in (f"modules.{KMM_GROUP}", f"initramfsmodules.{KMM_GROUP}", f"managedclustermodules.hub.{KMM_GROUP}"):
        assert asked(name) == [("definitions", "Fail")]
    assert asked("modules.example.com") == []


@pytest.mark.parametrize("name", ["modules", "nodemodulesconfigs"])
def test_row_definitions_sees_what_makes_one_useless_and_no_upgrade(fleet: FleetFolder, name: str) -> None:
    objects, old = generated(fleet), definition(name)

    def asked(new: dict[str, Any], user: str = "alice") -> list[tuple[str, str]]:
        full = f"{name}.{KMM_GROUP}"
        content = {"old_content": old, "content": new, "old": {}, "user": user}
        return answer(
            objects, Request("UPDATE", "customresourcedefinitions", "apiextensions.k8s.io", name=full, **content)
        )

    for change in (*USELESS.values(), empty_contents):
        assert asked(changed(old, change)) == [("definitions", "Fail"), ("schemas", "Ignore")]
        assert asked(changed(old, change), "system:serviceaccount:olm:olm-operator-serviceaccount") == []
    for change in (*USEFUL.values(), *STRICTER.values(), listed_elsewhere):
        assert asked(changed(old, change)) == [("schemas", "Ignore")]
    assert asked(changed(old, lambda item: item["metadata"].update(labels={"a": "b"}))) == []


def test_row_definitions_sees_an_override_that_is_set(fleet: FleetFolder) -> None:
    objects = generated(fleet)

    def asked(operation: str, name: str, now: str | None, before: str | None = None) -> list[tuple[str, str]]:
        spec: dict[str, Any] = {"spec": {"versions": []}}
        old = spec | ({"metadata": {"annotations": {OVERRIDE: before}}} if before else {})
        more = {"content": spec} if operation == "CREATE" else {"content": spec, "old": {}, "old_content": old}
        annotations = {OVERRIDE: now} if now else None
        resource, group = "customresourcedefinitions", "apiextensions.k8s.io"
        return answer(objects, Request(operation, resource, group, name=name, annotations=annotations, **more))

    name = f"modules.{KMM_GROUP}"
    for operation, before in (("CREATE", None), ("UPDATE", None), ("UPDATE", "another")):
        assert asked(operation, name, "bob", before) == [("definitions", "Fail")]
        assert asked(operation, "modules.example.com", "bob", before) == []
    assert (
        asked("UPDATE", name, "bob", "bob") == asked("UPDATE", name, None, "bob") == asked("CREATE", name, None) == []
    )


def test_row_other_namespaces_sees_each_namespace_that_ends_and_holds_up_none(fleet: FleetFolder) -> None:
    objects = generated(fleet)
    request = Request("DELETE", "namespaces", name="foreign", labels=None, old={})
    assert answer(objects, request) == [("other-namespaces", "Ignore")]
    for name in ("kube-system", "kmodgate-system"):
        assert answer(objects, Request("DELETE", "namespaces", name=name, labels=None, old={})) == []


@pytest.mark.parametrize("place", [{}, {LABEL: ""}])
def test_what_makes_a_namespace_useless_is_asked_about(fleet: FleetFolder, place: dict[str, str]) -> None:
    objects, prefix = generated(fleet), "labelled-" if place else ""
    where: dict[str, Any] = {"namespace": "foreign" if place else "kmm-tests", "place": place}

    def changed(resource: str, old: Any, new: Any) -> list[tuple[str, str]]:
        return answer(objects, Request("UPDATE", resource, old={}, old_content=old, content=new, **where))

    long = "a" * 30
    for resource in ("secrets", "configmaps"):
        blank = (" " * 90, base64.b64encode(b" " * 90).decode(), base64.b64encode(b"\0\r\n\t" * 30).decode())
        for new in ({}, {"data": {}}, *({"data": {"key": value}} for value in ("", "e30=", *blank))):
            assert changed(resource, {"data": {"key": long}}, new) == [(f"{prefix}emptied", "Fail")]
        assert changed(resource, {"data": {"key": long}}, {"data": {"key": long[1:], "more": ""}}) == []
    dockerfile = {"data": {"dockerfile": f"FROM {long}"}}
    assert changed("configmaps", dockerfile, {"data": {"dockerfile": f"FROM b{long}"}}) == [
        (f"{prefix}dockerfiles", "Ignore")
    ]
    little: list[tuple[dict[str, str], bool]] = [
        ({"pods": "0"}, True),
        ({"count/pods": "0"}, True),
        ({"requests.cpu": "250m"}, True),
        ({"limits.memory": "100Mi"}, True),
        ({"pods": "5", "requests.cpu": "4", "limits.memory": "8Gi"}, False),
        ({}, False),
    ]
    for hard, asked in little:
        for operation in ("CREATE", "UPDATE"):
            request = Request(operation, "resourcequotas", content={"spec": {"hard": hard}}, **where)
            assert answer(objects, request) == ([(f"{prefix}quotas", "Fail")] if asked else [])


@pytest.mark.parametrize("resource", ["rolebindings", "roles"])
@pytest.mark.parametrize("operation", ["UPDATE", "DELETE"])
def test_row_access_is_for_openshift(fleet: FleetFolder, tmp_path: Path, resource: str, operation: str) -> None:
    group = "rbac.authorization.k8s.io"
    objects = made(run("webhook-config", "--namespace=kmm-tests", "--platform=openshift", cwd=tmp_path))
    plain = made(run("webhook-config", "--namespace=kmm-tests", cwd=tmp_path))
    for namespace, place, name in (("kmm-tests", {}, "access"), ("foreign", {LABEL: ""}, "labelled-access")):
        request = Request(operation, resource, group, namespace=namespace, place=place, old={})
        assert answer(objects, request) == [(name, "Fail")]
        assert answer(plain, request) == []


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


def test_a_driver_in_kube_system_or_beside_the_webhook_does_not_draw_protection_there(fleet: FleetFolder) -> None:
    for namespace in ("kube-system", "kmodgate-system"):
        path = fleet.driver(namespace)
        path.write_text(path.read_text().replace("name: kmm-tests", f"name: {namespace}"))
    objects = generated(fleet)
    assert protected(objects) == ["kmm-tests"]
    for request in COMES_UP:
        assert not [item for item in called(validating(objects), request) if item["failurePolicy"] == "Fail"]
