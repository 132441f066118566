"""What is Kata: by the handler of the RuntimeClass, and by no name."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Mode
from kmodgate.policy.kata.view import HANDLERS, Reason
from kmodgate.policy.mutations.kata_injection import Injection, inject
from kmodgate.policy.parameters import Parameters
from kmodgate.policy.review import Review
from tests.policy.kata.kata_pods import dkms_pod
from tests.policy.node_access import pods

ENFORCED = {"modes": {"PRV": "enforce"}}


def facts(name: str, handler: str) -> SnapshotFacts:
    item = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler}
    return SnapshotFacts([item], {"RuntimeClass"})


def policy(**kata: Any) -> dict[str, Any]:
    return {**ENFORCED, "parameters": {"kata": kata}}


def privileged_in(name: str) -> pods.Json:
    return pods.pod(containers=[pods.privileged()], runtimeClassName=name)


@pytest.mark.parametrize("handler", sorted(HANDLERS))
def test_the_usual_handlers_are_kata_whatever_the_class_is_called(handler: str) -> None:
    assert pods.rules(privileged_in("any-name"), facts=facts("any-name", handler)) == []


@pytest.mark.parametrize("handler", ["runc", "runsc", "notkata", "kata2", "my-kata-like", "Kata", "kata-", ""])
def test_another_handler_is_none_whatever_the_class_is_called(handler: str) -> None:
    for name in ("kata-qemu", "kata", "any-name"):
        assert pods.rules(privileged_in(name), facts=facts(name, handler)) == ["PRV105"]


def test_the_policy_names_handlers_exactly_and_for_its_class_alone() -> None:
    named = policy(handlers={"sandboxed": ["site-vm", "site-vm2"]})
    for handler, expected in (("site-vm", []), ("site-vm2", []), ("site-vm3", ["PRV105"]), ("kata-qemu", ["PRV105"])):
        assert pods.rules(privileged_in("sandboxed"), named, facts=facts("sandboxed", handler)) == expected
    assert pods.rules(privileged_in("other"), named, facts=facts("other", "site-vm")) == ["PRV105"]
    assert pods.rules(privileged_in("other"), named, facts=facts("other", "kata-clh")) == []


@pytest.mark.parametrize("known", [None, SnapshotFacts([]), SnapshotFacts([], {"RuntimeClass"})])
def test_a_class_of_which_nobody_knows_drops_nothing_where_somebody_asks(known: SnapshotFacts | None) -> None:
    for name in ("kata-qemu", "kata-clh", "any-name"):
        assert pods.rules(privileged_in(name), facts=known, user="alice") == ["PRV105"]


def test_where_nobody_asks_a_class_that_the_policy_names_is_believed() -> None:
    assert pods.rules(privileged_in("kata-qemu"), user="") == []
    assert pods.rules(privileged_in("site"), policy(handlers={"site": ["vm"]}), user="") == []
    assert pods.rules(privileged_in("site"), user="") == ["PRV105"]
    assert pods.rules(privileged_in("kata-qemu"), user="", facts=SnapshotFacts([], {"RuntimeClass"})) == ["PRV105"]


def test_folders_and_disks_of_the_node_reach_kata() -> None:
    known = facts("kata-qemu", "kata-qemu")
    for path, rule in (("/etc/cron.d", "PRV106"), ("/run/docker.sock", "PRV106"), ("/dev/sda", "PRV103")):
        item = pods.mounting(path, security={"privileged": True, "capabilities": {"add": ["SYS_ADMIN", "SYS_MODULE"]}})
        item["spec"]["runtimeClassName"] = "kata-qemu"
        assert pods.rules(item, facts=known) == [rule]
    assert pods.rules(pods.pod(containers=[pods.capable("SYS_ADMIN")], runtimeClassName="kata-qemu"), facts=known) == []


@pytest.mark.parametrize("name", ["kata-qemu", "gvisor", "unknown-class"])
def test_a_class_that_is_not_kata_is_no_reason_to_refuse_a_pod(name: str) -> None:
    for known in (facts(name, "runsc"), SnapshotFacts([], {"RuntimeClass"}), SnapshotFacts([])):
        item = pods.pod(runtimeClassName=name, hostNetwork=True)
        found = Engine(read_policy(ENFORCED), "admit").evaluate(Review(item, facts=known, user="alice"))
        assert not [finding for finding in found if finding.mode is Mode.ENFORCE and name != "kata-qemu"]
    item = pods.pod(runtimeClassName=name)
    found = Engine(read_policy(ENFORCED), "admit").evaluate(Review(item, facts=facts(name, "runsc"), user="alice"))
    assert found == []


def test_dkms_work_in_a_class_that_is_not_kata_is_refused_and_told_why() -> None:
    for pod in (dkms_pod(runtimeClassName="kata-qemu"), dkms_pod()):
        found = Engine(read_policy({}), "admit").evaluate(
            Review(pod, facts=facts("kata-qemu", "runc"), user="system:serviceaccount:kube-system:job-controller")
        )
        refusing = [item for item in found if item.mode is Mode.ENFORCE]
        assert {item.rule for item in refusing} == {"KTA101"}
        assert "runtime-class-not-kata" in refusing[0].message
        assert "kata.handlers" in refusing[0].fix


def test_no_pod_is_put_into_a_class_that_is_not_kata() -> None:
    asked = Review(dkms_pod(), facts=facts("kata-qemu", "runc"), parameters=Parameters())
    assert inject(asked) == Injection([], Reason.CLASS_NOT_KATA)
    named = read_policy({"parameters": {"kata": {"handlers": {"kata-qemu": ["runc"]}}}}).parameters
    again = Review(dkms_pod(), facts=facts("kata-qemu", "runc"), parameters=named)
    assert inject(again).reason is Reason.INJECTED
