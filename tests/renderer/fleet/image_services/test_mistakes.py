"""Mistakes in an ImageService: each with file, line, field and a fix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.image_services import PLAIN, ImageServiceFleet

FILE = "services/ims.yaml"


@pytest.fixture
def fleet(tmp_path: Path) -> ImageServiceFleet:
    return ImageServiceFleet(tmp_path)


SOUND = (
    PLAIN,
    'ims: "3.8.3"\nowner: loftsman\ndkms: {enabled: true}',
    'ims: "3.20.0"\nowner: argocd\nnetwork: {domain: alps.example.com}',
    'csm: "1.6.0"\nowner: loftsman\nkata: {permits: [virtio_fs_extra_args], xattr: true}',
    "csm: \"1.6.0\"\nowner: loftsman\nnetwork: {domain: '{{ network.dns.external }}'}",
    'csm: "1.6.0"\nowner: loftsman\nrecipes: {flags: [{pattern: "*-barebones-*", arch: x86_64, requireDkms: false}]}',
    'ims: "3.18.0"\nowner: loftsman\nsizes: {imageGiB: 60, memoryGiB: 12}',
)


@pytest.mark.parametrize("spec", SOUND)
def test_a_sound_service_needs_neither_a_driver_nor_kmm(fleet: ImageServiceFleet, spec: str) -> None:
    fleet.service(spec)
    assert fleet.findings() == []


CSM_15 = 'csm: "1.5.2"\nowner: loftsman\n'
CSM_16 = 'csm: "1.6.0"\nowner: loftsman\n'

MISTAKES = (
    ("owner: loftsman", "SCH104", "spec", 4, "csm: "),
    ('csm: "1.6.0"\nims: "3.20.0"\nowner: loftsman', "SCH104", "spec", 4, "keep one of them"),
    ("csm: 1.6\nowner: loftsman", "SCH102", "spec.csm", 6, '"1.6"'),
    ('csm: "1.9.0"\nowner: loftsman', "SCH104", "spec.csm", 6, "1.4.0, 1.4.1.* 1.6.0"),
    ('csm: "1.3.0"\nowner: loftsman', "SCH104", "spec.csm", 6, "1.4.0, "),
    ('ims: "3.99.0"\nowner: loftsman', "SCH104", "spec.ims", 6, "3.33.0"),
    ('csm: "1.6.0"\nowner: helm', "SCH104", "spec.owner", 7, "loftsman"),
    (f"{CSM_16}kata: {{runtimeClass: gvisor}}", "SCH104", "spec.kata.runtimeClass", 8, "kata-qemu"),
    (f"{CSM_16}kata: {{runtimeClass: 'kata #x'}}", "SCH104", "spec.kata.runtimeClass", 8, "lower-case"),
    (f"{CSM_16}kata: {{runtimeClass: Kata-qemu}}", "SCH104", "spec.kata.runtimeClass", 8, "write kata-qemu"),
    (f"{CSM_16}kata: {{aarch64RuntimeClass: ''}}", "SCH104", "spec.kata.aarch64RuntimeClass", 8, "kata-qemu"),
    (f"{CSM_16}kata: {{xattr: true}}", "IMS503", "spec.kata.xattr", 8, "kata.permits"),
    (
        f"{CSM_16}kata: {{manageRuntimeClass: false, handler: kata}}",
        "IMS503",
        "spec.kata.handler",
        8,
        "remove handler",
    ),
    (f"{CSM_16}sizes: {{imageGiB: 0}}", "SCH104", "spec.sizes.imageGiB", 8, "from 1 to 1000"),
    (f"{CSM_16}sizes: {{imageGiB: 60.5}}", "SCH102", "spec.sizes.imageGiB", 8, ""),
    (f"{CSM_16}sizes: {{memoryGiB: 8Gi}}", "SCH102", "spec.sizes.memoryGiB", 8, ""),
    ('ims: "3.18.0"\nowner: loftsman\nsizes: {imageGiB: 90}', "IMS502", "spec.sizes.imageGiB", 8, "3.19.0"),
    ('ims: "3.16.0"\nowner: loftsman\nsizes: {memoryGiB: 9}', "IMS502", "spec.sizes.memoryGiB", 8, "3.17.0"),
    ('csm: "1.4.0"\nowner: loftsman\nsizes: {memoryGiB: 9}', "IMS502", "spec.sizes.memoryGiB", 8, "3.10.0"),
    (f"{CSM_16}timeouts: {{remoteHeartbeats: 24}}", "IMS502", "spec.timeouts.remoteHeartbeats", 8, "3.32.0"),
    (f"{CSM_16}timeouts: {{s3ReadSeconds: 60s}}", "SCH102", "spec.timeouts.s3ReadSeconds", 8, ""),
    ('ims: "3.9.4"\nowner: loftsman\ndkms: {enabled: true}', "IMS502", "spec.dkms.enabled", 8, "3.9.6"),
    (
        'csm: "1.4.4"\nowner: loftsman\nkata: {aarch64RuntimeClass: kata-qemu}',
        "IMS502",
        "spec.kata.aarch64RuntimeClass",
        8,
        "3.9.0",
    ),
    (
        'csm: "1.4.4"\nowner: loftsman\nrecipes: {default: {requireDkms: true}}',
        "IMS502",
        "spec.recipes",
        8,
        "3.9.0",
    ),
    (
        'csm: "1.5.0"\nowner: loftsman\ncfs: [{file: c.json, api: v3, layers: {a: true}}]',
        "IMS502",
        "spec.cfs[0].api",
        8,
        "api: v2",
    ),
    (f"{CSM_16}network: {{domain: 'a b'}}", "SCH104", "spec.network.domain", 8, "example.com"),
    (f"{CSM_16}network: {{accessPool: '5'}}", "SCH104", "spec.network.accessPool", 8, "letter"),
    ('csm: "1.6.0"\nowner: argocd', "SCH103", "spec.owner", 7, "network"),
    (
        "csm: \"1.6.0\"\nowner: argocd\nnetwork: {domain: '{{ network.dns.external }}'}",
        "IMS503",
        "spec.network.domain",
        8,
        "owner: loftsman",
    ),
    (f"{CSM_16}tools: {{image: python}}", "IMS503", "spec.tools", 8, "preflight"),
    (f"{CSM_16}recipes: {{flags: [{{requireDkms: true}}]}}", "SCH104", "spec.recipes.flags[0]", 8, "pattern"),
    (
        f"{CSM_16}recipes: {{flags: [{{id: a, name: b, requireDkms: true}}]}}",
        "SCH104",
        "spec.recipes.flags[0]",
        8,
        "keep one",
    ),
    (
        f"{CSM_16}recipes: {{flags: [{{id: a, newest: true, requireDkms: true}}]}}",
        "SCH104",
        "spec.recipes.flags[0]",
        8,
        "",
    ),
    (
        f"{CSM_16}recipes: {{flags: [{{name: a, requireDkms: true}}, {{name: a, requireDkms: false}}]}}",
        "IMS503",
        "spec.recipes.flags[1]",
        8,
        "remove one",
    ),
    (f"{CSM_16}recipes: {{default: {{requireDkms: 'no'}}}}", "SCH102", "spec.recipes.default.requireDkms", 8, ""),
)  # fmt: skip


@pytest.mark.parametrize(("spec", "rule", "field", "line", "fix"), MISTAKES)
def test_a_mistake_is_refused_at_its_line(
    fleet: ImageServiceFleet, spec: str, rule: str, field: str, line: int, fix: str
) -> None:
    fleet.service(spec)
    found = fleet.findings()
    assert any(
        (item["rule"], item["file"], item["mode"]) == (rule, FILE, "enforce")
        and item["field"].startswith(field)
        and item["line"] == line
        and re.search(fix, item["fix"], re.S)
        for item in found
    ), found


WITHOUT_EFFECT = (
    (f"{CSM_16}cfs: [{{file: c.json, layers: {{gpu: false}}}}]", "spec.cfs[0].layers.gpu"),
    (f"{CSM_15}dkms: {{enabled: true}}\nrecipes: {{flags: [{{id: a, requireDkms: false}}]}}", "spec.recipes.flags[0].requireDkms"),
    (f"{CSM_16}recipes: {{flags: [{{name: a, arch: aarch64, requireDkms: false}}]}}", "spec.recipes.flags[0].requireDkms"),
    (
        f"{CSM_15}dkms: {{enabled: true}}\nrecipes: {{default: {{requireDkms: false}}}}",
        "spec.recipes.default.requireDkms",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("spec", "field"), WITHOUT_EFFECT)
def test_a_flag_without_effect_is_a_warning(fleet: ImageServiceFleet, spec: str, field: str) -> None:
    fleet.write("services/c.json", '{"layers": [{"name": "gpu"}]}')
    fleet.service(spec)
    assert [(item["rule"], item["mode"], item["field"]) for item in fleet.findings()] == [("IMS504", "warn", field)]
    fleet.render()


def test_two_services_of_one_cluster_name_each_other(fleet: ImageServiceFleet) -> None:
    fleet.service()
    fleet.service(name="other", clusters="{matchLabels: {}}")
    found = fleet.findings()
    assert [(item["rule"], item["field"]) for item in found] == [("IMS501", "spec.clusters")]
    assert "services/" in found[0]["message"]
    assert ":3" in found[0]["message"]


def test_a_service_without_clusters_is_refused(fleet: ImageServiceFleet) -> None:
    fleet.service(clusters="{names: [alp]}")
    assert [(item["rule"], item["fix"]) for item in fleet.findings()] == [("REF001", "did you mean alps?")]


def test_an_override_is_for_some_clusters_and_is_checked(fleet: ImageServiceFleet) -> None:
    fleet.site("jura")
    overrides = "overrides:\n- {clusters: {names: [jura]}, patch: {csm: '1.5.2', sizes: {imageGiB: 0}}}"
    fleet.service(f"{PLAIN}\n{overrides}", clusters="{names: [alps, jura]}")
    found = fleet.findings()
    assert [item["field"] for item in found] == ["spec.overrides[0].patch.sizes.imageGiB"]


@pytest.mark.parametrize("text", ["null", "[]", "a", "{clusters: null}", "{clusters: {names: [alps]}, owner: {}}"])
def test_a_spec_of_another_type_is_an_error_and_no_traceback(fleet: ImageServiceFleet, text: str) -> None:
    fleet.write(FILE, f"apiVersion: kmodgate.io/v1alpha1\nkind: ImageService\nmetadata: {{name: ims}}\nspec: {text}\n")
    result = fleet.run("check")
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)


def test_the_schema_is_printed_whatever_the_case(fleet: ImageServiceFleet) -> None:
    assert fleet.run("schema", "imageservice").stdout == fleet.run("schema", "ImageService").stdout != ""
