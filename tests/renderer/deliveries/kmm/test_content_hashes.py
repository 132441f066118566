"""Dockerfiles in ConfigMaps named by their content, and image tags that follow the content."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder
from tests.renderer.rendering import IMAGE, MODULE, container, errors

SIGN = "sign: {keySecret: k, certSecret: c, filesToSign: [/opt/lib/modules/a.ko], unsignedImage: 'b:1'}"


def test_a_dockerfile_becomes_an_immutable_config_map_that_is_pruned_last(fleet: FleetFolder) -> None:
    name = container(fleet, "build: {dockerfile: ./Dockerfile}")["build"]["dockerfileConfigMap"]["name"]
    config_map = fleet.object(f"paris/nic/configmap-{name}.yaml")
    assert config_map["data"] == {"dockerfile": "FROM a:1\nRUN make\n"}
    assert config_map["immutable"] is True
    assert config_map["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "PruneLast=true"


def test_another_dockerfile_is_another_config_map(fleet: FleetFolder) -> None:
    first = container(fleet, "build: {dockerfile: ./Dockerfile}")["build"]["dockerfileConfigMap"]["name"]
    fleet.write("drivers/Dockerfile", "FROM a:2\n")
    second = container(fleet, "build: {dockerfile: ./Dockerfile}")["build"]["dockerfileConfigMap"]["name"]
    assert first != second
    assert f"paris/nic/configmap-{first}.yaml" not in fleet.files()


def test_line_ends_of_a_checkout_do_not_change_the_tree(fleet: FleetFolder) -> None:
    container(fleet, "build: {dockerfile: ./Dockerfile}")
    before = fleet.files()
    for path in [*fleet.root.glob("drivers/*"), *fleet.root.glob("clusters/*")]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    fleet.render()
    assert fleet.files() == before


def test_mappings_may_have_dockerfiles_of_their_own_and_share_them(fleet: FleetFolder) -> None:
    fleet.write("drivers/Other", "FROM b:1\n")
    fleet.driver("nic")
    text = (fleet.root / "drivers/nic.yaml").read_text()
    mappings = "".join(
        f"  - {{literal: 5.14.{n}, containerImage: 'a:{n}', build: {{dockerfile: {name}}}}}\n"
        for n, name in enumerate(["./Dockerfile", "./Other", "Other"])
    )
    fleet.write("drivers/nic.yaml", text + mappings)
    fleet.render()
    assert len([path for path in fleet.files() if "configmap-nic" in path]) == 2


@pytest.mark.parametrize(
    "change", ["buildArgs: {A: '2'}", "secrets: [other]", "dockerfile: ./Other", "sign"]
)  # fmt: skip
def test_content_tag_changes_the_tag_when_what_is_built_changes(fleet: FleetFolder, change: str) -> None:
    fleet.write("drivers/Other", "FROM b:1\n")
    common = "contentTag: true\nbuild: {dockerfile: ./Dockerfile, buildArgs: {A: '1'}, secrets: [s]}\n"
    first = container(fleet, common)["containerImage"]
    assert first.startswith("quay.io/acme/nic:1.0-")
    assert container(fleet, common)["containerImage"] == first
    changed = common + SIGN if change == "sign" else common.replace(
        {"b": "buildArgs: {A: '1'}", "s": "secrets: [s]", "d": "dockerfile: ./Dockerfile"}[change[0]], change
    )  # fmt: skip
    assert container(fleet, changed)["containerImage"] != first


@pytest.mark.parametrize(
    "change", ["keySecret: k2", "certSecret: c2", "filesToSign: [/opt/b.ko]", "unsignedImage: 'b:1'"]
)  # fmt: skip
def test_content_tag_changes_the_tag_when_what_is_signed_changes(fleet: FleetFolder, change: str) -> None:
    signed = {"keySecret": "k", "certSecret": "c", "filesToSign": "[/opt/a.ko]", "unsignedImage": "'a:1'"}
    key, _, value = change.partition(": ")
    tags = {
        container(fleet, "contentTag: true\nsign: {" + ", ".join(f"{k}: {v}" for k, v in level.items()) + "}")[
            "containerImage"
        ]
        for level in (signed, {**signed, key: value})
    }
    assert len(tags) == 2


def test_content_tag_leaves_an_image_alone_that_no_mapping_uses(fleet: FleetFolder) -> None:
    fleet.driver("nic", f"contentTag: true\n{SIGN}")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("regexp: ", "containerImage: 'own:1', regexp: "))
    fleet.render()
    rendered = fleet.object(MODULE)["spec"]["moduleLoader"]["container"]
    assert rendered["containerImage"] == IMAGE
    assert rendered["kernelMappings"][0]["containerImage"].startswith("own:1-")


def test_content_tag_leaves_a_mapping_alone_that_is_not_built(fleet: FleetFolder) -> None:
    fleet.driver("nic", "contentTag: true")
    text = (fleet.root / "drivers/nic.yaml").read_text()
    own = "  - {literal: 5.14.1, containerImage: 'b:1', build: {dockerfile: ./Dockerfile}}\n  - {literal: 5.14.2, containerImage: 'c:1'}\n"
    fleet.write("drivers/nic.yaml", text.replace("  contentTag: true\n", own + "  contentTag: true\n"))
    fleet.render()
    rendered = fleet.object(MODULE)["spec"]["moduleLoader"]["container"]
    images = [mapping["containerImage"] for mapping in rendered["kernelMappings"]]
    assert rendered["containerImage"] == IMAGE
    assert images[0] == ""
    assert images[1].startswith("b:1-")
    assert images[2] == "c:1"


@pytest.mark.parametrize(
    ("image", "word"), [("quay.io/a@sha256:" + "0" * 64, "tag"), ("quay.io:5000/a", "tag"), ("a/b:${KERNEL_FULL_VERSION}", "")]
)  # fmt: skip
def test_content_tag_needs_an_image_with_a_tag(fleet: FleetFolder, image: str, word: str) -> None:
    fleet.driver("nic", "contentTag: true\nbuild: {dockerfile: ./Dockerfile}")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(IMAGE, image))
    if word:
        assert any("IMG001" in line and ":9:19:" in line for line in errors(fleet))
    else:
        fleet.render()


def test_content_tag_without_anything_built_is_an_error(fleet: FleetFolder) -> None:
    fleet.driver("nic", "contentTag: true")
    assert "IMG001" in errors(fleet)[0]
