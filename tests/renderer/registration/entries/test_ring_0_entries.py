"""The entries about workloads: which pods the API server asks about, and none that a cluster needs to come up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import run
from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request, called
from tests.renderer.registration.registering import (
    COMES_UP,
    answer,
    generated,
    made,
    mutating,
    validating,
)

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
