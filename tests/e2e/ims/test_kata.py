"""DKMS work of the Image Management Service on a real API server: put into Kata by a real Job's pod, or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmodgate.policy.kata.ims_jobs import USER
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.ims.ims_pods import CLASS, UUID, dry_run, ims_job, pod_text, pods_of
from tests.e2e.objects import runtime_class
from tests.e2e.protection.guarded import role_of
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook, in_force


@pytest.fixture(scope="module")
def webhook(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ims"}})
    with in_force(control_plane, tmp_path_factory.mktemp("webhook"), ["drivers"]) as running:
        yield running


@pytest.fixture
def kata(control_plane: ControlPlane, webhook: Webhook) -> None:
    """The RuntimeClass of Kata, seen by the webhook."""
    control_plane.apply(CLASS)
    eventually(lambda: not control_plane.kubectl(*dry_run(), input=pod_text(9)).returncode, "the class is seen")


@pytest.mark.usefixtures("kata")
def test_the_pod_of_a_job_with_dkms_gets_the_class_and_what_belongs_to_it(controllers: ControlPlane) -> None:
    found = ims_job(1)
    controllers.apply(found)
    eventually(lambda: pods_of(controllers, found) != [], "the Job controller has made a pod")
    (pod,) = pods_of(controllers, found)
    assert pod["spec"]["runtimeClassName"] == "kata-qemu"
    assert pod["spec"]["overhead"] == {"memory": "160Mi"}
    assert pod["spec"]["nodeSelector"] == {"katacontainers.io/kata-runtime": "true"}


@pytest.mark.usefixtures("kata")
def test_the_pod_of_a_job_without_dkms_stays_as_it_is(controllers: ControlPlane) -> None:
    found = ims_job(2, dkms=False)
    controllers.apply(found)
    eventually(lambda: pods_of(controllers, found) != [], "the Job controller has made a pod")
    (pod,) = pods_of(controllers, found)
    assert "runtimeClassName" not in pod["spec"]


@pytest.mark.usefixtures("kata")
def test_the_pod_of_a_build_on_a_remote_node_is_left_alone_if_ims_made_its_job(controllers: ControlPlane) -> None:
    jobs = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}
    controllers.apply(*role_of(USER, "ims", [jobs]))
    found = ims_job(8)
    container = found["spec"]["template"]["spec"]["containers"][0]
    container["env"].append({"name": "REMOTE_BUILD_NODE", "value": "x3000c0s19b1n0"})
    create = ("create", "--filename=-")
    refused = controllers.kubectl(*create, input=json.dumps(found))
    assert "KTA114" in refused.stderr
    controllers.kubectl(*create, input=json.dumps(found), as_=USER, check=True)
    (pod,) = eventually(lambda: pods_of(controllers, found), "the Job controller has made a pod")
    assert "runtimeClassName" not in pod["spec"]


@pytest.mark.usefixtures("kata")
def test_a_class_that_somebody_chose_is_not_replaced_but_refused(control_plane: ControlPlane) -> None:
    control_plane.apply(runtime_class("gvisor", memory="10Mi", node_selector={}) | {"handler": "runsc"})
    done = control_plane.kubectl(*dry_run(), input=pod_text(3, runtimeClassName="gvisor"))
    assert done.returncode != 0
    assert "KTA101" in done.stderr


@pytest.mark.usefixtures("kata")
def test_what_kata_cannot_hold_is_refused_with_the_reason(control_plane: ControlPlane) -> None:
    done = control_plane.kubectl(*dry_run(), input=pod_text(4, hostNetwork=True))
    assert done.returncode != 0
    assert "KTA1" in done.stderr
    assert "hostNetwork" in done.stderr


def test_without_the_class_the_refusal_says_what_is_missing(control_plane: ControlPlane, webhook: Webhook) -> None:
    control_plane.kubectl("delete", "runtimeclass", "kata-qemu", "--ignore-not-found", check=True)
    eventually(
        lambda: "kata-qemu" in control_plane.kubectl(*dry_run(), input=pod_text(5)).stderr, "the class is missed"
    )
    assert "KTA104" in control_plane.kubectl(*dry_run(), input=pod_text(5)).stderr


@pytest.mark.usefixtures("kata")
def test_the_reason_of_a_patch_is_in_the_audit_log_of_the_api_server(
    control_plane: ControlPlane, webhook: Webhook, tmp_path: Path
) -> None:
    control_plane.kubectl("create", "--filename=-", input=pod_text(6), check=True)
    name = f"cray-ims-{UUID.format(6)}-customize"

    def annotated() -> bool:
        events = control_plane.audited(verb="create", resource="pods", namespace="ims", name=name)
        return any(
            key.endswith("/note") and value == "injected"
            for event in events
            for key, value in event.get("annotations", {}).items()
        )

    eventually(annotated, "the annotation is written")
    assert any(line.get("note") == "injected" for line in webhook.decisions())
    control_plane.kubectl("delete", "pod", name, "--namespace=ims", "--now", check=True)


@pytest.mark.usefixtures("kata")
def test_an_ephemeral_container_in_a_kata_pod_is_let_in(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "--filename=-", input=pod_text(7), check=True)
    name = f"cray-ims-{UUID.format(7)}-customize"
    path = f"/api/v1/namespaces/ims/pods/{name}"
    pod = control_plane.call("GET", path).body
    pod["spec"]["ephemeralContainers"] = [{"name": "shell", "image": "registry.example.com/shell:1"}]
    assert control_plane.call("PUT", f"{path}/ephemeralcontainers", pod).status == 200
    control_plane.kubectl("delete", "pod", name, "--namespace=ims", "--now", check=True)
