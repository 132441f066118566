"""Overrides of the protection, on a real API server."""

from __future__ import annotations

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.protection.guarded import Json, namespaces_rules, override, refused, role_of
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook


def grants_override(user: str) -> list[Json]:
    """The right to override, and to do with namespaces what an administrator may."""
    rules = [
        {"apiGroups": ["kmodgate.io"], "resources": ["namespaces"], "verbs": ["override"]},
        *namespaces_rules(),
    ]
    return role_of(user, f"override-{user}", rules)


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
