"""What of spec.kmm cannot be installed is an error at its field, and nothing is rendered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fleets import FleetFolder
from tests.renderer.compile.operator_install.fleet import CSV, REFERENCE, cluster, redhat, upstream
from tests.renderer.rendering import errors

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "nothing pinned": (redhat(csv=None), {}, "error[SCH103] spec.kmm.install: says neither csv nor kustomize"),
    "another operator": (redhat(csv="gpu-operator.v2.6.0"), {}, "error[SCH104] spec.kmm.install.csv: gpu-operator.v2.6.0 is no"),
    "no version": (redhat(csv="kernel-module-management"), {}, "error[SCH104] spec.kmm.install.csv: kernel-module-management is no"),
    "half a version": (redhat(csv="kernel-module-management.v2.6"), {}, "error[SCH104] spec.kmm.install.csv: "),
    "a hub's": (redhat(csv="kernel-module-management-hub.v2.6.0"), {}, "error[SCH104] spec.kmm.install.csv: "),
    "another version": ({**redhat(), "version": "2.5"}, {}, "error[SCH104] spec.kmm.install.csv: installs 2.6.0, and spec.kmm.version says 2.5"),
    "a version like it": ({**redhat(csv="kernel-module-management.v2.10.0"), "version": "2.1"}, {}, "error[SCH104] spec.kmm.install.csv: installs 2.10.0"),
    "no image": (redhat(), {"kubectl": ""}, "error[SCH103] spec.kmm.install: the Job that approves the InstallPlan needs an image"),
    "Red Hat's elsewhere": (redhat(), {"platform": "kubernetes"}, "error[SCH104] spec.kmm.install: Red Hat's build of KMM installs on OpenShift only"),
    "no catalog": (upstream(csv=CSV), {}, "error[SCH103] spec.kmm.install: upstream KMM is in none of the catalogs"),
    "two ways": (upstream(csv=CSV, kustomize=REFERENCE), {}, "error[SCH104] spec.kmm.install.csv: csv is for the Operator Lifecycle Manager"),
    "approval of nothing": (upstream(kustomize=REFERENCE, approve="job"), {}, "error[SCH104] spec.kmm.install.approve: "),
    "a hub's folder": (upstream(kustomize=REFERENCE.replace("default", "default-hub")), {}, "error[SCH104] spec.kmm.install.kustomize: config/default-hub is the operator of a hub"),
    "no hub's folder": (upstream(kustomize=REFERENCE), {"acm": {"role": "hub"}}, "error[SCH104] spec.kmm.install.kustomize: config/default is KMM itself"),
    "no hub's folder of a fork": (upstream(kustomize=REFERENCE.replace("default", "deploy/")), {"acm": {"role": "hub"}}, "error[SCH104] spec.kmm.install.kustomize: config/deploy is KMM itself"),
    "a folder that kustomize does not build": ({**upstream(kustomize=REFERENCE), "version": "2.1"}, {}, "error[SCH104] spec.kmm.install.kustomize: kustomize 5 does not build the folder of KMM 2.1"),
    "another namespace": ({**upstream(kustomize=REFERENCE), "namespace": "kmm"}, {}, "error[SCH104] spec.kmm.namespace: "),
    "a branch": (upstream(kustomize=REFERENCE.replace("0123456789" * 4, "main")), {}, "error[SCH104] spec.kmm.install.kustomize: "),
    "a tag": (upstream(kustomize=REFERENCE.replace("0123456789" * 4, "v2.6.0")), {}, "error[SCH104] spec.kmm.install.kustomize: "),
    "credentials": (upstream(kustomize=REFERENCE.replace("https://", "https://me:secret@")), {}, "error[SCH104] spec.kmm.install.kustomize: "),
    "automatic": (redhat(approve="automatic"), {}, "error[SCH104] spec.kmm.install.approve: "),
    "a number": (redhat(csv=2.6), {}, "error[SCH102] spec.kmm.install.csv: "),
    "a text": ({"flavour": "redhat", "install": "olm"}, {}, "error[SCH102] spec.kmm.install: "),
    "an unknown field": (redhat(chanel="stable"), {}, "error[SCH101] spec.kmm.install.chanel: "),
    "an unknown setting": ({**redhat(), "config": {"worker": {"setFirmwareClassPath": "/a"}}}, {}, "error[SCH106] spec.kmm.config.worker.setFirmwareClassPath: "),
    "a setting of upstream": ({**redhat(), "config": {"webhookPort": 9443}}, {}, "error[SCH106] spec.kmm.config.webhookPort: "),
    "a wrong setting": ({**redhat(), "config": {"job": {"gcDelay": "soon"}}}, {}, "error[SCH104] spec.kmm.config.job.gcDelay: "),
    "no settings": ({**redhat(), "config": {}}, {}, "error[SCH104] spec.kmm.config: is empty"),
    "settings of nobody": ({"config": {"worker": {"runAsUser": 0}}}, {}, "error[SCH103] spec.kmm.config: "),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_contradiction_is_an_error_at_its_field(fleet: FleetFolder, case: str) -> None:
    kmm, more, expected = CASES[case]
    cluster(fleet, kmm, **more)

    found = errors(fleet)

    assert len(found) == 1, found
    assert expected in found[0]
    assert found[0].startswith("clusters/paris.yaml:")


@pytest.mark.parametrize("version", ["2.6", "2.6.0", "head", ""])
def test_a_version_that_agrees_is_none(fleet: FleetFolder, version: str) -> None:
    flavour = "upstream" if version == "head" else "redhat"
    kmm = {**redhat(), "flavour": flavour, **({"version": version} if version else {})}
    cluster(fleet, kmm)

    fleet.render()


def test_faults_of_several_fields_are_told_at_once(fleet: FleetFolder) -> None:
    cluster(fleet, {**redhat(), "version": "2.5", "config": {"wroker": {}}}, kubectl="")

    assert len(errors(fleet)) == 3


def test_an_empty_image_is_told_once(fleet: FleetFolder) -> None:
    cluster(fleet, redhat(), kubectl="", tools={"kubectl": ""})

    [error] = errors(fleet)

    assert "spec.tools.kubectl: the text is empty" in error
