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
        ("modprobe: {moduleName: acme_dummy, parameters: 5}", ("SCH102", "spec.modprobe.parameters")),
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
        path.write_text(path.read_text().replace("  modprobe: {moduleName: acme_dummy}\n", "", 1))
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
        ("containerImage: quay.io", "image: quay.io"),
        ("modprobe: {moduleName", "modprobe: {name"),
        ("modprobe:", "scc: true\n  signature: {prebuilt: true}\n  modprobe:"),
        ("metadata: {name: nic}", "metadata: {name: Nic_1}"),
    ],
)
def test_what_follows_from_a_schema_error_is_not_reported(fleet: FleetFolder, old: str, new: str) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(old, new))
    assert {rule[:4] for rule, _ in refused(fleet)} == {"SCH1"}


def test_a_field_under_a_wrong_name_is_one_error(fleet: FleetFolder) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("containerImage: quay.io", "image: quay.io"))
    (finding,) = json.loads(fleet.run("check", "--format", "json").stdout)["findings"]
    assert (finding["field"], finding["fix"]) == ("spec.image", "did you mean containerImage?")


@pytest.mark.parametrize(
    ("patch", "field", "meant"),
    [
        ("containerImages: 'a/b:1'", "containerImages", "containerImage"),  # which the spec itself has already
        ("image: null", "image", "containerImage"),
        ("modprobe: {modulename: a}", "modprobe.modulename", "moduleName"),
        ("kernelMappings: [{name: el9, regex: '^5$'}]", "kernelMappings[0].regex", "regexp"),
    ],
)
def test_a_misspelt_field_of_an_override_has_the_near_one_as_its_fix(
    fleet: FleetFolder, patch: str, field: str, meant: str
) -> None:
    fleet.driver("nic", f"overrides: [{{clusters: {{names: [paris]}}, patch: {{{patch}}}}}]")
    (finding,) = json.loads(fleet.run("check", "--format", "json").stdout)["findings"]
    assert (finding["field"], finding["fix"]) == (f"spec.overrides[0].patch.{field}", f"did you mean {meant}?")


def test_a_misspelling_beside_the_field_itself_is_to_be_taken_away(fleet: FleetFolder) -> None:
    fleet.driver("nic", "containerImages: a/b:1")
    (finding,) = json.loads(fleet.run("check", "--format", "json").stdout)["findings"]
    assert finding["fix"] == "spec.containerImage is the field for it, and is there already: take this one away"


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


MAPPING = "  - {name: el9, regexp: '^5\\.14\\..+$'}\n"
BROKEN = "  - {name: el8, regexp: '^4\\.18\\.(.+$'}\n"


@pytest.mark.parametrize(
    ("before", "after", "told", "broken"),
    [
        ("  - {name: a, regexp: 5}\n", BROKEN, "spec.kernelMappings[0].regexp", 1),
        ("  - 7\n", BROKEN, "spec.kernelMappings[0]", 1),
        ("  - {name: a}\n", MAPPING + BROKEN, "spec.kernelMappings[0]", 2),
        (f"  - 1\n{MAPPING}  - 2\n", BROKEN, "spec.kernelMappings[2]", 3),
        (BROKEN, "  - [x]\n", "spec.kernelMappings[1]", 0),
    ],
)
def test_of_a_list_with_a_faulty_item_the_others_are_judged_at_their_places(
    fleet: FleetFolder, before: str, after: str, told: str, broken: int
) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(MAPPING, before + after))
    report = json.loads(fleet.run("check", "--format", "json").stdout)
    assert told in {item["field"] for item in report["findings"] if item["rule"].startswith("SCH1")}
    (finding,) = (item for item in report["findings"] if item["rule"] == "KMM203")
    line = path.read_text().splitlines().index(BROKEN.rstrip("\n")) + 1
    assert (finding["line"], finding["specField"]) == (line, f"spec.kernelMappings[{broken}].regexp")


def test_of_a_list_whose_items_are_all_faulty_nothing_is_judged(fleet: FleetFolder) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(MAPPING, "  - 5\n  - 6\n"))
    assert {rule for rule, _ in refused(fleet)} == {"SCH102"}


def test_of_a_list_of_texts_the_others_are_judged(fleet: FleetFolder) -> None:
    path = fleet.root / "drivers/nic.yaml"
    parameters = "{moduleName: acme_dummy, parameters: [5, a=1, ';']}"
    path.write_text(path.read_text().replace("{moduleName: acme_dummy}", parameters))
    found = refused(fleet)
    assert ("SCH102", "spec.modprobe.parameters[0]") in found
    assert ("LDR105", "spec.modprobe.parameters[2]") in found


# -- policies -------------------------------------------------------------------------------------

POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: strict}
spec:
  clusters: {matchLabels: {}}
  parameters: {allowedRegistries: [registry.example.com/]}
"""
EXCEPTIONS = """\
  exceptions:
  - {rule: IMG9, object: {kind: Module}, owner: a, ticket: b, expires: "2030-01-01"}
  - {rule: IMG201, object: {kind: Module}, owner: a, ticket: b, expires: "2020-01-01"}
"""


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("  modes: {MAP202: loud}\n", ("SCH104", "spec.modes.MAP202")),
        ("  modes: {MAP999: warn}\n", ("SCH104", "spec.modes.MAP999")),
        ("  mode: {MAP202: warn}\n", ("SCH101", "spec.mode")),
        ("  gates: {check: {MPA: warn}}\n", ("SCH104", "spec.gates.check.MPA")),
        (EXCEPTIONS, ("SCH104", "spec.exceptions[0].rule")),
    ],
)
def test_a_policy_with_an_error_judges_by_what_is_sound_of_it(
    fleet: FleetFolder, fault: str, told: tuple[str, str]
) -> None:
    fleet.write("policy.yaml", POLICY + fault)
    found = refused(fleet)
    assert told in found
    assert ("IMG301", "spec.containerImage") in found
    assert fleet.run("render").returncode == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  clusters: {matchLabels: {}}\n", ""),
        ("clusters: {matchLabels: {}}", "clusters: {}"),
        ("{name: strict}", "{}"),
    ],
)
def test_a_policy_that_cannot_be_read_is_a_note(fleet: FleetFolder, old: str, new: str) -> None:
    fleet.write("policy.yaml", POLICY.replace(old, new))
    result = fleet.run("check")
    assert result.returncode == 1
    assert "note: not checked: what DriverPolicy" in result.stdout
    assert "IMG301" not in result.stdout


@pytest.mark.parametrize("more", ["", "  modes: {MAP202: warn}\n", "  profile: strict\n"])
def test_a_sound_policy_is_no_note(fleet: FleetFolder, more: str) -> None:
    fleet.write("policy.yaml", POLICY + more)
    assert "what DriverPolicy" not in fleet.run("check").stdout


@pytest.mark.parametrize(
    ("clusters", "fix"),
    [
        ("all", "write clusters: {matchLabels: {}}"),
        ("'*'", "write clusters: {matchLabels: {}}"),
        ("[]", "make it a map of names, matchLabels, matchExpressions"),
        ("paris", "write clusters: {names: [paris]}"),
    ],
)
def test_clusters_in_one_word_are_written_out(fleet: FleetFolder, clusters: str, fix: str) -> None:
    fleet.driver("nic", clusters=clusters)
    report = json.loads(fleet.run("check", "--format", "json").stdout)
    assert fix in [item["fix"] for item in report["findings"] if item["rule"] == "SCH102"]
