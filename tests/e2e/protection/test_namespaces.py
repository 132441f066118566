"""Namespaces that hold Modules, on a real API server with the webhook on Fail."""

from __future__ import annotations

import json

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import node_modules_config
from tests.e2e.protection.guarded import KMM, full_module, namespaces_rules, override, refused, role_of
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook

LABEL = "kmm.node.k8s.io/contains-modules"


def test_deleting_a_namespace_with_a_module_is_refused_and_says_which(control_plane: ControlPlane, held: str) -> None:
    refused(control_plane.kubectl("delete", "namespace", held), "REF201", f"Module {held}/nic")


@pytest.mark.parametrize("change", [f"{LABEL}-", f"{LABEL}=true"])
def test_without_kmms_label_a_namespace_is_no_less_protected(
    control_plane: ControlPlane, held: str, change: str
) -> None:
    control_plane.kubectl("label", "namespace", held, f"{LABEL}=", check=True)
    refused(control_plane.kubectl("label", "--overwrite", "namespace", held, change), "REF202")
    control_plane.apply(*role_of(KMM, "kmm-labels", namespaces_rules()))
    control_plane.kubectl("label", "--overwrite", "namespace", held, change, as_=KMM, check=True)
    refused(control_plane.kubectl("delete", "namespace", held), "REF201")


@pytest.mark.parametrize("value", ["", "true"])
def test_a_namespace_that_no_fleet_knows_keeps_the_label_whatever_its_value(
    control_plane: ControlPlane, webhook: Webhook, namespace: str, value: str
) -> None:
    control_plane.apply(full_module(namespace))
    control_plane.kubectl("label", "namespace", namespace, f"{LABEL}={value}", check=True)
    refused(control_plane.kubectl("label", "namespace", namespace, f"{LABEL}-"), "REF202")
    refused(control_plane.kubectl("delete", "namespace", namespace), "REF201")


def test_by_its_status_a_namespace_loses_neither_label_nor_protection(control_plane: ControlPlane, held: str) -> None:
    control_plane.apply(*role_of("bob", "namespaces-bob", namespaces_rules()))
    control_plane.kubectl("label", "namespace", held, f"{LABEL}=", check=True)
    for metadata, rule in (
        ({"labels": {LABEL: None}}, "REF202"),
        ({"annotations": dict([override().split("=", 1)])}, "REF205"),
    ):
        patch = ("--type=merge", "-p", json.dumps({"metadata": metadata}))
        refused(control_plane.kubectl("patch", "namespace", held, "--subresource=status", *patch, user="bob"), rule)
    assert control_plane.get("namespace", held)["metadata"]["labels"][LABEL] == ""


@pytest.mark.parametrize("name", ["elsewhere", None])
@pytest.mark.parametrize("path", [(), ("--subresource=status",)], ids=["", "status"])
def test_the_label_by_which_a_namespace_is_selected_cannot_be_changed_along(
    control_plane: ControlPlane, held: str, name: str | None, path: tuple[str, ...]
) -> None:
    control_plane.apply(*role_of("bob", "namespaces-bob", namespaces_rules()))
    labels = {"kubernetes.io/metadata.name": name, "pod-security.kubernetes.io/enforce": "restricted"}
    patch = ("--type=merge", "-p", json.dumps({"metadata": {"labels": labels}}))
    refused(control_plane.kubectl("patch", "namespace", held, *path, *patch, user="bob"), "REF210")


def test_deleting_all_namespaces_leaves_those_with_modules(control_plane: ControlPlane, held: str) -> None:
    control_plane.kubectl("label", "namespace", held, "batch=all", check=True)
    refused(control_plane.kubectl("delete", "namespaces", "-l", "batch=all"), "REF201", held)
    refused(control_plane.kubectl("delete", "namespaces", "--all", "--wait=false", "--dry-run=server"), "REF201", held)


def test_a_dry_run_is_answered_as_the_real_thing(control_plane: ControlPlane, held: str) -> None:
    refused(control_plane.kubectl("delete", "namespace", held, "--dry-run=server"), "REF201")


def test_an_unload_that_still_runs_holds_the_namespace(control_plane: ControlPlane, drivers: str) -> None:
    status = {"modules": node_modules_config("", full_module(drivers))["spec"]["modules"]}
    config = node_modules_config(f"node-of-{drivers}")
    control_plane.apply(config)
    control_plane.kubectl(
        "patch", "nodemodulesconfig", config["metadata"]["name"], "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": status}), check=True,
    )  # fmt: skip
    eventually(
        lambda: "not unloaded yet" in control_plane.kubectl("delete", "namespace", drivers, "--dry-run=server").stderr,
        "the entry of the node is seen",
    )
    control_plane.kubectl("delete", "nodemodulesconfig", config["metadata"]["name"], check=True)


def test_a_controller_may_not_delete_the_namespace_either(control_plane: ControlPlane, held: str) -> None:
    collector = "system:serviceaccount:kube-system:generic-garbage-collector"
    control_plane.apply(*role_of(collector, "collector", namespaces_rules()))
    refused(control_plane.kubectl("delete", "namespace", held, as_=collector), "REF201")


def test_a_namespace_without_modules_goes(controllers: ControlPlane, drivers: str) -> None:
    controllers.apply(full_module(drivers))
    refused(controllers.kubectl("delete", "namespace", drivers), "REF201")
    controllers.kubectl("delete", "module", "nic", "-n", drivers, check=True)
    eventually(lambda: controllers.kubectl("delete", "namespace", drivers).returncode == 0, "the namespace may go")
    eventually(lambda: controllers.call("GET", f"/api/v1/namespaces/{drivers}").status == 404, "it is gone")


def test_a_namespace_that_ends_already_may_be_deleted_again(control_plane: ControlPlane, drivers: str) -> None:
    finalized = {"spec": {"finalizers": ["kubernetes", "example.com/hold"]}}
    found = control_plane.get("namespace", drivers)
    control_plane.call("PUT", f"/api/v1/namespaces/{drivers}/finalize", found | finalized)
    control_plane.kubectl("delete", "namespace", drivers, "--wait=false", check=True)
    control_plane.kubectl("delete", "namespace", drivers, "--wait=false", check=True)
    found = control_plane.get("namespace", drivers)
    rescued = control_plane.call("PUT", f"/api/v1/namespaces/{drivers}/finalize", found | {"spec": {}})
    assert rescued.status == 200, rescued.body


def test_finalizing_by_hand_is_refused_while_modules_are_left(control_plane: ControlPlane, held: str) -> None:
    found = control_plane.get("namespace", held)
    answer = control_plane.call("PUT", f"/api/v1/namespaces/{held}/finalize", found | {"spec": {"finalizers": []}})
    assert answer.status == 403
    assert "REF203" in answer.body["message"]
