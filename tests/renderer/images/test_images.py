"""`kmodgate images`: what a site has to mirror."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fleets import FleetFolder
from tests.renderer.diff.three_sites import edit
from tests.renderer.rendering import one_cluster

RUNNING, NEXT, OTHER = (f"5.14.0-{number}.el9.x86_64" for number in (1, 2, 3))
DIGEST = f"@sha256:{'0' * 64}"


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    """A fleet of one cluster with a kernel that runs and a next one."""
    folder = one_cluster(tmp_path)
    know_kernels(folder)
    return folder


def know_kernels(fleet: FleetFolder, more: str = "", version: str = "1.33") -> None:
    path = fleet.root / "clusters/paris.yaml"
    edit(path, ("count: 3,", f"count: 3, kernels: [{RUNNING}], nextKernels: [{NEXT}],"))
    edit(path, ("spec:\n", f"spec:\n  kubernetes: {{version: '{version}'}}\n" if version else "spec:\n"))
    path.write_text(path.read_text() + more)


def images(fleet: FleetFolder, *arguments: str) -> list[str]:
    result = fleet.run("images", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def image_set(fleet: FleetFolder) -> Any:
    return yaml.safe_load(fleet.run("images", "--format", "imageset").stdout)


def test_a_prebuilt_image_is_listed_for_every_kernel_that_nodes_run_or_get(fleet: FleetFolder) -> None:
    fleet.driver("nic", f"devicePlugin: {{container: {{image: 'quay.io/acme/plugin{DIGEST}'}}}}")
    expected = [f"quay.io/acme/nic:1.0-{kernel}" for kernel in (RUNNING, NEXT)]
    assert images(fleet) == [*expected, f"quay.io/acme/plugin{DIGEST}"]
    assert f"quay.io/acme/nic:1.0-{OTHER}" in images(fleet, "--kernel", OTHER)


def test_a_volume_that_is_an_image_is_pulled_too(fleet: FleetFolder) -> None:
    volume = "volumes: [{name: tools, image: {reference: 'quay.io/acme/tools:1'}}]"
    fleet.driver("nic", f"devicePlugin: {{container: {{image: 'quay.io/acme/plugin{DIGEST}'}}, {volume}}}")
    assert "quay.io/acme/tools:1" in images(fleet)


def test_of_what_kmm_builds_the_base_images_are_listed(fleet: FleetFolder) -> None:
    fleet.write(
        "drivers/Dockerfile",
        "ARG DTK_AUTO\nARG BASE=quay.io/acme/base:1\nARG SRC\nFROM ${DTK_AUTO} AS b\n"
        "FROM quay.io/acme/devel:${KERNEL_FULL_VERSION}\nCOPY --from=quay.io/acme/tools:1 /a /b\nFROM ${SRC}\n"
        "COPY --from=b /a /b\nFROM ${BASE}\n",
    )
    fleet.driver("nic", "build: {dockerfile: ./Dockerfile, buildArgs: {SRC: quay.io/acme/src:1}}")
    assert images(fleet) == [
        "quay.io/acme/base:1",
        f"quay.io/acme/devel:{RUNNING}",
        f"quay.io/acme/devel:{NEXT}",
        "quay.io/acme/src:1",
        "quay.io/acme/tools:1",
    ]


def test_of_what_is_only_signed_the_unsigned_image_is_listed(fleet: FleetFolder) -> None:
    sign = "unsignedImage: 'quay.io/acme/raw:${KERNEL_FULL_VERSION}', keySecret: a, certSecret: b"
    fleet.driver("nic", f"sign: {{{sign}, filesToSign: [/opt/lib/modules/a.ko]}}")
    assert images(fleet) == [f"quay.io/acme/raw:{RUNNING}", f"quay.io/acme/raw:{NEXT}"]


def test_names_are_those_of_the_source_whatever_is_mirrored(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    before = images(fleet)
    know = (fleet.root / "clusters/paris.yaml").read_text()
    fleet.write("clusters/paris.yaml", f"{know}  mirrors: [{{source: quay.io, mirror: m.example, type: tag}}]\n")
    assert images(fleet) == before
    found = json.loads(fleet.run("images", "--format", "json").stdout)["images"][0]
    assert found["pulledAs"] == {"paris": f"m.example/acme/nic:1.0-{RUNNING}"}
    assert found["usedBy"] == ["Module kmm-tests/nic: containerImage"]


def test_kernels_that_are_not_known_are_told(tmp_path: Path) -> None:
    fleet = one_cluster(tmp_path)
    fleet.driver("nic")
    result = fleet.run("images")
    assert result.stdout == ""
    assert "note: not known: paris: the kernels of its nodes" in result.stderr


def test_a_kernel_without_mapping_needs_no_image(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    assert images(fleet, "--kernel", "6.1.0-x86_64") == [f"quay.io/acme/nic:1.0-{RUNNING}"]


@pytest.mark.parametrize(
    ("kmm", "flavour", "catalog", "channel"),
    [
        (
            "2.4.1",
            "redhat",
            "redhat-operator-index:v4.20",
            {"name": "stable", "minVersion": "2.4.1", "maxVersion": "2.4.1"},
        ),
        ("2.4", "redhat", "redhat-operator-index:v4.20", {"name": "stable"}),
    ],
)
def test_the_operator_is_a_package_of_its_catalog(
    tmp_path: Path, kmm: str, flavour: str, catalog: str, channel: dict[str, str]
) -> None:
    fleet = FleetFolder(tmp_path)
    fleet.cluster("paris", platform="openshift", kmm=kmm, flavour=flavour)
    know_kernels(fleet)
    fleet.driver("nic")
    found = image_set(fleet)
    assert (found["apiVersion"], found["kind"]) == ("mirror.openshift.io/v2alpha1", "ImageSetConfiguration")
    (operator,) = found["mirror"]["operators"]
    assert operator["catalog"] == f"registry.redhat.io/redhat/{catalog}"
    assert operator["packages"] == [{"name": "kernel-module-management", "channels": [channel]}]
    assert {"name": f"quay.io/acme/nic:1.0-{NEXT}"} in found["mirror"]["additionalImages"]


def test_upstream_kmm_is_in_no_catalog_of_openshift(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    fleet.cluster("paris", platform="openshift", kmm="2.6", flavour="upstream")
    know_kernels(fleet)
    fleet.driver("nic")
    result = fleet.run("images", "--format", "imageset")
    assert "operators" not in yaml.safe_load(result.stdout)["mirror"]
    assert (
        "paris: spec.kmm.install.source, since no catalog of OpenShift's own has upstream KMM; KMM's operator is"
        in (result.stderr)
    )


def test_lone_names_of_docker_hub_are_whole_for_oc_mirror(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    edit(fleet.root / "drivers/nic.yaml", ("quay.io/acme/nic", "acme/nic"))
    assert f"acme/nic:1.0-{RUNNING}" in images(fleet)
    assert {"name": f"docker.io/acme/nic:1.0-{RUNNING}"} in image_set(fleet)["mirror"]["additionalImages"]


def test_releases_of_two_clusters_are_the_range_of_the_channel(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    for name, kmm in (("paris", "2.4.1"), ("lyon", "2.4.10")):
        fleet.cluster(name, platform="openshift", kmm=kmm, flavour="redhat")
        edit(fleet.root / f"clusters/{name}.yaml", ("spec:\n", "spec:\n  kubernetes: {version: '1.31'}\n"))
    fleet.driver("nic")
    (operator,) = image_set(fleet)["mirror"]["operators"]
    expected = {"name": "stable", "minVersion": "2.4.1", "maxVersion": "2.4.10"}
    assert operator["packages"][0]["channels"] == [expected]


def test_an_openshift_whose_version_nobody_says_is_told(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    fleet.cluster("paris", platform="openshift")
    fleet.driver("nic")
    result = fleet.run("images", "--format", "imageset")
    assert "operators" not in yaml.safe_load(result.stdout)["mirror"]
    assert "paris: spec.kubernetes.version, and so its OpenShift" in result.stderr
