"""Ways to take away a namespace, or what Modules need, past its protection."""

from __future__ import annotations

import pytest

from kmodgate.policy.cluster.controllers import COLLECTORS
from tests.renderer.registration.registering import LABEL
from tests.webhook.api_stub import ApiStub, page
from tests.webhook.reviews import module, named, namespace, review
from tests.webhook.server import Webhook
from tests.webhook.stalling import modules_of


def test_a_namespace_stays_whatever_its_labels_say(strict: Webhook) -> None:
    for labels in ({}, {LABEL: ""}, {LABEL: "false"}, {"kmodgate.io/exempt": "true"}):
        assert strict.post(review("DELETE", "Namespace", None, namespace("drivers", **labels))).rules() == ["REF201"]


@pytest.mark.parametrize("labels", [{}, {LABEL: "true"}], ids=["removed", "changed"])
def test_the_protecting_label_stays_too(strict: Webhook, labels: dict[str, str]) -> None:
    asked = review("UPDATE", "Namespace", namespace("drivers", **labels), namespace("drivers", **{LABEL: ""}))
    assert strict.post(asked).rules() == ["REF202"]


def test_the_protecting_label_does_not_go_by_the_status(strict: Webhook) -> None:
    for value in ("", "true"):
        old = namespace("drivers", **{LABEL: value})
        asked = review("UPDATE", "Namespace", namespace("drivers"), old, subResource="status")
        assert strict.post(asked).rules() == ["REF202"]


@pytest.mark.parametrize("user", sorted(COLLECTORS))
def test_what_a_module_needs_is_not_left_to_the_garbage_collector(strict: Webhook, user: str) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0"}
    asked_by = {"userInfo": {"username": user}}
    for name, rules in (("pull", ["REF204"]), ("other", [])):
        plain = named("Secret", name, "drivers")
        owned = plain | {"metadata": plain["metadata"] | {"ownerReferences": [owner]}}
        assert strict.post(review("UPDATE", "Secret", owned, plain)).rules() == []
        assert strict.post(review("DELETE", "Secret", None, owned, **asked_by)).rules() == rules


def test_nobody_but_kmm_writes_what_nodes_load(strict: Webhook) -> None:
    config = {
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "NodeModulesConfig",
        "metadata": {"name": "node-1"},
        "spec": {"modules": [{"name": "nic", "namespace": "drivers"}]},
    }
    emptied = config | {"spec": {"modules": []}}
    for more in ({}, {"subResource": "status"}):
        asked = review("UPDATE", "NodeModulesConfig", emptied, config, **more)
        assert "REF301" in {*strict.post(asked).rules(), *strict.post(asked).rules("warned-by")}
    kmm = {"userInfo": {"username": "system:serviceaccount:kmm-operator-system:kmm-operator-controller"}}
    reply = strict.post(review("UPDATE", "NodeModulesConfig", emptied, config, **kmm))
    assert (reply.allowed, reply.rules("warned-by")) == (True, [])


def test_a_namespace_is_not_finalized_past_its_modules(strict: Webhook) -> None:
    for name, rules in (("drivers", ["REF203"]), ("empty", [])):
        asked = review("UPDATE", "Namespace", namespace(name), namespace(name), subResource="finalize")
        assert strict.post(asked).rules() == rules


def test_who_may_not_override_cannot_annotate_the_way_free(strict: Webhook) -> None:
    free = namespace("drivers")
    free["metadata"]["annotations"] = {"kmodgate.io/override": "mallory until 2999-01-01T00:00:00Z"}
    assert strict.post(review("UPDATE", "Namespace", free, namespace("drivers"))).rules() == ["REF205"]
    assert strict.post(review("DELETE", "Namespace", None, free)).rules() == ["REF201"]


@pytest.mark.parametrize(
    "user", ["", "system:admin", "system:masters", "system:serviceaccount:drivers:kmm-operator-controller"]
)
def test_no_name_but_those_of_the_controllers_opens_the_protection(strict: Webhook, user: str) -> None:
    asked = review("DELETE", "Secret", None, named("Secret", "pull", "drivers"), userInfo={"username": user})
    assert strict.post(asked).rules() == ["REF204"]


def test_a_module_that_a_watch_has_not_told_of_yet_keeps_its_namespace(stub: ApiStub, watching: Webhook) -> None:
    stub.lists(page(module("late", "fresh")), path=modules_of("fresh"))
    assert watching.post(review("DELETE", "Namespace", None, namespace("fresh"))).rules() == ["REF201"]


def test_a_module_that_a_watch_has_not_told_of_yet_keeps_what_it_needs(stub: ApiStub, watching: Webhook) -> None:
    stub.lists(page(module("late", "fresh")), path=modules_of("fresh"))
    asked = review("DELETE", "ServiceAccount", None, named("ServiceAccount", "loader", "fresh"))
    assert watching.post(asked).rules() == ["REF204"]
