"""Slips of people who write their first specs: one slip is one error, and its fix is the line to write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fleets import FleetFolder

IMAGE = "  containerImage: quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}\n"
SELECTOR = '  selector: {node-role.kubernetes.io/worker: ""}\n'
MODPROBE = "  modprobe: {moduleName: acme_dummy}\n"
BUILD = "build:\n  dockerfileConfigMap: dockerfile\n"


def found(fleet: FleetFolder) -> list[dict[str, Any]]:
    """The findings that refuse, of the whole fleet."""
    report = json.loads(fleet.run("check", "--format", "json").stdout)
    return [item for item in report["findings"] if item["mode"] == "enforce"]


def only(fleet: FleetFolder) -> tuple[str, str]:
    """Rule and fix of the one finding that there is."""
    (finding,) = found(fleet)
    return finding["rule"], finding["fix"]


def replaced(fleet: FleetFolder, old: str, new: str, name: str = "drivers/nic.yaml") -> None:
    path = fleet.root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        (MODPROBE, "  modprobe: {moduleName: acme_dummy, version: '2'}\n", "write it as spec.version"),
        (MODPROBE, "  modprobe: {moduleName: acme_dummy}\n  firmwarePath: /firmware\n", "spec.modprobe.firmwarePath"),
        (MODPROBE, "  modprobe: {moduleName: acme_dummy}\n  annotations: {a: b}\n", "write it as metadata.annotations"),
        (MODPROBE, "  modprobe: {moduleName: acme_dummy}\n  kernels: [a]\n", "a field of a Cluster: write it there, at spec.node"),
        ("name: nic}", "name: nic, tolerations: []}", "write it as spec.tolerations"),
        ("namespace: {name: kmm-tests}", "namespace: {name: kmm-tests, scc: a}", "write it as spec.scc"),
        ("clusters: {matchLabels: {tier: edge}}", "clusters: {tier: edge}", "matchLabels: {tier: edge}"),
        ("modprobe: {moduleName: acme_dummy}", "modprobe:\n  moduleName: acme_dummy", "modprobe: {moduleName: acme_dummy}"),
        ("selector:", "selecter:", "did you mean selector?"),
        ("containerImage:", "image:", "did you mean containerImage?"),
        ("containerImage: ", "container: {image: 'quay.io/acme/dummy:1'} #", "write containerImage directly below spec"),
        ("kernelMappings:", "kernelMaping:", "did you mean kernelMappings?"),
        ("- {name: el9, regexp:", "- {name: el9, regex:", "did you mean regexp?"),
    ],
)  # fmt: skip
def test_a_field_at_a_wrong_place_or_of_a_wrong_name_is_one_error(
    fleet: FleetFolder, old: str, new: str, fix: str
) -> None:
    fleet.driver("nic")
    replaced(fleet, old, new)
    rule, said = only(fleet)
    assert rule in ("SCH101", "SCH102")
    assert fix in said
    assert not said.startswith("remove it")


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        ("namespace: {name: kmm-tests}", "namespace: kmm-tests", "write namespace: {name: kmm-tests}"),
        ("clusters: {matchLabels: {tier: edge}}", "clusters: [paris]", "write clusters: {names: [paris]}"),
        ("clusters: {matchLabels: {tier: edge}}", "clusters: {}", "or write matchLabels: {} for all"),
        (IMAGE, f"{IMAGE}  imageRepoSecret: {{name: pull}}\n", "write imageRepoSecret: pull"),
        (IMAGE, f"{IMAGE}  inTreeModulesToRemove: ice\n", "write inTreeModulesToRemove: [ice]"),
        ("{moduleName: acme_dummy}", "{moduleName: acme_dummy, parameters: {debug: 1}}", "write parameters: [debug=1]"),
        (SELECTOR, "  selector: {matchLabels: {pool: a}}\n", "without matchLabels: selector: {pool: a}"),
        (SELECTOR, "  selector: {nodeSelector: {pool: a}}\n", "without nodeSelector: selector: {pool: a}"),
        (SELECTOR, "  selector: [pool=a, zone=b]\n", "write selector: {pool: a, zone: b}"),
        ("- {name: el9, regexp: '^5\\.14\\..+$'}", "  name: el9\n    regexp: '^5.+$'", "write kernelMappings: [{name: el9"),
        (MODPROBE, "  container: {modprobe: {moduleName: acme_dummy}}\n", "write modprobe directly below spec"),
        (MODPROBE, "  moduleLoader: {replicas: 1, container: {modprobe: {moduleName: acme_dummy}}}\n", "modprobe directly below"),
        (SELECTOR, "  selector: {matchExpressions: [{key: pool, operator: In, values: [a]}]}\n", "selector: {pool: a}"),
        (SELECTOR, "  nodeSelector: {pool: a}\n", "did you mean selector?"),
        (IMAGE, f"{IMAGE}  imagePullSecrets: [{{name: pull}}]\n", "write imageRepoSecret: pull"),
        ("regexp: '^5\\.14\\..+$'", "kernel: '^5\\.14\\..+$'", "did you mean regexp?"),
        ("regexp: '^5\\.14\\..+$'", "kernel: 5.14.0-427.el9.x86_64", "did you mean literal?"),
        (MODPROBE, "  moduleLoader: {serviceAccountName: a, container: {modprobe: {moduleName: acme_dummy}}}\n",
         "write serviceAccountName, modprobe directly below spec"),
        ("regexp: '^5\\.14\\..+$'", "literal: '^5\\.14\\..+$'", "in its place write regexp: '^5\\.14\\..+$'"),
        ("regexp: '^5\\.14\\..+$'", "literal: 5.14.0-.+", "in its place write regexp: '^5\\.14\\.0-.+'"),
        ("regexp: '^5\\.14\\..+$'", "literal: '5.14.0-(427|570).el9.x86_64'", "write regexp: '^5\\.14\\.0-(427|570)"),
    ],
)  # fmt: skip
def test_the_shape_of_another_api_is_answered_with_the_line_to_write(
    fleet: FleetFolder, old: str, new: str, fix: str
) -> None:
    fleet.driver("nic")
    replaced(fleet, old, new)
    assert fix in only(fleet)[1]


@pytest.mark.parametrize(
    ("tools", "fix"),
    [
        ("{oc: quay.io/acme/cli:4.18}", "did you mean kubectl?"),
        (
            "{oc: quay.io/acme/cli:4.18, kubectl: quay.io/acme/cli:4.17}",
            "kubectl is the field for it, and is there already",
        ),
        ("{oc: true}", "spec.tools.kubectl is the field for it, and has another shape"),
    ],
)
def test_the_other_name_of_a_tool_is_answered_with_its_own(fleet: FleetFolder, tools: str, fix: str) -> None:
    replaced(fleet, "  platform:", f"  tools: {tools}\n  platform:", "clusters/paris.yaml")
    assert fix in only(fleet)[1]


@pytest.mark.parametrize(
    ("more", "fix"),
    [
        ("buildArgs: [{name: A, value: b}]", "write buildArgs: {A: b}"),
        ("buildArgs: [A=b, C=d]", "write buildArgs: {A: b, C: d}"),
        ("secrets: [{name: a}, {name: b}]", "write secrets: [a, b]"),
        ("selector: {matchLabels: {pool: build}}", "selector: {pool: build}"),
    ],
)
def test_kmms_shapes_of_a_build_are_answered_with_the_line_to_write(fleet: FleetFolder, more: str, fix: str) -> None:
    fleet.driver("nic", f"{BUILD}  {more}")
    assert fix in only(fleet)[1]


@pytest.mark.parametrize(
    "more",
    [
        "imageRepoSecret: pull",
        f"{BUILD}  buildArgs: {{A: b}}\n  secrets: [a]",
        "inTreeModulesToRemove: [ice]\ntolerations: [{operator: Exists, key: a}]",
        "overrides: [{clusters: {matchLabels: {}}, patch: {version: '1'}}]",
    ],
)
def test_sound_shapes_are_silent(fleet: FleetFolder, more: str) -> None:
    fleet.driver("nic", more)
    assert found(fleet) == []


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        ("pause: yes", "write pause: true"),
        ("pause: Off", "write pause: false"),
        ("pause: 'true'", "write pause: true"),
        ("count: 010", "write count: 8"),
        ("count: '4'", "write count: 4"),
        ("architecture: on", "one of: amd64, arm64, ppc64le, s390x"),
        ("labels: {pool: no}", 'quote it: "no"'),
        ("labels: {pool: 0644}", 'quote it: "0644"'),
        ("kernels: [1e3]", 'quote it: "1e3"'),
    ],
)
def test_a_value_that_readers_dispute_gets_the_fix_of_its_field(fleet: FleetFolder, value: str, fix: str) -> None:
    fleet.driver("nic")
    replaced(fleet, "nodeGroups:\n", f"nodeGroups:\n  - {{name: more, {value}}}\n", "clusters/paris.yaml")
    assert only(fleet)[1] == fix


@pytest.mark.parametrize("value", ["pause: true", "count: 8", 'labels: {pool: "no"}', "kernels: ['1e3']"])
def test_a_value_that_all_readers_agree_on_is_silent(fleet: FleetFolder, value: str) -> None:
    fleet.driver("nic")
    replaced(fleet, "nodeGroups:\n", f"nodeGroups:\n  - {{name: more, {value}}}\n", "clusters/paris.yaml")
    assert found(fleet) == []


@pytest.mark.parametrize("kernel", ["5.14.0-427.13.1.el9_4.x86_64", "5.15.0-1053-azure", "6.1.0-rt7~bpo11"])
def test_the_name_of_one_kernel_as_literal_is_silent(fleet: FleetFolder, kernel: str) -> None:
    fleet.driver("nic")
    replaced(fleet, "regexp: '^5\\.14\\..+$'", f"literal: {kernel}")
    assert found(fleet) == []


@pytest.mark.parametrize("image", ["quay.io/acme/nic:1-${KERNEL_FULL_VERSION}", "r:5000/nic:${KERNEL_VERSION}"])
def test_an_image_that_takes_a_content_tag_is_silent(fleet: FleetFolder, image: str) -> None:
    fleet.driver("nic", f"contentTag: true\n{BUILD}")
    replaced(fleet, IMAGE, f"  containerImage: {image}\n")
    assert found(fleet) == []


@pytest.mark.parametrize("image", ["quay.io/acme/nic", "registry:5000/nic", "quay.io/acme/nic@sha256:" + "a" * 64])
def test_an_image_that_takes_no_content_tag_is_told_once(fleet: FleetFolder, image: str) -> None:
    fleet.driver("nic", f"contentTag: true\n{BUILD}")
    replaced(fleet, IMAGE, f"  containerImage: {image}\n")
    report = json.loads(fleet.run("check", "--format", "json").stdout)
    assert [item["rule"] for item in report["findings"] if item["mode"] in ("enforce", "warn")] == ["IMG001"]


def test_two_specs_without_a_line_between_are_one_error_and_both_are_judged(fleet: FleetFolder) -> None:
    path = fleet.driver("nic")
    first = path.read_text()
    path.write_text(first + first.replace("nic", "gpu").replace("^5", "^(5"))
    rules = {(item["rule"], item["line"]) for item in found(fleet)}
    line = first.count("\n") + 1
    assert {rule for rule, _ in rules} == {"SCH003", "KMM203"}
    assert ("SCH003", line) in rules


def test_a_copy_of_a_spec_is_one_error_that_names_the_other(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    for name in ("drivers/nic.yaml", "clusters/paris.yaml"):
        fleet.write(f"copies/{name}", (fleet.root / name).read_text())
    fixes = {(item["rule"], item["fix"]) for item in found(fleet)}
    assert fixes == {("REF004", "remove one of the two")}
    assert len(found(fleet)) == 2


def test_a_cluster_whose_operator_cannot_be_read_has_one_all_the_same(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    replaced(fleet, '{version: "2.6", flavour: upstream}', '"2.6"', "clusters/paris.yaml")
    assert only(fleet) == ("SCH102", 'write kmm: {version: "2.6"}')


def test_in_an_override_a_fix_names_the_place_in_the_patch(fleet: FleetFolder) -> None:
    fleet.driver("nic", "overrides: [{clusters: {names: [paris]}, patch: {modprobe: {version: '2'}}}]")
    assert "write it as spec.overrides[0].patch.version" in only(fleet)[1]


def test_a_field_beside_clusters_of_an_override_belongs_into_the_patch(fleet: FleetFolder) -> None:
    fleet.driver("nic", "overrides: [{clusters: {names: [paris]}, version: '2'}]")
    assert 'patch: {version: "2"}' in only(fleet)[1]


def test_a_value_of_a_field_that_belongs_elsewhere_is_not_told_of(fleet: FleetFolder) -> None:
    fleet.driver("nic", "secureBoot: yes\n")
    assert only(fleet) == ("SCH101", "it is a field of a Cluster: write it there, at spec.nodeGroups[].secureBoot")
