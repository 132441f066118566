"""Reports of findings: text, JSON, SARIF, JUnit, GitHub annotations and Markdown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.command import run
from tests.fleets import REPOSITORY, FleetFolder
from tests.renderer.checking import BAD, GOOD, PLACE, SIGNED, break_driver, check


def test_the_report_goes_to_a_file_if_wanted(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    result = check(tmp_path, "bad.yaml", "--format", "json", "--output", "report.json")
    assert (result.returncode, result.stdout) == (1, "")
    (policy,) = json.loads((tmp_path / "report.json").read_text())["policies"]
    assert (policy["name"], policy["profile"]) == ("", "default")


def held(fleet: FleetFolder) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, hash and clusters of the policies of a JSON report."""
    policies = json.loads(check(fleet.root, ".", "--format", "json").stdout)["policies"]
    return [(item["name"], item["hash"], tuple(item["clusters"])) for item in policies]


@pytest.mark.parametrize("policy", ["", "signed"])
def test_each_hash_of_a_policy_is_listed_with_its_clusters(fleet: FleetFolder, policy: str) -> None:
    if policy:
        head = f"apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {{name: {policy}}}\n"
        fleet.write("policy.yaml", f"{head}spec: {{clusters: {{matchLabels: {{}}}}}}\n")
    fleet.cluster("oslo")
    fleet.cluster("rome", labels={"tier": "core"})
    fleet.driver("nic", "sign: {prebuilt: true}")
    fleet.driver("gpu", "sign: {prebuilt: true}", clusters="{names: [rome]}")
    found = held(fleet)
    assert {(name, clusters) for name, _, clusters in found} == {(policy, ("oslo", "paris")), (policy, ("rome",))}
    fleet.render()
    for _, digest, clusters in found:
        for cluster in clusters:
            metadata = fleet.object(f"{cluster}/cluster/configmap-kmodgate-policy.yaml")["metadata"]
            assert metadata["annotations"]["kmodgate.io/policy-hash"] == digest
    run_of_tools = json.loads(check(fleet.root, ".", "--format", "sarif").stdout)["runs"][0]
    (digests,) = run_of_tools["properties"]["policies"].values()
    assert set(digests.split(", ")) == {digest for _, digest, _ in found}


def test_clusters_of_one_hash_are_listed_once(fleet: FleetFolder) -> None:
    fleet.cluster("oslo")
    assert [(name, clusters) for name, _, clusters in held(fleet)] == [("", ("oslo", "paris"))]


def test_github_annotations(tmp_path: Path) -> None:
    (tmp_path / "a,b.yaml").write_text(BAD)
    first = check(tmp_path, "a,b.yaml", "--format", "github").stdout.splitlines()[0]
    assert first.startswith(
        "::error file=a%2Cb.yaml,line=15,col=17,title=KMM203::Module drivers/nic: spec.moduleLoader.container."
    )


