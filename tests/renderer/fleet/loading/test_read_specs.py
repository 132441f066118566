"""Files of a fleet: which are specs, and what makes one unreadable."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.fleets import FleetFolder
from tests.renderer.rendering import errors

CLUSTER = "apiVersion: kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: zz}\nspec:\n  platform: kubernetes\n"


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("apiVersion: kmodgate.io/v1alpha1\nkind: Clutser\n", "SCH104", "not a kind of spec"),
        ("apiVersion: kmodgate.io/v2\nkind: Cluster\nmetadata: {name: a}\nspec: {platform: kubernetes}\n", "SCH104", "kmodgate.io/v2"),
        ("kind: KernelDriver\nmetadata: {name: a}\n", "SCH103", "apiVersion"),
        ("kind: Cluster\nmetadata: {name: a}\n", "SCH103", "apiVersion"),
        ("apiVersion: kmodgate.io\nkind: Cluster\nmetadata: {name: a}\n", "SCH104", "is not kmodgate.io/v1alpha1"),
        ("apiVersion: kmodgates.io/v1alpha1\nkind: Cluster\nmetadata: {name: a}\n", "SCH104", "is not kmodgate.io/v1alpha1"),
        ("apiVersion: example.com/v1\nkind: KernelDriver\nmetadata: {name: a}\n", "SCH104", "is not kmodgate.io/v1alpha1"),
        (CLUSTER.replace("kmodgate.io/v1alpha1", "cluster.x-k8s.io/v1beta1"), "SCH104", "is not kmodgate.io/v1alpha1"),
        ("", "SCH006", "empty"),
        ("# apiVersion: kmodgate.io/v1alpha1\n", "SCH006", "no document"),
        ("apiVersion: kmodgate.io/v1alpha1\n\tkind: Cluster\n", "SCH002", "tab"),
        ("- apiVersion: kmodgate.io/v1alpha1\n", "SCH102", "not a map"),
        ("apiVersion: &a kmodgate.io/v1alpha1\nkind: Cluster\n", "SCH004", "the anchor &a"),
        ("apiVersion: !!str kmodgate.io/v1alpha1\nkind: Cluster\n", "SCH004", "the tag"),
        ("apiVersion: >-\n  kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: a}\n", "SCH103", "spec: missing"),
        ("apiVersion: # ours\n  kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: a}\n", "SCH103", "spec: missing"),
        (CLUSTER + "  kmm: {version: 2.6.foo}\n", "SCH104", "is not a version of KMM"),
        (CLUSTER + "  topology: sno\n  nodeGroups: [{name: a, count: 3}]\n", "SCH104", "sno is a single node, and these are 3"),
        (CLUSTER + "  nodeGroups: [{name: a, labels: {a b: c}}]\n", "SCH104", '"a b" is not a label key'),
        (CLUSTER + "  nodeGroups: [{name: a, labels: {a: b c}}]\n", "SCH104", '"b c" is not a label value'),
        (CLUSTER + "  kmm:\n", "SCH102", "has no value"),
        (CLUSTER + "  nextKernels: [a]\n  nextKernels: [a]\n  nextKernels: [a]\n", "SCH003", "first on line 6"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_spec_is_reported(fleet: FleetFolder, text: str, rule: str, words: str) -> None:
    fleet.driver("nic")
    fleet.write("clusters/zz.yaml", text)
    assert any(line.startswith("clusters/zz.yaml") and f"[{rule}]" in line and words in line for line in errors(fleet))


def test_bytes_that_are_not_utf_8_folders_and_links_are_reported(fleet: FleetFolder, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.yaml"
    outside.write_text("apiVersion: kmodgate.io/v1alpha1\n")
    fleet.driver("nic")
    (fleet.root / "clusters/latin.yaml").write_bytes(b"# caf\xe9\n")
    (fleet.root / "clusters/wide.yaml").write_bytes("a: b".encode("utf-16"))
    (fleet.root / "clusters/folder.yaml").mkdir()
    (fleet.root / "clusters/link.yaml").symlink_to(outside)
    (fleet.root / "clusters/links").symlink_to(outside.parent)
    (fleet.root / ".hidden").mkdir()
    (fleet.root / "clusters/hidden").symlink_to("../.hidden")
    (fleet.root / "clusters/dangling.yaml").symlink_to("nowhere")
    (fleet.root / os.fsdecode(b"clusters/\xff.yaml")).touch()
    (fleet.root / "clusters/large.yaml").write_bytes(b"#" * (2 << 20))
    found = "\n".join(errors(fleet))
    for name in (
        "latin.yaml",
        "wide.yaml",
        "folder.yaml",
        "link.yaml",
        "links",
        "hidden",
        "dangling.yaml",
        "large.yaml",
        "\\udcff.yaml",
    ):
        assert f"clusters/{name}: error[SCH001]" in found


def test_the_errors_of_all_files_are_reported_in_one_run(fleet: FleetFolder) -> None:
    fleet.driver("nic", "version: 2.10")
    fleet.driver("gpu", "build: {dockerfile: ./missing}")
    fleet.write("clusters/zz.yaml", "apiVersion: kmodgate.io/v1alpha1\n\tkind: Cluster\n")
    assert [line.split(" error")[0] for line in errors(fleet)] == [
        "clusters/zz.yaml:2:1:",
        "drivers/gpu.yaml:12:23:",
        "drivers/nic.yaml:12:12:",
    ]


def test_a_broken_cluster_spec_does_not_make_selectors_wrong(fleet: FleetFolder) -> None:
    fleet.write(
        "clusters/lab.yaml", "apiVersion: kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: lab}\nspec: {}\n"
    )
    fleet.driver("nic", clusters="{names: [lab]}")
    assert [line for line in errors(fleet) if "REF001" in line] == []


def test_two_specs_of_one_name_are_an_error_that_names_both(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    fleet.write("other/nic.yaml", (fleet.root / "drivers/nic.yaml").read_text().replace("dummy", "other"))
    assert (
        "other/nic.yaml:3:18: error[REF004] metadata.name: KernelDriver nic is also defined in drivers/nic.yaml:3"
        in errors(fleet)[0]
    )


def test_other_yaml_beside_the_specs_is_left_alone(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    fleet.write("charts/template.yaml", "{{ if x }}\nkind: &a\n")
    fleet.write("values.yml", "on: yes # of kmodgate.io\n")
    fleet.write("app.yaml", "apiVersion: &v v1\nkind: ConfigMap\ndata: {url: https://kmodgate.io, a: *v}\n")
    fleet.write(
        "capi.yaml", "apiVersion: cluster.x-k8s.io/v1beta1\nkind: Cluster\nmetadata: {name: a}\nspec: {paused: true}\n"
    )
    fleet.write(".hidden/spec.yaml", "apiVersion: kmodgate.io/v1alpha1\nkind: Nothing\n")
    fleet.render()


def test_a_cluster_of_another_group_is_told_once(fleet: FleetFolder) -> None:
    fleet.driver("nic", clusters="{names: [zz]}")
    fleet.write("clusters/zz.yaml", CLUSTER.replace("kmodgate.io/v1alpha1", "cluster.x-k8s.io/v1beta1"))
    (line,) = errors(fleet)
    assert line.startswith("clusters/zz.yaml:1:13")


@pytest.mark.parametrize(
    ("expression", "clusters"),
    [
        ("{key: site, operator: In, values: [lab]}", {"lab"}), ("{key: site, operator: NotIn, values: [lab]}", {"paris"}),
        ("{key: site, operator: Exists}", {"lab"}), ("{key: site, operator: DoesNotExist}", {"paris"}),
    ],
)  # fmt: skip
def test_label_expressions_select_as_kubernetes_does(fleet: FleetFolder, expression: str, clusters: set[str]) -> None:
    fleet.cluster("lab", labels={"site": "lab"})
    fleet.driver("nic", clusters=f"{{matchExpressions: [{expression}]}}")
    fleet.render()
    assert {path.split("/")[0] for path in fleet.files() if "/nic/" in path} == clusters


def test_a_link_to_a_folder_that_is_searched_anyway_is_passed_over(fleet: FleetFolder) -> None:
    fleet.driver("nic")
    (fleet.root / "more").symlink_to("drivers")
    fleet.render()


def test_a_file_in_a_folder_that_leads_out_of_the_fleet_is_not_read(
    fleet: FleetFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "Dockerfile").write_text("FROM secret:1\n")
    (fleet.root / "drivers/.link").symlink_to(outside)
    fleet.driver("nic", "build: {dockerfile: ./.link/Dockerfile}")
    assert "leads out of the fleet through a symbolic link" in errors(fleet)[0]
