"""An operator without OLM: an overlay for kustomize, in the handover."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.fleets import FleetFolder
from tests.renderer.compile.operator_install.fleet import REFERENCE, cluster, objects, upstream
from tests.renderer.compile.operator_install.test_objects import CONFIRMED, options


def overlay(fleet: FleetFolder) -> dict[str, Any]:
    fleet.render()
    folder = fleet.root / "handover/paris/kmm-operator"
    return {path.name: yaml.safe_load(path.read_text()) for path in folder.iterdir()}


def test_without_olm_the_handover_has_an_overlay_over_kmms_folder_at_a_commit(fleet: FleetFolder) -> None:
    cluster(fleet, upstream(kustomize=REFERENCE), platform="kubernetes", kubectl="")

    found = overlay(fleet)

    kustomization = found["kustomization.yaml"]
    assert kustomization["resources"] == [REFERENCE]
    patches = {item["target"]["kind"]: yaml.safe_load(item["patch"]) for item in kustomization["patches"]}
    assert {options(patch) for patch in patches.values()} == {CONFIRMED}
    assert set(patches) == {"CustomResourceDefinition", "Namespace"}
    tree = objects(fleet)
    assert not {key.partition("/")[0] for key in tree} & {"Subscription", "Kustomization", "OperatorGroup", "Job"}
    assert "SkipDryRunOnMissingResource=true" in options(tree["Module/nic"])


def test_a_configuration_and_tolerations_are_patched_into_the_overlay(fleet: FleetFolder) -> None:
    kmm = {**upstream(kustomize=REFERENCE), "config": {"worker": {"runAsUser": 0}}}
    cluster(fleet, kmm, platform="kubernetes", topology="sno")

    found = overlay(fleet)

    kustomization, settings = found["kustomization.yaml"], found["manager-config.yaml"]
    assert kustomization["resources"] == [REFERENCE, "manager-config.yaml"]
    assert settings["metadata"]["namespace"] == "kmm-operator-system"
    patches = [
        yaml.safe_load(item["patch"]) for item in kustomization["patches"] if item["target"]["kind"] == "Deployment"
    ]
    checksums = [patch["spec"]["template"]["metadata"]["annotations"] for patch in patches if isinstance(patch, dict)]
    added = [patch[0]["value"]["key"] for patch in patches if isinstance(patch, list)]
    assert len(checksums) == len(added) == 2
    assert checksums[0] == checksums[1]
    assert set(added) == {"node.kubernetes.io/unschedulable"}
    assert not any(key.startswith(("ConfigMap/kmm", "Job/")) for key in objects(fleet))
    cluster(fleet, {**kmm, "config": {"worker": {"runAsUser": 1}}}, platform="kubernetes", topology="sno")
    assert overlay(fleet)["kustomization.yaml"]["patches"] != kustomization["patches"]


def test_before_2_4_the_configuration_is_a_patch_of_the_config_map_in_kmms_folder(fleet: FleetFolder) -> None:
    kmm = {**upstream(kustomize=REFERENCE), "version": "2.3", "config": {"worker": {"runAsUser": 0}}}
    cluster(fleet, kmm, platform="kubernetes")

    found = overlay(fleet)

    assert "manager-config.yaml" not in found
    assert found["kustomization.yaml"]["resources"] == [REFERENCE]
    (patch,) = [item for item in found["kustomization.yaml"]["patches"] if item["target"]["kind"] == "ConfigMap"]
    assert patch["target"]["name"] == "kmm-operator-manager-config"
    assert yaml.safe_load(yaml.safe_load(patch["patch"])["data"]["controller_config.yaml"]) == {
        "worker": {"runAsUser": 0}
    }


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("2.4", ["kmm-operator-controller", "kmm-operator-webhook"]),
        ("2.2", ["kmm-operator-controller", "kmm-operator-webhook-server"]),
    ],
)
def test_the_deployments_are_those_of_the_version(fleet: FleetFolder, version: str, names: list[str]) -> None:
    kmm = {**upstream(kustomize=REFERENCE), "version": version}
    cluster(fleet, kmm, platform="kubernetes", topology="sno")
    patches = overlay(fleet)["kustomization.yaml"]["patches"]
    assert [item["target"]["name"] for item in patches if item["target"]["kind"] == "Deployment"] == names


@pytest.mark.parametrize("start", ["ssh://git@", "ssh://", ""])
def test_a_mirror_of_the_repository_may_be_reached_by_ssh(fleet: FleetFolder, start: str) -> None:
    reference = REFERENCE.replace("https://github.com/", f"{start}git.example.com:7999/")
    cluster(fleet, upstream(kustomize=reference), platform="kubernetes", kubectl="")

    fleet.render()
