"""Specs with schema errors: what is wrong with the rest of them is reported in the same run, and nothing else."""

from __future__ import annotations

import json

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.checking import break_driver

REGEXP = ("KMM203", "spec.kernelMappings[0].regexp")


def refused(fleet: FleetFolder) -> set[tuple[str, str]]:
    report = json.loads(fleet.run("check", "--format", "json").stdout)
    return {(item["rule"], item["specField"] or item["field"]) for item in report["findings"]}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("removel: auto", ("SCH101", "spec.removel")),
        ("version: 2.10", ("SCH102", "spec.version")),
        ("modprobe: {moduleName: dummy, parameters: 5}", ("SCH102", "spec.modprobe.parameters")),
        ("build: {dockerfile: 1.5}", ("SCH102", "spec.build.dockerfile")),
        ("delivery: helm", ("SCH104", "spec.delivery")),
        ("serviceAccountName: yes", ("SCH005", "spec.serviceAccountName")),
        ("overrides: [{clusters: {names: [paris]}, patch: {versoin: '1'}}]", None),
    ],
)
def test_a_rule_reports_what_is_wrong_beside_a_schema_error(
    fleet: FleetFolder, fault: str, told: tuple[str, str] | None
) -> None:
    path = fleet.driver("nic", fault)
    if fault.startswith("modprobe"):
        path.write_text(path.read_text().replace("  modprobe: {moduleName: dummy}\n", "", 1))
    break_driver(fleet, "nic")
    found = refused(fleet)
    assert REGEXP in found
    assert told is None or told in found
    result = fleet.run("render")
    assert result.returncode == 2
    assert "error[KMM203]" in result.stderr
    assert not (fleet.root / "rendered").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kernelMappings:", "kernelMapings:"),  # no mapping is left, and no rule says that one is missing
        ("modprobe: {moduleName", "modprobe: {modulName"),
        ("  - {name: el9, regexp:", "  - {name: el9, regex:"),
        ("containerImage: quay.io", "containerImag: quay.io"),
        ("metadata: {name: nic}", "metadata: {name: Nic_1}"),
    ],
)
def test_what_follows_from_a_schema_error_is_not_reported(fleet: FleetFolder, old: str, new: str) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(old, new))
    assert {rule[:4] for rule, _ in refused(fleet)} == {"SCH1"}


def test_a_missing_field_that_no_other_was_meant_to_be_is_reported(fleet: FleetFolder) -> None:
    path = fleet.driver("nic", "removel: auto")
    path.write_text(path.read_text().replace("  containerImage: quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}\n", ""))
    assert refused(fleet) == {("SCH101", "spec.removel"), ("KMM204", "spec.kernelMappings[0].containerImage")}


def test_drivers_of_a_cluster_with_a_schema_error_are_judged(fleet: FleetFolder) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text() + "  nextKernel: [5.14.0-1.x86_64]\n")
    break_driver(fleet, "nic")
    assert refused(fleet) == {("SCH101", "spec.nextKernel"), REGEXP}


def test_a_faulty_spec_has_a_name_that_no_other_may_have(fleet: FleetFolder) -> None:
    fleet.driver("nic", "removel: auto")
    fleet.write("drivers/twin.yaml", (fleet.root / "drivers/nic.yaml").read_text().replace("  removel: auto\n", ""))
    assert {rule for rule, _ in refused(fleet)} >= {"SCH101", "REF004"}


def test_errors_of_all_files_come_in_one_run_and_a_schema_error_decides_the_exit_code(fleet: FleetFolder) -> None:
    fleet.driver("gpu", "removel: auto")
    fleet.write("drivers/open.yaml", "kind: KernelDriver\nspec: {\n")
    break_driver(fleet, "nic")
    break_driver(fleet, "gpu")
    result = fleet.run("render")
    assert result.returncode == 2
    for place in ("gpu.yaml:11:25: error[KMM203]", "gpu.yaml:12:3: error[SCH101]", "nic.yaml:11:25: error[KMM203]"):
        assert f"drivers/{place}" in result.stderr
    assert "drivers/open.yaml:3:1: error[SCH002]" in result.stderr


@pytest.mark.parametrize("arguments", [["render"], ["render", "--check"], ["render", "--dry-run"]])
def test_what_rules_alone_refuse_is_a_finding(fleet: FleetFolder, arguments: list[str]) -> None:
    break_driver(fleet, "nic")
    assert fleet.run(*arguments).returncode == 1
    fleet.driver("ib", clusters="{names: [rome]}")
    assert fleet.run(*arguments).returncode == 2


def test_at_a_revision_a_faulty_spec_is_left_out(fleet: FleetFolder) -> None:
    fleet.driver("gpu", "removel: auto")
    git(fleet.root, "init")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-m", "first")
    fleet.driver("gpu")
    result = fleet.run("diff", "--format", "json")
    assert "gpu" in result.stdout
    assert "the specs at HEAD have 1 error" in result.stderr
