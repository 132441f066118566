"""Objects that unloading and building a Module takes, on a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import definitions
from tests.e2e.api_server.relay import Relay
from tests.e2e.conftest import NewControlPlane
from tests.e2e.objects import daemon_set, module
from tests.e2e.protection.guarded import Json, named, refused
from tests.e2e.waiting import eventually
from tests.e2e.webhook import in_force

DEPENDENTS: list[tuple[str, Callable[[str], Json]]] = [
    ("secret/pull", lambda namespace: named("Secret", "pull", namespace)),
    ("secret/netrc", lambda namespace: named("Secret", "netrc", namespace)),
    ("configmap/dockerfile", lambda namespace: named("ConfigMap", "dockerfile", namespace)),
    ("serviceaccount/loader", lambda namespace: named("ServiceAccount", "loader", namespace)),
    (
        "rolebinding/loader",
        lambda namespace: (
            named("RoleBinding", "loader", namespace, "rbac.authorization.k8s.io/v1")
            | {
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "system:openshift:scc:privileged",
                },
                "subjects": [{"kind": "ServiceAccount", "name": "loader", "namespace": namespace}],
            }
        ),
    ),
]


def test_what_a_module_still_needs_stays_until_it_is_gone(control_plane: ControlPlane, held: str) -> None:
    control_plane.apply(*(make(held) for _, make in DEPENDENTS), named("Secret", "other", held))
    for what, _ in DEPENDENTS:
        refused(control_plane.kubectl("delete", what, "-n", held), "REF204", "Module")
    control_plane.kubectl("delete", "secret/other", "-n", held, check=True)
    finalizer = '{"metadata":{"finalizers":["kmm.node.kubernetes.io/module-finalizer"]}}'
    control_plane.kubectl("patch", "module", "nic", "-n", held, "--type=merge", "-p", finalizer, check=True)
    control_plane.kubectl("delete", "module", "nic", "-n", held, "--wait=false", check=True)
    for what, _ in DEPENDENTS:
        refused(control_plane.kubectl("delete", what, "-n", held), "REF204")
    control_plane.kubectl(
        "patch", "module", "nic", "-n", held, "--type=merge", "-p", '{"metadata":{"finalizers":null}}', check=True
    )
    for what, _ in DEPENDENTS:
        eventually(
            lambda what=what: control_plane.kubectl("delete", what, "-n", held).returncode == 0,  # type: ignore[misc]
            f"{what} may go",
        )


NEEDED = ("secret/pull", "configmap/dockerfile", "serviceaccount/loader", "rolebinding/loader")


def test_what_a_daemon_set_needs_that_loads_a_driver_stays_while_it_lives(
    control_plane: ControlPlane, drivers: str
) -> None:
    control_plane.apply(*(make(drivers) for _, make in DEPENDENTS), daemon_set("nic", drivers))
    for what in NEEDED:
        refused(control_plane.kubectl("delete", what, "-n", drivers), "REF204", f"DaemonSet {drivers}/nic")
    refused(control_plane.kubectl("delete", "namespace", drivers), "REF201", f"DaemonSet {drivers}/nic")
    control_plane.kubectl("delete", "secret/netrc", "-n", drivers, check=True)
    control_plane.kubectl("delete", "daemonset", "nic", "-n", drivers, check=True)
    for what in NEEDED:
        control_plane.kubectl("delete", what, "-n", drivers, check=True)


def test_a_daemon_set_of_others_keeps_nothing(control_plane: ControlPlane, drivers: str) -> None:
    others = daemon_set("nic", drivers, **{"kmodgate.io/driver": "nic"})
    control_plane.apply(*(make(drivers) for _, make in DEPENDENTS), others)
    for what in NEEDED:
        control_plane.kubectl("delete", what, "-n", drivers, check=True)
    control_plane.kubectl("delete", "namespace", drivers, "--wait=false", check=True)


@pytest.mark.parametrize(
    "subject",
    [
        {"kind": "ServiceAccount", "name": "loader"},
        {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccount:{}:loader"},
        {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccounts:{}"},
    ],
    ids=lambda subject: subject["kind"],
)
def test_a_role_binding_stays_for_whom_a_module_needs_it(control_plane: ControlPlane, held: str, subject: Json) -> None:
    subject = subject | {"name": subject["name"].format(held)}
    binding = DEPENDENTS[-1][1](held)
    kept = subject | ({"namespace": held} if subject["kind"] == "ServiceAccount" else {})
    control_plane.apply(binding | {"subjects": [kept]})
    empty = ("--type=merge", "-p", json.dumps({"subjects": []}))
    refused(control_plane.kubectl("patch", "rolebinding/loader", "-n", held, *empty), "REF208", "Module")
    refused(control_plane.kubectl("delete", "rolebinding/loader", "-n", held), "REF204", "Module")
    more = [kept, {"kind": "ServiceAccount", "name": "builder", "namespace": held}]
    patch = ("--type=merge", "-p", json.dumps({"subjects": more}))
    control_plane.kubectl("patch", "rolebinding/loader", "-n", held, *patch, check=True)


def test_a_role_binding_that_gives_no_scc_or_not_alone_may_go(control_plane: ControlPlane, held: str) -> None:
    binding = DEPENDENTS[-1][1](held)
    twin = binding | {"metadata": {"name": "twin", "namespace": held}}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    viewer = binding | {"metadata": {"name": "viewer", "namespace": held}, "roleRef": role}
    control_plane.apply(binding, viewer, twin)
    for name in ("viewer", "twin"):
        control_plane.kubectl("delete", "rolebinding", name, "-n", held, check=True)
    refused(control_plane.kubectl("delete", "rolebinding/loader", "-n", held), "REF204", "Module")


def test_a_role_stays_that_alone_gives_an_scc(control_plane: ControlPlane, held: str) -> None:
    group = "rbac.authorization.k8s.io"
    use = {
        "apiGroups": ["security.openshift.io"],
        "resources": ["securitycontextconstraints"],
        "resourceNames": ["privileged"],
        "verbs": ["use"],
    }
    role = named("Role", "use-scc", held, f"{group}/v1") | {"rules": [use]}
    binding = DEPENDENTS[-1][1](held) | {"roleRef": {"apiGroup": group, "kind": "Role", "name": "use-scc"}}
    control_plane.apply(role, binding)
    empty = ("--type=merge", "-p", json.dumps({"rules": []}))
    refused(control_plane.kubectl("patch", "role/use-scc", "-n", held, *empty), "REF208", "Module")
    refused(control_plane.kubectl("delete", "role/use-scc", "-n", held), "REF204", "Module")
    refused(control_plane.kubectl("delete", "rolebinding/loader", "-n", held), "REF204", "Module")


def test_a_collection_is_judged_object_by_object(control_plane: ControlPlane, held: str) -> None:
    control_plane.apply(named("Secret", "pull", held), named("Secret", "spare", held))
    answer = control_plane.call("DELETE", f"/api/v1/namespaces/{held}/secrets")
    assert answer.status == 403
    assert "REF204" in answer.body["message"]
    assert control_plane.get("secret", "pull", "-n", held)


@pytest.mark.timing
def test_with_the_watch_cut_nothing_goes_that_a_new_module_needs(
    new_control_plane: NewControlPlane, tmp_path: Path
) -> None:
    with new_control_plane() as own, Relay(own.port) as relay:
        own.install(*definitions())
        with in_force(own, tmp_path, ["drivers"], url=relay.url):
            relay.stall()  # the cache is behind from here on, and does not know it
            own.apply(module("nic", "drivers"))
            refused(own.kubectl("delete", "namespace", "drivers"))
            relay.flow()
            eventually(
                lambda: "REF201" in own.kubectl("delete", "namespace", "drivers").stderr, "the webhook sees again"
            )
            relay.cut()
            refused(own.kubectl("delete", "namespace", "drivers"))
            relay.join()
            own.restart_api_server()
            eventually(
                lambda: "REF201" in own.kubectl("delete", "namespace", "drivers").stderr, "it asks the new API server"
            )