def test_github_annotations_are_the_default_there(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    assert run("check", "bad.yaml", cwd=tmp_path, env={"GITHUB_ACTIONS": "true"}).stdout.startswith("::error ")
    assert run("check", "bad.yaml", cwd=tmp_path, env={"GITHUB_ACTIONS": "false"}).stdout.startswith("bad.yaml:")


def test_junit_has_a_suite_a_cluster(fleet: FleetFolder) -> None:
    fleet.cluster("oslo")
    break_driver(fleet, "nic")
    report = json.loads(check(fleet.root, ".", "--format", "json").stdout)
    assert {tuple(finding["clusters"]) for finding in report["findings"] if finding["rule"] == "KMM203"} == {
        ("oslo", "paris")
    }
    root = ET.fromstring(check(fleet.root, ".", "--format", "junit").stdout)
    assert [suite.attrib["name"] for suite in root] == ["oslo", "paris"]
    assert [suite.attrib["failures"] for suite in root] == ["1", "1"]


def test_junit_has_a_suite_a_file_outside_of_fleets(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    root = ET.fromstring(check(tmp_path, "bad.yaml", "--format", "junit").stdout)
    suite, unchecked = root
    assert unchecked.attrib == {"name": "not checked", "tests": "1", "failures": "0"}
    assert suite.attrib == {"name": "bad.yaml", "tests": "2", "failures": "2"}
    assert [case.attrib["name"] for case in suite] == [f"KMM203 {PLACE}", f"KMM203 {PLACE.replace('0', '1')}"]
    sound = ET.fromstring(check(tmp_path, "-", "--format", "junit", stdin=GOOD).stdout)
    assert [case.attrib["name"] for case in sound.iter("testcase")] == ["no findings", "not checked"]
    assert not list(sound.iter("failure"))


def test_markdown_is_a_table_in_which_nothing_is_markup(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD.replace("(fc37", "(<b>|@all"))
    lines_ = check(tmp_path, "bad.yaml", "--format", "markdown").stdout.splitlines()
    assert lines_[0] == "**kmodgate**: 2 errors, 0 warnings (profile default)"
    assert "<b>" not in lines_[4].replace("\\<", "")
    assert "@all" not in lines_[4]
    assert lines_[4].replace("\\|", "").count("|") == 5


def test_markdown_fits_into_a_comment(tmp_path: Path) -> None:
    mapping = "      - regexp: (\n        containerImage: ''\n"
    (tmp_path / "bad.yaml").write_text(GOOD + mapping * 900)
    report = check(tmp_path, "bad.yaml", "--format", "markdown").stdout
    assert len(report) <= 65_536
    table, _, rest = report.rpartition("\nand ")
    assert table.endswith("|\n")
    assert rest.split("\n")[0].endswith(" more")
    assert "not checked" in rest


def test_sarif_fingerprints_stay_when_lines_move(tmp_path: Path) -> None:
    def results() -> list[Any]:
        report = json.loads(check(tmp_path, "bad.yaml", "--format", "sarif").stdout)
        assert report["version"] == "2.1.0"
        (run_,) = report["runs"]
        assert [rule["id"] for rule in run_["tool"]["driver"]["rules"]] == ["KMM203"]
        return run_["results"]

    (tmp_path / "bad.yaml").write_text(BAD)
    first = results()
    (tmp_path / "bad.yaml").write_text("# moved\n" + BAD)
    second = results()
    region = "locations", 0, "physicalLocation", "region"
    assert [item["partialFingerprints"] for item in first] == [item["partialFingerprints"] for item in second]
    assert (
        second[0][region[0]][0][region[2]][region[3]]["startLine"]
        == first[0]["locations"][0]["physicalLocation"]["region"]["startLine"] + 1
    )
    assert first[0]["partialFingerprints"] != first[1]["partialFingerprints"]


def sarif_schema() -> Any:
    """The schema that OASIS published, as a Go module of which the version is pinned carries it in a source file."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: the schema of SARIF comes in a Go module")
    command = [go, "mod", "download", "-json", "github.com/owenrumney/go-sarif/v3"]
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": "-mod=mod"}
    found = subprocess.run(
        command, cwd=REPOSITORY / "tests/sarif", env=environment, capture_output=True, text=True, check=True
    )
    source = (Path(json.loads(found.stdout)["Dir"]) / "pkg/report/v210/sarif/schema.go").read_text()
    return json.loads(source.split("`")[1])


def test_sarif_is_what_its_schema_says(fleet: FleetFolder) -> None:
    fleet.driver("nic", SIGNED)
    break_driver(fleet, "nic")
    (fleet.root.parent / "b d.json").write_text(json.dumps(yaml.safe_load(BAD)))
    report = json.loads(check(fleet.root.parent, ".", "--format", "sarif", "--profile", "strict").stdout)
    assert {result["level"] for result in report["runs"][0]["results"]} <= {"error", "note"}
    assert report["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    validator = jsonschema.Draft4Validator(sarif_schema(), format_checker=jsonschema.FormatChecker())
    assert [error.message for error in validator.iter_errors(report)] == []
    assert list(validator.iter_errors({**report, "version": "2.0"}))


NODES = "not checked: the nodes of the cluster (SEL201); give a dump of the cluster: --facts DIR"


def test_what_could_not_be_checked_is_a_note_at_the_end_of_every_report(tmp_path: Path) -> None:
    two = "\n---\n".join([GOOD, GOOD.replace("name: ", "name: other-", 1), BAD.replace("name: ", "name: bad-", 1)])

    def report(form: str) -> str:
        result = check(tmp_path, "-", "--format", form, stdin=two)
        assert result.returncode == 1
        return result.stdout

    assert report("text").splitlines()[-1] == f"note: {NODES}"
    assert report("text").count("not checked") == 1
    assert report("markdown").replace("\\", "").splitlines()[-2:] == ["", f"- {NODES}"]
    assert report("github").splitlines()[-1] == f"::notice title=kmodgate::{NODES}"
    (run_,) = json.loads(report("sarif"))["runs"]
    (note,) = run_["invocations"][0]["toolExecutionNotifications"]
    assert (note["level"], note["message"]["text"]) == ("note", NODES)
    assert not [item for item in run_["results"] if "not checked" in item["message"]["text"]]
    assert NODES in (ET.fromstring(report("junit"))[-1][0][0].text or "")


def test_what_could_not_be_checked_changes_no_exit_code(tmp_path: Path) -> None:
    for form in ("text", "json", "sarif", "junit", "github", "markdown"):
        result = check(tmp_path, "-", "--format", form, "--fail-on", "warn", "--profile", "strict", stdin=GOOD)
        assert (result.returncode, "not checked" in result.stdout) == (0, True), result.stdout


@pytest.mark.parametrize("arguments", [("check",), ("plan",)])
def test_text_names_the_clusters_of_a_finding(fleet: FleetFolder, arguments: tuple[str, ...]) -> None:
    fleet.cluster("rome")
    fleet.cluster("lab", labels={"tier": "lab"})
    for name in ("ib", "gpu"):  # load the same kernel module
        fleet.driver(name)
    text = fleet.run(*arguments).stdout
    assert "[SEL204]" in text
    assert "\n    clusters: paris, rome\n" in text


def test_text_counts_the_clusters_after_the_tenth(fleet: FleetFolder) -> None:
    for number in range(11):
        fleet.cluster(f"c{number:02}")
    break_driver(fleet, "nic")
    names = ", ".join(f"c{number:02}" for number in range(10))
    assert f"\n    clusters: {names} and 2 more\n" in fleet.run("check").stdout
