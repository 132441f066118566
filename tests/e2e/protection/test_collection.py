"""The garbage collector, and what Modules still need, on a real API server with a real garbage collector."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import definitions
from tests.e2e.api_server.programs import Programs
from tests.e2e.conftest import NewControlPlane
from tests.e2e.protection.guarded import Json, full_module, named
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook, in_force

pytestmark = pytest.mark.timing


def owned(control_plane: ControlPlane, namespace: str, *, name: str = "pull", blocks: bool = False) -> Json:
    """A Secret that a ConfigMap of the namespace owns; gives the ConfigMap."""
    control_plane.apply(named("ConfigMap", "owner", namespace))
    owner = control_plane.get("configmap", "owner", "-n", namespace)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    reference["blockOwnerDeletion"] = blocks
    control_plane.apply(named("Secret", name, namespace, ownerReferences=[reference]))
    return owner


def is_there(control_plane: ControlPlane, what: str, namespace: str) -> bool:
    return control_plane.kubectl("get", what, "-n", namespace).returncode == 0


def refusals(webhook: Webhook, namespace: str) -> list[Json]:
    """What the garbage collector was refused in a namespace."""
    collector = "system:serviceaccount:kube-system:generic-garbage-collector"
    lines = [
        line for line in webhook.decisions() if line.get("namespace") == namespace and line["operation"] == "DELETE"
    ]
    return [line for line in lines if line["user"] == collector and not line["allowed"]]


def told(control_plane: ControlPlane, namespace: str) -> set[tuple[str, str]]:
    """Kind and name of what Events tell that something is still needed."""
    events = control_plane.get("events", "-n", namespace)["items"]
    found = [event["involvedObject"] for event in events if event["reason"] == "StillNeeded"]
    return {(item["kind"], item["name"]) for item in found}


def test_what_a_module_needs_stays_when_its_owner_is_deleted_and_says_why(
    controllers: ControlPlane, webhook: Webhook, held: str
) -> None:
    owned(controllers, held)
    controllers.kubectl("delete", "configmap", "owner", "-n", held, check=True)
    eventually(lambda: refusals(webhook, held), "the garbage collector is refused")
    eventually(lambda: told(controllers, held) == {("ConfigMap", "owner"), ("Module", "nic")}, "Events tell of it")
    page = webhook.page("/metrics")[1]
    assert f'kmodgate_collections_refused{{kind="Secret",modules="nic",name="pull",namespace="{held}"}}' in page
    assert is_there(controllers, "secret/pull", held)
    controllers.kubectl("delete", "module", "nic", "-n", held, check=True)
    eventually(lambda: not is_there(controllers, "secret/pull", held), "it goes once nobody needs it")


def test_a_second_owner_that_is_not_there_takes_nothing_away(
    controllers: ControlPlane, webhook: Webhook, held: str
) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
    for name in ("pull", "other"):
        controllers.apply(named("Secret", name, held))
        patch = json.dumps({"metadata": {"ownerReferences": [owner]}})
        controllers.kubectl("patch", "secret", name, "-n", held, "--type=merge", "-p", patch, check=True)
    eventually(lambda: not is_there(controllers, "secret/other", held), "what nobody needs is collected")
    eventually(lambda: refusals(webhook, held), "the garbage collector is refused")
    assert is_there(controllers, "secret/pull", held)


def test_a_foreground_deletion_waits_for_the_module(controllers: ControlPlane, webhook: Webhook, held: str) -> None:
    owned(controllers, held, blocks=True)
    arguments = ("--cascade=foreground", "--wait=false")
    controllers.kubectl("delete", "configmap", "owner", "-n", held, *arguments, check=True)
    eventually(lambda: refusals(webhook, held), "the garbage collector is refused")
    assert is_there(controllers, "configmap/owner", held)
    assert is_there(controllers, "secret/pull", held)
    controllers.kubectl("delete", "module", "nic", "-n", held, check=True)
    eventually(lambda: not is_there(controllers, "configmap/owner", held), "the owner goes with what it owns")
    assert not is_there(controllers, "secret/pull", held)


def test_an_orphan_loses_its_owner_and_stays(controllers: ControlPlane, webhook: Webhook, held: str) -> None:
    owned(controllers, held, blocks=True)
    controllers.kubectl("delete", "configmap", "owner", "-n", held, "--cascade=orphan", check=True)

    def is_orphan() -> bool:
        return "ownerReferences" not in controllers.get("secret", "pull", "-n", held)["metadata"]

    eventually(is_orphan, "the Secret has no owner")
    assert refusals(webhook, held) == []


def test_controllers_under_one_name_collect_what_a_namespace_leaves_and_nothing_before(
    new_control_plane: NewControlPlane, programs: Programs, tmp_path: Path
) -> None:
    if programs.controller_manager is None:
        pytest.skip(f"there is no kube-controller-manager in {programs.folder}")
    with new_control_plane() as own:
        own.install(*definitions())
        own.start_controllers(identity="own")
        with in_force(own, tmp_path, ["drivers"]) as webhook:
            own.apply(full_module("drivers"))
            owned(own, "drivers")
            own.kubectl("delete", "configmap", "owner", "-n", "drivers", check=True)
            eventually(
                lambda: [line for line in webhook.decisions() if not line["allowed"] and line["name"] == "pull"],
                "the garbage collector is refused",
            )
            assert is_there(own, "secret/pull", "drivers")
            own.kubectl("delete", "module", "nic", "-n", "drivers", check=True)
            eventually(
                lambda: own.kubectl("delete", "namespace", "drivers", "--wait=false").returncode == 0, "it may go"
            )
            eventually(lambda: own.call("GET", "/api/v1/namespaces/drivers").status == 404, "it is gone")


def test_a_module_takes_along_what_it_owns(controllers: ControlPlane, drivers: str) -> None:
    controllers.apply(full_module(drivers))
    module = controllers.get("module", "nic", "-n", drivers)
    owner = {key: module[key] for key in ("apiVersion", "kind")} | {"name": "nic", "uid": module["metadata"]["uid"]}
    controllers.apply(named("Secret", "pull", drivers, ownerReferences=[owner | {"blockOwnerDeletion": True}]))
    arguments = ("--cascade=foreground", "--wait=false")
    controllers.kubectl("delete", "module", "nic", "-n", drivers, *arguments, check=True)
    eventually(lambda: not is_there(controllers, "module/nic", drivers), "the Module goes")
    assert not is_there(controllers, "secret/pull", drivers)
