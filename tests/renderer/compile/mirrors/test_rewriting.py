"""Objects of clusters that pull from mirrors."""

from __future__ import annotations

import json
from typing import Any

from tests.fleets import FleetFolder
from tests.renderer.rendering import MODULE, container, module

TAGS = "{source: quay.io/acme, mirror: 'm.example:5000/acme', type: tag}"
DIGESTS = "{source: quay.io/acme, mirror: 'm.example:5000/acme', type: digest}"
DIGEST = f"@sha256:{'0' * 64}"
IMAGE = "m.example:5000/acme/nic:1.0-${KERNEL_FULL_VERSION}"


def mirrored(fleet: FleetFolder, *mirrors: str, name: str = "paris", more: str = "") -> None:
    path = fleet.root / f"clusters/{name}.yaml"
    path.write_text(f"{path.read_text()}  mirrors: [{', '.join(mirrors)}]\n{more}")


def warnings(fleet: FleetFolder) -> list[str]:
    lines = fleet.run("check").stdout.splitlines()
    return [line for line in lines if "warning[IMG40" in line]


def test_every_image_of_a_module_is_rewritten(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS, DIGESTS)
    found = module(
        fleet,
        f"""\
sign: {{unsignedImage: quay.io/acme/raw:1, keySecret: a, certSecret: b, filesToSign: [/opt/a.ko]}}
kernelMappings:
- {{name: el9, literal: 5.14.0, containerImage: 'quay.io/acme/nic:2'}}
devicePlugin:
  container: {{image: 'quay.io/acme/plugin{DIGEST}'}}
  initContainer: {{image: 'quay.io/acme/init:1'}}
""".replace("kernelMappings:", "overrides:\n- clusters: {matchLabels: {}}\n  patch:\n    kernelMappings:").replace(
            "- {name: el9", "    - {name: one"
        ),
    )
    loader = found["spec"]["moduleLoader"]["container"]
    assert loader["containerImage"] == IMAGE
    assert loader["kernelMappings"][0]["containerImage"] == "m.example:5000/acme/nic:2"
    assert loader["sign"]["unsignedImage"] == "m.example:5000/acme/raw:1"
    assert found["spec"]["devicePlugin"]["container"]["image"] == f"m.example:5000/acme/plugin{DIGEST}"
    assert found["spec"]["devicePlugin"]["initContainer"]["image"] == "m.example:5000/acme/init:1"


def test_pods_of_attached_workloads_are_rewritten(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS)
    pod = {
        "containers": [{"name": "a", "image": "quay.io/acme/a:1"}],
        "initContainers": [{"name": "b", "image": "b:1"}],
    }
    job: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}}
    fleet.write("drivers/job.yaml", json.dumps({**job, "spec": {"template": {"spec": pod}}}))
    module(fleet, "attach: [./job.yaml]")
    found = fleet.object("paris/nic/job-a.yaml")["spec"]["template"]["spec"]
    assert found["containers"][0]["image"] == "m.example:5000/acme/a:1"
    assert found["initContainers"][0]["image"] == "b:1"


def test_the_name_of_the_module_decides_the_mirror_where_the_source_is_one_repository(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS, "{source: quay.io/acme/nic, mirror: m.example/nic, type: tag}")
    assert container(fleet, "build: {dockerfile: ./Dockerfile}")["containerImage"].startswith("m.example/nic:")
    text = (fleet.root / "drivers/nic.yaml").read_text()
    fleet.write("drivers/nic.yaml", text.replace("quay.io/acme/nic:1.0", "quay.io/acme/${MOD_NAME}:1.0"))
    fleet.render()
    found = fleet.object(MODULE)["spec"]["moduleLoader"]["container"]["containerImage"]
    assert found == "m.example/nic:1.0-${KERNEL_FULL_VERSION}"


def test_clusters_without_mirrors_have_the_same_content_tag_and_configmap(fleet: FleetFolder) -> None:
    fleet.cluster("lyon")
    mirrored(fleet, TAGS)
    fleet.write("drivers/Dockerfile", "ARG BASE=quay.io/acme/base:1\nFROM ${BASE}\n")
    here = container(fleet, "build: {dockerfile: ./Dockerfile}\ncontentTag: true")
    there = fleet.object("lyon/nic/module-nic.yaml")["spec"]["moduleLoader"]["container"]
    assert here["containerImage"].rpartition("-")[2] == there["containerImage"].rpartition("-")[2]
    assert here["build"]["dockerfileConfigMap"] == there["build"]["dockerfileConfigMap"]
    assert here["build"]["buildArgs"] == [{"name": "BASE", "value": "m.example:5000/acme/base:1"}]
    assert "buildArgs" not in there["build"]


