"""The entries about what installs KMM's operator, and about its images in OpenShift's own namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request
from tests.renderer.registration.registering import answer, generated, policy

OLM = "operators.coreos.com"
VERSION = "kernel-module-management.v2.6.0"
OWN = {"app.kubernetes.io/managed-by": "kmodgate"}


def openshift(fleet: FleetFolder) -> dict[str, Any]:
    path = fleet.cluster("paris")
    path.write_text(path.read_text().replace("platform: kubernetes", "platform: openshift"))
    return generated(fleet)


def deletion(resource: str, content: dict[str, Any], version: str = "v1alpha1") -> Request:
    return Request("DELETE", resource, OLM, version, namespace="a", labels=None, old={}, old_content=content)


INSTALLING = [
    deletion("subscriptions", {"spec": {"name": "kernel-module-management"}}),
    deletion("subscriptions", {"spec": {"name": "kernel-module-management-hub"}}),
    deletion("clusterserviceversions", {"metadata": {"name": VERSION}}),
    deletion("installplans", {"spec": {"clusterServiceVersionNames": ["other.v1", VERSION]}}),
    deletion("operatorgroups", {}, "v1"),
]

OTHERS = [
    deletion("subscriptions", {"spec": {"name": "node-feature-discovery"}}),
    deletion("clusterserviceversions", {"metadata": {"name": VERSION, "labels": {"olm.copiedFrom": "openshift-kmm"}}}),
    deletion("clusterserviceversions", {"metadata": {"name": "other.v1"}}),
    deletion("installplans", {"spec": {"clusterServiceVersionNames": ["other.v1"]}}),
    deletion("catalogsources", {"metadata": {"name": "kernel-module-management"}}),
]


@pytest.mark.parametrize("request_", INSTALLING, ids=lambda item: item.resource)
def test_deleting_what_installs_kmm_is_asked_and_waits_for_nobody(fleet: FleetFolder, request_: Request) -> None:
    assert answer(openshift(fleet), request_) == [("installations", "Ignore")]


@pytest.mark.parametrize("request_", OTHERS, ids=lambda item: item.resource)
def test_deleting_what_installs_others_is_not_asked(fleet: FleetFolder, request_: Request) -> None:
    assert answer(openshift(fleet), request_) == []


@pytest.mark.parametrize("resource", ["subscriptions", "clusterserviceversions", "installplans", "operatorgroups"])
def test_an_override_that_is_set_is_asked_about_and_olms_own_copies_are_not(fleet: FleetFolder, resource: str) -> None:
    objects = openshift(fleet)
    version = "v1" if resource == "operatorgroups" else "v1alpha1"
    override = {"kmodgate.io/override": "bob"}

    def asked(operation: str, **more: Any) -> list[tuple[str, str]]:
        return answer(objects, Request(operation, resource, OLM, version, namespace="a", **more))

    held = {"old": {}, "old_content": {"metadata": {"annotations": override}}}
    assert asked("CREATE", annotations=override) == [("installations", "Ignore")]
    assert asked("UPDATE", annotations=override, old={}) == [("installations", "Ignore")]
    assert asked("UPDATE", annotations=override, **held) == asked("UPDATE", **held) == asked("CREATE") == []
    user = "system:serviceaccount:openshift-operator-lifecycle-manager:olm-operator-serviceaccount"
    assert asked("CREATE", annotations=override, user=user) == []


def test_a_cluster_without_olm_has_no_entry_for_it(fleet: FleetFolder) -> None:
    assert [answer(generated(fleet), item) for item in INSTALLING] == [[]] * len(INSTALLING)


def test_plain_kubernetes_has_olm_where_kmm_is_installed_by_it(fleet: FleetFolder) -> None:
    path = fleet.cluster("paris")
    path.write_text(
        f"{path.read_text()}  tools: {{kubectl: 'quay.io/acme/kubectl:1'}}\n".replace(
            "kmm: {", f"kmm: {{install: {{csv: {VERSION}}}, "
        )
    )
    assert answer(generated(fleet), INSTALLING[0]) == [("installations", "Ignore")]


def workload(resource: str, namespace: str, image: str, labels: dict[str, str] | None = None) -> Request:
    content = {"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}
    group = "batch" if resource == "jobs" else "apps"
    return Request("CREATE", resource, group, namespace=namespace, labels=labels or {}, content=content)


def test_images_of_the_operator_are_asked_about_in_openshifts_own_namespaces(fleet: FleetFolder) -> None:
    policy(fleet, "parameters: {allowedRegistries: [quay.io]}")
    objects = openshift(fleet)
    operator = "quay.io/acme/kernel-module-management-operator:2.6"
    assert answer(objects, workload("deployments", "openshift-kmm", operator)) == [("operators", "Ignore")]
    assert answer(objects, workload("jobs", "openshift-kmm", "a:1", OWN)) == [("operators", "Ignore")]
    assert answer(objects, workload("deployments", "openshift-dns", "a:1")) == []
    assert answer(objects, workload("jobs", "openshift-kmm", "a:1")) == []
    assert answer(objects, workload("deployments", "kmm", operator)) == [("workloads", "Ignore")]


def test_without_a_parameter_about_images_openshifts_namespaces_are_left_alone(fleet: FleetFolder) -> None:
    assert answer(openshift(fleet), workload("jobs", "openshift-kmm", "a:1", OWN)) == []
