"""Namespaces that hold Modules, and what unloads and builds them, on a real API server with the webhook on Fail."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.conftest import NewControlPlane
from tests.e2e.control_plane import ControlPlane
from tests.e2e.definitions import definitions
from tests.e2e.objects import module, node_modules_config
from tests.e2e.relay import Relay
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook, in_force

Json: TypeAlias = dict[str, Any]

LABEL = "kmm.node.k8s.io/contains-modules"
SPACES = [f"guarded-{number}" for number in range(1, 31)]
_free = itertools.count()


@pytest.fixture(scope="module")
def webhook(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    with in_force(control_plane, tmp_path_factory.mktemp("webhook"), SPACES) as running:
        yield running


@pytest.fixture
def drivers(webhook: Webhook) -> str:
    """An empty namespace of drivers that no other test uses."""
    return SPACES[next(_free)]


@pytest.fixture
def held(control_plane: ControlPlane, drivers: str) -> str:
    """A namespace of drivers with one Module."""
    control_plane.apply(full_module(drivers))
    return drivers


def full_module(namespace: str) -> Json:
    """A Module that names everything that unloading and building it takes."""
    found = module("nic", namespace)
    found["spec"]["imageRepoSecret"] = {"name": "pull"}
    loader = found["spec"]["moduleLoader"]
    loader["serviceAccountName"] = "loader"
    loader["container"]["build"] = {"dockerfileConfigMap": {"name": "dockerfile"}, "secrets": [{"name": "netrc"}]}
    return found


def override(hours: float = 1.0, owner: str = "alice@example.com") -> str:
    end = datetime.now(UTC) + timedelta(hours=hours)
    return f"kmodgate.io/override={owner} until {end.isoformat(timespec='seconds')}"


def grants_override(user: str) -> list[Json]:
    """The right to override, and to do with namespaces what an administrator may."""
    rules = [
        {"apiGroups": ["kmodgate.io"], "resources": ["namespaces"], "verbs": ["override"]},
        *namespaces_rules(),
    ]
    return role_of(user, f"override-{user}", rules)


def namespaces_rules() -> list[Json]:
    verbs = ["get", "list", "patch", "update", "delete"]
    resources = ["namespaces", "namespaces/finalize", "namespaces/status"]
    return [{"apiGroups": [""], "resources": resources, "verbs": verbs}]


def role_of(user: str, name: str, rules: list[Json]) -> list[Json]:
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    return [role, binding]


def refused(done: Any, *words: str) -> None:
    assert done.returncode != 0, done.stdout
    for word in ("admission webhook", *words):
        assert word in done.stderr


def test_deleting_a_namespace_with_a_module_is_refused_and_says_which(control_plane: ControlPlane, held: str) -> None:
    refused(control_plane.kubectl("delete", "namespace", held), "REF201", f"Module {held}/nic")


@pytest.mark.parametrize("change", [f"{LABEL}-", f"{LABEL}=true"])
def test_without_kmms_label_a_namespace_is_no_less_protected(
    control_plane: ControlPlane, held: str, change: str
) -> None:
    control_plane.kubectl("label", "namespace", held, f"{LABEL}=", check=True)
    refused(control_plane.kubectl("label", "--overwrite", "namespace", held, change), "REF202")
    kmm = "system:serviceaccount:kmm-operator-system:kmm-operator-controller"
    control_plane.apply(*role_of(kmm, "kmm-labels", namespaces_rules()))
    control_plane.kubectl("label", "--overwrite", "namespace", held, change, as_=kmm, check=True)
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


def test_who_may_override_can_delete_and_is_named_in_the_log(
    control_plane: ControlPlane, webhook: Webhook, held: str
) -> None:
    control_plane.apply(*grants_override("alice"))
    control_plane.kubectl("annotate", "namespace", held, override(), user="alice", check=True)
    eventually(
        lambda: control_plane.kubectl("delete", "namespace", held, "--wait=false", user="alice").returncode == 0,
        "the override counts",
    )
    used = [line for line in webhook.decisions() if line.get("override") and line["name"] == held]
    assert used
    assert "alice@example.com answers" in used[-1]["override"]


def test_without_the_right_an_override_can_be_neither_set_nor_used(control_plane: ControlPlane, held: str) -> None:
    control_plane.apply(*role_of("bob", "namespaces-bob", namespaces_rules()), *grants_override("alice"))
    refused(control_plane.kubectl("annotate", "namespace", held, override(), user="bob"), "REF205", "bob")
    control_plane.kubectl("annotate", "namespace", held, override(), user="alice", check=True)
    refused(control_plane.kubectl("delete", "namespace", held, user="bob"), "REF201")


@pytest.mark.parametrize(
    "user",
    [
        "system:serviceaccount:kmm-operator-system:kmm-operator-controller",
        "system:serviceaccount:kube-system:namespace-controller",
    ],
)
def test_under_a_controllers_name_an_override_cannot_be_set_either(
    control_plane: ControlPlane, held: str, user: str
) -> None:
    control_plane.apply(*role_of(user, "as-a-controller", namespaces_rules()))
    refused(control_plane.kubectl("annotate", "namespace", held, override(), as_=user), "REF205")


def test_before_a_namespace_holds_modules_an_override_is_judged_too(
    control_plane: ControlPlane, webhook: Webhook, namespace: str
) -> None:
    control_plane.apply(*role_of("bob", "namespaces-bob", namespaces_rules()), *grants_override("alice"))
    refused(control_plane.kubectl("annotate", "namespace", namespace, override(), user="bob"), "REF205", "bob")
    control_plane.kubectl("annotate", "namespace", namespace, override(), user="alice", check=True)
    control_plane.kubectl("label", "namespace", namespace, "team=nic", user="bob", check=True)


def test_an_override_ends_within_a_day(control_plane: ControlPlane, held: str) -> None:
    control_plane.apply(*grants_override("alice"))
    refused(control_plane.kubectl("annotate", "namespace", held, override(48), user="alice"), "REF205", "24 hours")


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
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "name": "loader", "namespace": namespace}],
            }
        ),
    ),
]


def named(kind: str, name: str, namespace: str, api: str = "v1") -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


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


def test_what_a_module_needs_is_not_given_an_owner_that_is_not_there(control_plane: ControlPlane, held: str) -> None:
    made = [make(held) for _, make in DEPENDENTS]
    control_plane.apply(*made, named("Secret", "other", held))
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
    patch = ("--type=merge", "-p", json.dumps({"metadata": {"ownerReferences": [owner]}}))
    for what, _ in DEPENDENTS:
        refused(control_plane.kubectl("patch", what, "-n", held, *patch), "REF207", "Module")
        control_plane.kubectl("label", what, "-n", held, "team=nic", check=True)
    control_plane.kubectl("patch", "secret/other", "-n", held, *patch, check=True)


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


def test_a_collection_is_judged_object_by_object(control_plane: ControlPlane, held: str) -> None:
    control_plane.apply(named("Secret", "pull", held), named("Secret", "spare", held))
    answer = control_plane.call("DELETE", f"/api/v1/namespaces/{held}/secrets")
    assert answer.status == 403
    assert "REF204" in answer.body["message"]
    assert control_plane.get("secret", "pull", "-n", held)


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
