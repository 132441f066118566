"""The patch of a pod with DKMS work."""

from __future__ import annotations

import pytest
import yaml

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.kata.view import HYPERVISOR, Reason
from kmodgate.policy.mutations.kata_injection import Injection
from tests.conftest import CASES
from tests.objects.json_patch import applied
from tests.policy.kata.kata_pods import KATA_QEMU, MEMORY, SECCOMP, XATTR, dkms_pod, injection, parameters

PERMITTED = parameters(annotations={XATTR: "--xattr", SECCOMP: "true"})


def test_dkms_work_is_given_the_class_and_nothing_else() -> None:
    assert injection(dkms_pod()) == Injection(
        [{"op": "add", "path": "/spec/runtimeClassName", "value": "kata-qemu"}], Reason.INJECTED
    )


def test_the_first_class_of_the_policy_is_the_one_that_is_given() -> None:
    known = SnapshotFacts([{**KATA_QEMU, "metadata": {"name": name}} for name in ("kata-clh", "kata-qemu")])
    found = injection(dkms_pod(), known, parameters=parameters(runtimeClasses=["kata-clh", "kata-qemu"]))
    assert applied(found.patch, dkms_pod())["spec"]["runtimeClassName"] == "kata-clh"


@pytest.mark.parametrize("present", [None, {}, {"a/b~c": "1"}])
def test_permitted_annotations_are_set_beside_those_that_are_there(present: dict[str, str] | None) -> None:
    pod = dkms_pod()
    pod["metadata"]["annotations"] = present
    found = applied(injection(pod, parameters=PERMITTED).patch, pod)
    assert found["metadata"]["annotations"] == {**(present or {}), XATTR: "--xattr", SECCOMP: "true"}


def test_metadata_without_annotations_gets_them_in_one_operation() -> None:
    assert [item["path"] for item in injection(dkms_pod(), parameters=PERMITTED).patch] == [
        "/spec/runtimeClassName",
        "/metadata/annotations",
    ]


def test_names_of_annotations_are_escaped() -> None:
    pod = dkms_pod(runtimeClassName="kata-qemu")
    pod["metadata"]["annotations"] = {f"{HYPERVISOR}a/b~1": "x"}
    (operation,) = injection(pod, parameters=parameters(annotations={})).patch
    assert operation == {"op": "remove", "path": f"/metadata/annotations/{HYPERVISOR}a~1b~01"}
    assert applied([operation], pod)["metadata"]["annotations"] == {}


def test_the_value_of_the_policy_replaces_that_of_a_template() -> None:
    pod = dkms_pod(runtimeClassName="kata-qemu")
    pod["metadata"]["annotations"] = {XATTR: '["-o", "xattr"]', SECCOMP: "true"}
    assert injection(pod, parameters=PERMITTED) == Injection(
        [{"op": "replace", "path": f"/metadata/annotations/{XATTR}", "value": "--xattr"}], Reason.ANNOTATED
    )


def test_a_change_of_annotations_alone_has_a_note_of_its_own() -> None:
    pod = dkms_pod(runtimeClassName="kata-qemu")
    found = injection(pod, parameters=PERMITTED)
    assert found.reason is Reason.ANNOTATED
    assert injection(applied(found.patch, pod), parameters=PERMITTED) == Injection([], Reason.ALREADY_KATA)


def test_only_what_nodes_must_permit_is_removed_and_only_where_the_policy_names_what_they_do() -> None:
    pod = dkms_pod()
    pod["metadata"]["annotations"] = {MEMORY: "4096", "example.com/owner": "gpu", f"{SECCOMP}.other": "x"}
    found = applied(injection(pod, parameters=PERMITTED).patch, pod)["metadata"]["annotations"]
    assert set(found) == {XATTR, SECCOMP, "example.com/owner", f"{SECCOMP}.other"}
    assert [item["path"] for item in injection(pod).patch] == ["/spec/runtimeClassName"]


def test_rendered_manifests_stay_as_they_are() -> None:
    """Invariant I2, for every object of the examples and under a policy that takes everything for DKMS work."""
    count = 0
    for path in sorted(CASES.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            namespace = document["metadata"].get("namespace", "")
            greedy = parameters(work={"namespaces": [namespace]}, annotations={XATTR: "--xattr"})
            assert injection(document, parameters=greedy).patch == [], path
            count += 1
    assert count > 50


def test_the_configuration_of_the_nodes_files_is_taken_away_whatever_the_policy_says() -> None:
    pod = dkms_pod()
    pod["metadata"]["annotations"] = {"io.katacontainers.config_path": "/opt/own.toml", "a": "b"}
    removal = {"op": "remove", "path": "/metadata/annotations/io.katacontainers.config_path"}
    assert removal in injection(pod).patch
    assert removal in injection(dkms_pod(runtimeClassName="kata-qemu") | {"metadata": pod["metadata"]}).patch
