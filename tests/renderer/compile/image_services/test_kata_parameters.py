"""What an ImageService says of Kata is said once: for ims-config and for the policy of the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image_services import PLAIN, ImageServiceFleet

POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {{name: site}}
spec:
  clusters: {{names: [alps]}}
  parameters: {{kata: {kata}}}
"""
KEY = "io.katacontainers.config.hypervisor.virtio_fs_extra_args"


@pytest.fixture
def fleet(tmp_path: Path) -> ImageServiceFleet:
    return ImageServiceFleet(tmp_path)


def parameters(fleet: ImageServiceFleet) -> Any:
    fleet.render()
    text = fleet.object("alps/cluster/configmap-kmodgate-policy.yaml")["data"]["policy.yaml"]
    return yaml.safe_load(text)["spec"].get("parameters")


@pytest.mark.parametrize(("flavour", "value"), [("go", '["-o", "xattr"]'), ("rust", "-o,xattr")])
def test_class_and_annotation_flow_into_the_policy(fleet: ImageServiceFleet, flavour: str, value: str) -> None:
    kata = f"{{runtimeClass: kata-site, flavour: {flavour}, permits: [virtio_fs_extra_args], xattr: true}}"
    fleet.service(f"{PLAIN}\nkata: {kata}\nnamespaces: {{jobs: builds}}")
    assert parameters(fleet)["kata"] == {
        "runtimeClasses": ["kata-site", "kata-qemu"],
        "annotations": {KEY: value},
        "imsNamespace": "builds",
    }


def test_nothing_permitted_is_said_as_such(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{PLAIN}\nkata: {{permits: []}}")
    assert parameters(fleet)["kata"]["annotations"] == {}


def test_what_is_permitted_and_not_asked_for_stays_as_the_pods_have_it(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{PLAIN}\nkata: {{permits: [virtio_fs_extra_args]}}")
    assert parameters(fleet) is None


def test_a_service_that_says_nothing_changes_no_policy(fleet: ImageServiceFleet) -> None:
    fleet.service()
    assert parameters(fleet) is None


def test_handlers_of_classes_of_our_own_are_those_of_kata(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{PLAIN}\nkata: {{runtimeClass: kata-site, manageRuntimeClass: true, handler: site}}")
    assert parameters(fleet)["kata"]["handlers"] == {"kata-site": ["site"]}


def test_a_policy_may_say_the_same_and_more(fleet: ImageServiceFleet) -> None:
    fleet.service(f"{PLAIN}\nkata: {{runtimeClass: kata-qemu}}")
    work = "work: {namespaces: [builds]}"
    fleet.write("policies/site.yaml", POLICY.format(kata=f"{{runtimeClasses: [kata-qemu, kata-clh], {work}}}"))
    assert parameters(fleet)["kata"] == {
        "runtimeClasses": ["kata-qemu", "kata-clh"],
        "work": {"namespaces": ["builds"]},
    }


CONTRADICTIONS = (
    ("{runtimeClasses: [kata-clh]}", "runtimeClasses", "kata-site"),
    ("{imsNamespace: builds}", "imsNamespace", "says ims "),
    (f"{{annotations: {{{KEY}: x}}}}", "annotations", "-o"),
    ("{handlers: {kata-site: [other]}}", "handlers", "kata-site: site"),
)


@pytest.mark.parametrize(("kata", "field", "words"), CONTRADICTIONS)
def test_a_policy_that_contradicts_names_both_places(
    fleet: ImageServiceFleet, kata: str, field: str, words: str
) -> None:
    ours = "runtimeClass: kata-site, manageRuntimeClass: true, handler: site"
    fleet.service(f"{PLAIN}\nkata: {{{ours}, permits: [virtio_fs_extra_args], xattr: true}}")
    fleet.write("policies/site.yaml", POLICY.format(kata=kata))
    (found,) = fleet.findings()
    assert (found["rule"], found["file"], found["line"]) == ("IMS506", "policies/site.yaml", 6)
    assert found["field"] == f"spec.parameters.kata.{field}"
    assert words in found["message"]
    assert "services/ims.yaml:" in found["message"]
    assert fleet.run("render").returncode == 2
