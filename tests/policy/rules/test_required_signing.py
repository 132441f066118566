"""Where the policy wants signed modules, and a bound on nodes: no way of writing a Module leads around it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Policy, read_policy
from kmodgate.policy.findings import Mode
from kmodgate.policy.formats.certificates import read_certificate
from kmodgate.policy.kmm.defaults import defaulted
from tests.policy.rules.signed_modules import BY_NODES, KERNEL, MARKED, NO_NODES, found, node, signing
from tests.webhook.issued_certificates import nameless
from tests.webhook.reviews import module

KMM = "system:serviceaccount:kmm-operator-system:kmm-operator-controller"


@pytest.mark.parametrize(
    "file",
    [
        f"{KERNEL}/nic.ko", f"{KERNEL}/extra/deep/nic.ko", f"{KERNEL}/*.ko", f"{KERNEL}/extra/n?c.ko", f"{KERNEL}/*/[mn]ic.k*",
        "/opt/lib/modules/*/extra/nic.ko", "/opt/lib/modules/$KERNEL_FULL_VERSION/nic.ko", "/opt//lib/./modules/*/nic.ko",
        "/opt/lib/modules/5.14.0-1.el9.x86_64/nic.ko", "/opt/lib/modules/${KERNEL_XYZ}-*/nic.ko", "/opt/*/modules/*/nic.ko",
        f"{KERNEL}/${{KERNEL_FULL_VERSION}}/nic.ko", f"{KERNEL}/[!a]ic.ko", f"{KERNEL}/${{NONE:-nic}}.ko",
    ],
)  # fmt: skip
def test_a_file_that_can_be_the_one_that_is_loaded_is_enough(file: str) -> None:
    assert not found(signing(file), "SGN201")


@pytest.mark.parametrize(
    "file",
    [
        f"{KERNEL}/other.ko", f"{KERNEL}/nic.ko/other", f"{KERNEL}/nic.kobold", f"{KERNEL}/xnic.ko", f"{KERNEL}/${{KERNEL_XYZ}}.ko",
        f"{KERNEL}/nic$KERNEL_XYZ.ko", f"{KERNEL}/nic", f"{KERNEL}/NIC.ko", f"{KERNEL}/nic.ko\n", "", "/", "nic.ko", f"{KERNEL}/[z-a]ic.ko",
        "/opt/nic.ko", "/opt/*.ko", "/opt/lib/modules/nic.ko", "/opt/lib/firmware/5.14.0-1/nic.ko", "/usr/lib/modules/*/nic.ko",
        "/opt/other/lib/modules/*/nic.ko", f"{KERNEL}/../nic.ko", "/opt/lib/modules/6.1.0-1/nic.ko", f"{KERNEL}/${{MOD_NAME}}.ko",
        f"{KERNEL}/${{MOD_NAME", f"{KERNEL}/n[!i]c.ko",
    ],
)  # fmt: skip
def test_a_file_that_is_never_the_one_that_is_loaded_proves_nothing(file: str) -> None:
    assert [finding.mode for finding in found(signing(file), "SGN201")] == [Mode.ENFORCE]


@pytest.mark.parametrize("ending", ["xz", "gz", "zst", "x[yz]"])
def test_a_file_that_is_signed_compressed_is_told_apart(ending: str) -> None:
    (finding,) = found(signing(f"{KERNEL}/nic.ko.{ending}"), "SGN201")
    assert "compressed" in finding.message
    assert not found(signing(f"{KERNEL}/nic.ko.{ending}", f"{KERNEL}/nic.ko"), "SGN201")
    (finding,) = found(signing(f"{KERNEL}/other.ko.{ending}"), "SGN201")
    assert "compressed" not in finding.message


@pytest.mark.parametrize("file", ["my-nic_x.ko", "my_nic_x.ko", "my-*x.ko", "my[-]nic[_]x.ko", "my[!-]nic_x.ko"])
def test_names_are_compared_as_the_kernel_does(file: str) -> None:
    object = signing(f"{KERNEL}/{file}", modprobe={"moduleName": "my_nic-x", "dirName": "/opt"})
    assert bool(found(object, "SGN201")) == ("!" in file)


def test_where_modprobe_looks_goes_by_the_folder_of_the_image() -> None:
    object = signing("/srv/nic/lib/modules/*/nic.ko", modprobe={"moduleName": "nic", "dirName": "/srv/nic/"})
    assert not found(object, "SGN201")
    object = signing(f"{KERNEL}/nic.ko", modprobe={"moduleName": "nic", "dirName": "/srv/nic"})
    assert "/srv/nic/lib/modules/" in found(object, "SGN201")[0].fix


@pytest.mark.parametrize(
    ("folder", "unsigned"),
    [("5.14.0-1", {"b"}), ("5.14.0-2", {"a"}), ("5.14.*", set()), ("*-1", {"b"}), ("6.1.0-1", {"a", "b"}), ("**", set())],
)  # fmt: skip
def test_a_file_of_one_kernel_signs_for_the_mappings_of_that_kernel(folder: str, unsigned: set[str]) -> None:
    for name, kernel in (("a", "5.14.0-1"), ("b", "5.14.0-2")):
        mapping = {"literal": kernel, "containerImage": "quay.io/acme/nic:1"}
        object = signing(f"/opt/lib/modules/{folder}/nic.ko", kernelMappings=[mapping])
        assert bool(found(object, "SGN201")) == (name in unsigned)


def test_each_mapping_signs_all_that_is_loaded_together_with_the_container() -> None:
    image = "quay.io/acme/nic:1"
    mappings = [
        {"literal": "1", "containerImage": image, "sign": {"filesToSign": [f"{KERNEL}/helper.ko"]}},
        {"literal": "2", "containerImage": image, "sign": {"filesToSign": [f"{KERNEL}/other.ko"]}},
        {"literal": "3", "containerImage": image},
    ]
    order = {"moduleName": "nic", "dirName": "/opt", "modulesLoadingOrder": ["nic", "helper"]}
    object = signing(f"{KERNEL}/nic.ko", kernelMappings=mappings, modprobe=order)
    fields = [item.field for item in found(object, "SGN201")]
    container = "spec.moduleLoader.container"
    assert fields == [f"{container}.sign.filesToSign", f"{container}.kernelMappings[1].sign.filesToSign"]


def test_names_times_mappings_have_a_bound_above_which_nothing_counts_as_signed() -> None:
    blocks = [{"filesToSign": [f"{KERNEL}/[m{index}]*.ko"]} for index in range(900)]
    image = "quay.io/acme/nic:1"
    mappings = [{"literal": str(index), "containerImage": image, "sign": block} for index, block in enumerate(blocks)]
    names = [f"m{index}" for index in range(900)]
    order = {"moduleName": "m0", "dirName": "/opt", "modulesLoadingOrder": names}
    (finding,) = found(signing(f"{KERNEL}/x*.ko", kernelMappings=mappings, modprobe=order), "SGN201")
    assert finding.mode is Mode.ENFORCE
    assert "too many" in finding.message
    for mapping in mappings:
        mapping["sign"] = {"filesToSign": [f"{KERNEL}/m*.ko"]}
    assert not found(signing(f"{KERNEL}/x*.ko", kernelMappings=mappings, modprobe=order), "SGN201")


def test_many_names_are_told_one_by_one_up_to_a_bound_and_then_counted_block_by_block() -> None:
    block = {"filesToSign": [f"{KERNEL}/m1.ko"]}
    image = "quay.io/acme/nic:1"
    mappings = [{"literal": str(index), "containerImage": image, "sign": block} for index in range(3)]
    names = [f"m{index}" for index in range(18)]
    order = {"moduleName": "m0", "dirName": "/opt", "modulesLoadingOrder": names}
    findings = found(signing(f"{KERNEL}/m0.ko", kernelMappings=mappings, modprobe=order), "SGN201")
    counted = [(item.field, item.message.partition(" of ")[0]) for item in findings if " of the " in item.message]
    place = "spec.moduleLoader.container.kernelMappings"
    assert counted == [(f"{place}[1].sign.filesToSign", "12 more"), (f"{place}[2].sign.filesToSign", "16")]
    assert len(findings) == 20 + 2
    assert {item.mode for item in findings} == {Mode.ENFORCE}


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
        {"moduleName": "pci:v00008086d*"},
        {"moduleName": "nic other"},
        {"moduleName": "nic", "modulesLoadingOrder": ["nic", "pci:*"]},
        {"moduleName": "nic", "args": {"unload": ["-C", "/tmp/opt/evil"]}},
        {"moduleName": "nic", "args": {"unload": ["evil"]}},
        {"moduleName": "nic", "args": {"unload": ["--config=/tmp/opt/evil.conf"]}},
        {"moduleName": "nic", "rawArgs": {"unload": ["evil"]}},
    ],
)
def test_what_makes_modprobe_load_something_else_is_refused(modprobe: dict[str, Any]) -> None:
    for files in (["nic.ko", "_a.ko", "-a.ko"], ["*.ko"]):
        object = signing(*(f"{KERNEL}/{file}" for file in files), modprobe={"dirName": "/opt", **modprobe})
        assert {finding.mode for finding in found(object, "SGN201")} == {Mode.ENFORCE}


def test_a_name_that_is_no_module_is_told_once_and_where_it_stands() -> None:
    object = signing(f"{KERNEL}/nic.ko", modprobe={"moduleName": "nic.ko", "dirName": "/opt"})
    (finding,) = found(object, "SGN201")
    assert finding.field.endswith("modprobe.moduleName")


@pytest.mark.parametrize(
    "modprobe",
    [
        {"moduleName": "nic", "args": {"load": ["-v", "--first-time"]}, "parameters": ["debug=-1", "quiet"]},
        {"moduleName": "nic", "args": {"load": ["-v"], "unload": ["-v", "--remove-holders", "-f", "--wait=500"]}},
        {"moduleName": "nic", "rawArgs": {"load": [], "unload": []}},
    ],
)
def test_what_changes_nothing_about_what_is_loaded_passes(modprobe: dict[str, Any]) -> None:
    assert not found(signing(f"{KERNEL}/nic.ko", modprobe={"dirName": "/opt", **modprobe}), "SGN201")


def test_a_module_of_a_hub_is_judged_by_the_namespace_that_it_is_made_in() -> None:
    spoke = module()
    spec = {"moduleSpec": spoke["spec"], "spokeNamespace": "drivers", "selector": {"a": "b"}}
    hub = {"apiVersion": "hub.kmm.sigs.x-k8s.io/v1beta1", "kind": "ManagedClusterModule", "metadata": {"name": "nic"}}
    assert found({**hub, "spec": spec}, "SGN201")
    assert not found({**hub, "spec": spec | {"spokeNamespace": "others"}}, "SGN201")


def test_nodes_are_marked_by_what_they_are_and_not_by_the_selector() -> None:
    (finding,) = found(module(), "SGN204", BY_NODES, facts=MARKED, user="alice")
    assert finding.mode is Mode.ENFORCE
    assert "node w1" in finding.message
    assert not found(signing(f"{KERNEL}/nic.ko"), "SGN204", BY_NODES, facts=MARKED, user="alice")
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
    assert not found(signing(f"{KERNEL}/nic.ko"), "SGN204", BY_NODES, facts=NO_NODES, user="alice")


@pytest.mark.parametrize("id", ["SGN204", "SEL206"])
@pytest.mark.parametrize("facts", [NO_NODES, MARKED], ids=["unknown", "known"])
def test_a_controller_finishes_with_a_module_whatever_its_nodes(id: str, facts: SnapshotFacts) -> None:
    object = module()
    object["metadata"]["finalizers"] = ["kmm.node.kubernetes.io/module-finalizer"]
    asked = {"old": defaulted(object), "operation": "UPDATE", "facts": facts}
    assert not found(module(), id, BY_NODES, **asked, user=KMM)
    assert found(module(), id, BY_NODES, **asked, user="alice")


def certified(text: bytes | None) -> SnapshotFacts:
    """Facts with the certificate Secret of a signing Module, or of which nobody knows it."""
    if text is None:
        return SnapshotFacts([])
    data = {"cert": base64.b64encode(text).decode()}
    metadata = {"name": "c", "namespace": "drivers"}
    return SnapshotFacts([{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}], {"Secret"})


def listing(*fingerprints: str, **gates: Any) -> Policy:
    required = {"namespaces": ["drivers"], "fingerprints": list(fingerprints)}
    return read_policy({"parameters": {"requireSigning": required}, "gates": gates})


def test_only_a_listed_certificate_satisfies_the_policy() -> None:
    listed, other = nameless().certificate, nameless().certificate
    certificate = read_certificate(listed)
    assert certificate is not None
    for fingerprint in (certificate.fingerprint, f"sha256:{certificate.key_fingerprint}"):
        policy = listing(fingerprint, "0" * 64)
        for gate in ("check", "admit"):
            asked = {"policy": policy, "gate": gate, "facts": certified(listed)}
            assert not found(signing(f"{KERNEL}/nic.ko"), "SGN206", **asked)
            asked["facts"] = certified(other)
            (finding,) = found(signing(f"{KERNEL}/nic.ko"), "SGN206", **asked)
            assert finding.mode is (Mode.ENFORCE if gate == "check" else Mode.WARN)


@pytest.mark.parametrize("text", [None, b"", b"no certificate"])
def test_a_certificate_that_is_not_known_goes_by_the_mode_of_the_gate(text: bytes | None) -> None:
    asked = {"facts": certified(text), "user": "alice"}
    object = signing(f"{KERNEL}/nic.ko")
    assert found(object, "SGN206", listing("0" * 64), "check", **asked)[0].mode is Mode.ENFORCE
    assert found(object, "SGN206", listing("0" * 64), **asked)[0].mode is Mode.WARN
    assert found(object, "SGN206", listing("0" * 64, admit={"SGN206": "enforce"}), **asked)[0].mode is Mode.ENFORCE


def test_what_was_signed_elsewhere_needs_a_listed_fingerprint() -> None:
    object = module()
    images = [object["spec"]["moduleLoader"]["container"]["containerImage"]]
    entry = {"driver": "drivers/nic", "images": images, "fingerprint": "a" * 64}
    for fingerprint, is_listed in (("a" * 64, True), ("b" * 64, False)):
        required = {"namespaces": ["drivers"], "fingerprints": [fingerprint]}
        policy = read_policy({"parameters": {"requireSigning": required, "signedElsewhere": [entry]}})
        for id in ("SGN201", "SGN206"):
            assert bool(found(object, id, policy, facts=certified(None))) != is_listed