def test_an_image_of_the_same_name_is_the_same_whichever_mirror_its_base_comes_from(fleet: FleetFolder) -> None:
    fleet.cluster("lyon")
    mirrored(fleet, "{source: quay.io/acme/base, mirror: m.example/base, type: tag}")
    fleet.write("drivers/Dockerfile", "ARG BASE=quay.io/acme/base:1\nFROM ${BASE}\n")
    found = container(fleet, "build: {dockerfile: ./Dockerfile}")
    assert found["build"]["buildArgs"][0]["value"] == "m.example/base:1"
    assert "IMG401" not in fleet.run("check").stdout


def test_arguments_of_a_mapping_change_where_they_stand(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS)
    fleet.write("drivers/Dockerfile", "ARG BASE=quay.io/acme/base:1\nARG TOOLS\nFROM ${BASE}\nFROM ${TOOLS}\n")
    more = """\
build: {dockerfile: ./Dockerfile, buildArgs: {TOOLS: "quay.io/acme/tools:1"}}
overrides:
- clusters: {matchLabels: {}}
  patch:
    kernelMappings:
    - {name: el9, build: {dockerfile: ./Dockerfile, buildArgs: {BASE: "quay.io/acme/base:9"}}}
"""
    found = container(fleet, more)
    own = found["kernelMappings"][0]["build"]["buildArgs"]
    assert own == [{"name": "BASE", "value": "m.example:5000/acme/base:9"}]
    assert {"name": "TOOLS", "value": "m.example:5000/acme/tools:1"} in found["build"]["buildArgs"]


def test_explain_names_the_spec_and_the_mirror(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS)
    module(fleet)
    field = "spec.moduleLoader.container.containerImage"
    text = fleet.run("explain", "nic", field).stdout
    assert "drivers/nic.yaml:9:19 spec.containerImage (driver)" in text
    assert "in place of quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}" in text
    assert "clusters/paris.yaml:9 spec.mirrors[0] (cluster)" in text
    (answer,) = json.loads(fleet.run("explain", "nic", field, "--format", "json").stdout)
    assert answer["fields"][0]["mirror"] == {"file": "clusters/paris.yaml", "line": 9, "specField": "spec.mirrors[0]"}


def test_allowed_registries_judge_what_is_pulled(fleet: FleetFolder) -> None:
    fleet.write(
        "policies/p.yaml",
        "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\nspec:\n"
        "  clusters: {matchLabels: {}}\n  parameters: {allowedRegistries: ['m.example:5000']}\n",
    )
    fleet.driver("nic")
    assert "IMG301" in fleet.run("render").stderr
    mirrored(fleet, TAGS)
    fleet.render()


def test_what_is_signed_elsewhere_is_known_to_the_policy_by_the_name_that_is_pulled(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS)
    module(fleet, "sign: {prebuilt: true}")
    policy = fleet.object("paris/cluster/configmap-kmodgate-policy.yaml")["data"]["policy.yaml"]
    assert IMAGE in policy
    assert "quay.io" not in policy


def test_a_base_image_that_no_argument_names_is_a_warning_at_its_line(fleet: FleetFolder) -> None:
    mirrored(fleet, TAGS)
    fleet.write("drivers/Dockerfile", "FROM a:1\nFROM quay.io/acme/base:1\n")
    module(fleet, "build: {dockerfile: ./Dockerfile}")
    (line,) = warnings(fleet)
    assert line.startswith("drivers/Dockerfile:2:1: warning[IMG402]")


def test_builds_of_openshift_know_the_mirrors_of_the_nodes(fleet: FleetFolder) -> None:
    fleet.cluster("paris", platform="openshift", flavour="redhat")
    mirrored(fleet, TAGS, more="  mirrorObjects: true\n")
    fleet.write("drivers/Dockerfile", "FROM quay.io/acme/base:1\n")
    module(fleet, "build: {dockerfile: ./Dockerfile}")
    assert warnings(fleet) == []


def test_a_tag_under_a_mirror_of_digests_is_a_warning(fleet: FleetFolder) -> None:
    mirrored(fleet, DIGESTS)
    assert container(fleet)["containerImage"].startswith("quay.io/acme/nic:")
    (line,) = warnings(fleet)
    assert line.startswith("drivers/nic.yaml:9:19: warning[IMG403] spec.containerImage:")
