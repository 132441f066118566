"""Where the policy wants signed modules, and a bound on nodes: no way of writing a Module leads around it."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Gate, Policy, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding, Mode
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from tests.webhook.reviews import module

KMM = "system:serviceaccount:kmm-operator-system:kmm-operator-controller"
POLICY = read_policy({"parameters": {"requireSigning": {"namespaces": ["drivers"]}}})
BY_NODES = read_policy({"parameters": {"requireSigning": {"nodeSelectors": [{"secure": "yes"}]}, "maxNodeShare": 40}})
NO_NODES = SnapshotFacts([])


def node(name: str, **labels: str) -> dict[str, Any]:
    return {"kind": "Node", "metadata": {"name": name, "labels": {"node-role.kubernetes.io/worker": "", **labels}}}


def signing(*files: str, **container: Any) -> dict[str, Any]:
    block = {"keySecret": {"name": "k"}, "certSecret": {"name": "c"}, "filesToSign": list(files)}
    return module(sign=block | {"unsignedImage": "quay.io/acme/unsigned:1"}, **container)


def found(
    object: dict[str, Any], id: str, policy: Policy = POLICY, gate: Gate = "admit", **known: Any
) -> list[Finding]:
    findings = Engine(policy, gate).evaluate(Review(defaulted(object), **known))
    return [finding for finding in findings if finding.rule == id]


@pytest.mark.parametrize("file", ["/opt/nic.ko", "/opt/lib/modules/${KERNEL_FULL_VERSION}/nic.ko", "/opt/*/nic.ko"])
def test_a_file_of_the_name_that_is_loaded_is_enough_in_any_folder(file: str) -> None:
    assert not found(signing(file), "SGN201")


@pytest.mark.parametrize(
    "file",
    [
        "/opt/other.ko", "/opt/nic.ko/other", "/opt/nic.kobold", "/opt/xnic.ko", "/opt/${KERNEL_XYZ}.ko", "/opt/nic$KERNEL_XYZ.ko",
        "/opt/*.ko", "/opt/ni?.ko", "/opt/nic.ko.gz", "/opt/nic", "/opt/NIC.ko", "/opt/nic.ko\n", "",
    ],
)  # fmt: skip
def test_a_file_that_may_be_another_one_proves_nothing(file: str) -> None:
    assert [finding.mode for finding in found(signing(file), "SGN201")] == [Mode.ENFORCE]


def test_names_are_compared_as_the_kernel_does() -> None:
    object = signing("/opt/my-nic_x.ko", modprobe={"moduleName": "my_nic-x", "dirName": "/opt"})
    assert not found(object, "SGN201")


def test_each_mapping_signs_all_that_is_loaded_together_with_the_container() -> None:
    image = "quay.io/acme/nic:1"
    mappings = [
        {"literal": "1", "containerImage": image, "sign": {"filesToSign": ["/opt/helper.ko"]}},
        {"literal": "2", "containerImage": image, "sign": {"filesToSign": ["/opt/other.ko"]}},
        {"literal": "3", "containerImage": image},
    ]
    order = {"moduleName": "nic", "dirName": "/opt", "modulesLoadingOrder": ["nic", "helper"]}
    fields = [item.field for item in found(signing("/opt/nic.ko", kernelMappings=mappings, modprobe=order), "SGN201")]
    container = "spec.moduleLoader.container"
    assert fields == [f"{container}.sign.filesToSign", f"{container}.kernelMappings[1].sign.filesToSign"]


@pytest.mark.parametrize(
    "modprobe",
    [
        {"rawArgs": {"load": ["nic"], "unload": ["-r", "nic"]}},
        {"moduleName": "nic", "args": {"load": ["evil"]}},
        {"moduleName": "nic", "args": {"load": ["-a"]}, "parameters": ["evil"]},
        {"moduleName": "nic", "args": {"load": ["-va"]}},
        {"moduleName": "nic", "args": {"load": ["-d", "/tmp/elsewhere"]}},
        {"moduleName": "nic", "args": {"load": ["--config=/tmp/opt/evil.conf"]}},
        {"moduleName": "nic", "args": {"load": ["--al"]}},
        {"moduleName": "nic", "parameters": ["-a", "evil"]},
        {"moduleName": "-a", "parameters": ["evil"]},
    ],
)
def test_what_makes_modprobe_load_something_else_is_refused(modprobe: dict[str, Any]) -> None:
    object = signing("/opt/nic.ko", "/opt/_a.ko", "/opt/-a.ko", modprobe={"dirName": "/opt", **modprobe})
    assert {finding.mode for finding in found(object, "SGN201")} == {Mode.ENFORCE}


@pytest.mark.parametrize(
    "modprobe",
    [
        {"moduleName": "nic", "args": {"load": ["-v", "--first-time"]}, "parameters": ["debug=-1", "quiet"]},
        {"moduleName": "nic", "rawArgs": {"load": [], "unload": []}},
    ],
)
def test_what_changes_nothing_about_what_is_loaded_passes(modprobe: dict[str, Any]) -> None:
    assert not found(signing("/opt/nic.ko", modprobe={"dirName": "/opt", **modprobe}), "SGN201")


def test_a_module_of_a_hub_is_judged_by_the_namespace_that_it_is_made_in() -> None:
    spoke = module()
    spec = {"moduleSpec": spoke["spec"], "spokeNamespace": "drivers", "selector": {"a": "b"}}
    hub = {"apiVersion": "hub.kmm.sigs.x-k8s.io/v1beta1", "kind": "ManagedClusterModule", "metadata": {"name": "nic"}}
    assert found({**hub, "spec": spec}, "SGN201")
    assert not found({**hub, "spec": spec | {"spokeNamespace": "others"}}, "SGN201")


MARKED = SnapshotFacts([node("w0"), node("w1", secure="yes")], {"Node"})


def test_nodes_are_marked_by_what_they_are_and_not_by_the_selector() -> None:
    (finding,) = found(module(), "SGN204", BY_NODES, facts=MARKED, user="alice")
    assert finding.mode is Mode.ENFORCE
    assert "node w1" in finding.message
    assert not found(signing("/opt/nic.ko"), "SGN204", BY_NODES, facts=MARKED, user="alice")
    plain = SnapshotFacts([node("w0")], {"Node"})
    assert not found(module(), "SGN204", BY_NODES, facts=plain, user="alice")


@pytest.mark.parametrize("id", ["SGN204", "SEL206"])
def test_where_the_nodes_are_not_known_admission_refuses_and_says_so(id: str) -> None:
    (finding,) = found(module(), id, BY_NODES, facts=NO_NODES, user="alice")
    assert finding.mode is Mode.ENFORCE
    assert "the nodes of the cluster are not known" in finding.message


@pytest.mark.parametrize("id", ["SGN204", "SEL206"])
def test_where_the_nodes_are_not_known_a_check_says_that_it_did_not_look(id: str) -> None:
    (finding,) = found(module(), id, BY_NODES, "check", facts=NO_NODES)
    assert finding.is_unchecked
    assert finding.mode is Mode.AUDIT


def test_a_signed_module_does_not_wait_for_the_nodes() -> None:
    assert not found(signing("/opt/nic.ko"), "SGN204", BY_NODES, facts=NO_NODES, user="alice")


@pytest.mark.parametrize("id", ["SGN204", "SEL206"])
@pytest.mark.parametrize("facts", [NO_NODES, MARKED], ids=["unknown", "known"])
def test_a_controller_finishes_with_a_module_whatever_its_nodes(id: str, facts: SnapshotFacts) -> None:
    object = module()
    object["metadata"]["finalizers"] = ["kmm.node.kubernetes.io/module-finalizer"]
    asked = {"old": defaulted(object), "operation": "UPDATE", "facts": facts}
    assert not found(module(), id, BY_NODES, **asked, user=KMM)
    assert found(module(), id, BY_NODES, **asked, user="alice")
