"""The control plane that the other tests run on: what is real about it."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.e2e.api_server.control_plane import ControlPlane, KubectlError
from tests.e2e.commands import Identity
from tests.e2e.objects import job, module, runtime_class
from tests.e2e.waiting import eventually


def test_a_module_is_stored_and_read_back_with_its_defaults(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("apply", "--filename=-", input=json.dumps(module("nic", namespace)), check=True)

    stored = control_plane.get("module", "nic", f"--namespace={namespace}")

    assert stored["spec"]["moduleLoader"]["container"]["modprobe"] == {"moduleName": "nic", "dirName": "/opt"}


def test_kubectl_says_why_a_module_is_not_one(control_plane: ControlPlane, namespace: str) -> None:
    broken = module("nic", namespace)
    broken["spec"]["moduleLoader"]["container"]["kernelMappings"] = []

    done = control_plane.kubectl("apply", "--filename=-", input=json.dumps(broken))

    assert done.returncode == 1
    assert "spec.moduleLoader.container.kernelMappings" in done.stderr


def test_a_plain_user_may_do_nothing(control_plane: ControlPlane, namespace: str) -> None:
    done = control_plane.kubectl("get", "modules", f"--namespace={namespace}", user="carol")

    assert done.returncode == 1
    assert 'User "carol" cannot list resource "modules"' in done.stderr
    with pytest.raises(KubectlError, match="Forbidden"):
        control_plane.apply(module("nic", namespace), user="carol")


def test_a_user_may_do_what_a_role_grants(control_plane: ControlPlane, namespace: str) -> None:
    here = f"--namespace={namespace}"
    control_plane.kubectl("create", "role", "reader", "--verb=list", "--resource=modules", here, check=True)
    control_plane.kubectl("create", "rolebinding", "reader", "--role=reader", "--group=drivers", here, check=True)

    eventually(lambda: control_plane.kubectl("get", "modules", here, user="bob").returncode == 0, "bob may list")

    assert control_plane.kubectl("get", "modules", here, user="carol").returncode == 1


def test_an_administrator_acts_as_somebody_else(control_plane: ControlPlane) -> None:
    done = control_plane.kubectl(
        "auth", "whoami", "--output=json", as_="system:serviceaccount:a:b", as_groups=["c", "system:authenticated"]
    )

    assert json.loads(done.stdout)["status"]["userInfo"] == {
        "username": "system:serviceaccount:a:b",
        "groups": ["c", "system:authenticated"],
    }


def test_the_audit_log_tells_who_asked_for_what(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("get", "secret", "key", f"--namespace={namespace}", user="alice")

    (event,) = eventually(lambda: control_plane.audited(verb="get", namespace=namespace), "the request is logged")

    assert (event["user"]["username"], event["objectRef"]["name"], event["responseStatus"]["code"]) == (
        "alice",
        "key",
        403,
    )
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"


@pytest.mark.timing
def test_a_restart_of_the_api_server_keeps_the_objects(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(module("nic", namespace))
    before = control_plane.get("module", "nic", f"--namespace={namespace}")

    control_plane.restart_api_server()

    assert control_plane.get("module", "nic", f"--namespace={namespace}") == before


@pytest.mark.timing
def test_a_paused_api_server_answers_when_it_goes_on(control_plane: ControlPlane) -> None:
    control_plane.api_server.pause()
    try:
        with pytest.raises(OSError, match="timed out"):
            control_plane.call("GET", "/readyz", seconds=0.5)
    finally:
        control_plane.api_server.resume()

    assert control_plane.call("GET", "/readyz").body == "ok"


# -- with controllers -----------------------------------------------------------------------------


def test_the_pods_of_a_job_have_the_overhead_of_their_runtime_class(controllers: ControlPlane, namespace: str) -> None:
    kata = f"kata-{secrets.token_hex(4)}"
    controllers.apply(runtime_class(kata, memory="160Mi", node_selector={"kata": "yes"}))

    controllers.apply(job("build", namespace, runtimeClassName=kata))
    (pod,) = eventually(lambda: controllers.get("pods", f"--namespace={namespace}")["items"], "the Job makes a pod")

    assert pod["metadata"]["ownerReferences"][0]["name"] == "build"
    assert pod["spec"]["overhead"] == {"memory": "160Mi"}
    assert pod["spec"]["nodeSelector"] == {"kata": "yes"}


def test_what_a_deleted_job_owned_is_collected(controllers: ControlPlane, namespace: str) -> None:
    controllers.apply(job("build", namespace))
    eventually(lambda: controllers.get("pods", f"--namespace={namespace}")["items"], "the Job makes a pod")

    controllers.kubectl("delete", "job", "build", f"--namespace={namespace}", "--wait=false", check=True)
    # No kubelet tells that the container of a pod has ended, but one that no node was found for is simply removed.
    eventually(lambda: not controllers.get("pods", f"--namespace={namespace}")["items"], "the pod is gone")


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ("own", "system:kube-controller-manager"),
        ("service-accounts", "system:serviceaccount:kube-system:namespace-controller"),
    ],
)
def test_the_namespace_controller_empties_a_namespace_under_its_name(
    controllers: ControlPlane, namespace: str, identity: Identity, name: str
) -> None:
    controllers.start_controllers(identity=identity)
    controllers.apply(module("nic", namespace))

    controllers.kubectl("delete", "namespace", namespace, "--timeout=60s", check=True)

    assert controllers.call("GET", f"/api/v1/namespaces/{namespace}").status == 404
    (emptied, *_) = eventually(
        lambda: controllers.audited(verb="deletecollection", resource="modules", namespace=namespace),
        "the deletion of the Modules is logged",
    )
    assert emptied["user"]["username"] == name
