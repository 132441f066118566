"""The check gate, as a user runs it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kmodgate.policy.formats.yaml_documents import OBJECTS, parse
from kmodgate.policy.formats.yaml_scalars import as_kubectl
from tests.fleets import REPOSITORY, FleetFolder, git, run
from tests.goyaml_client import GoYAML, needs_goyaml
from tests.oracle import lines

GOOD = (REPOSITORY / "tests/rules/KMM203/pass-re2.yaml").read_text()
BAD = (REPOSITORY / "tests/rules/KMM203/fail-not-re2.yaml").read_text()
PLACE = "spec.moduleLoader.container.kernelMappings[0].regexp"


def break_driver(fleet: FleetFolder, name: str) -> None:
    path = fleet.root / f"drivers/{name}.yaml"
    path.write_text(path.read_text().replace(r"^5\.14\..+$", "^5(.+$"))


def check(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kmodgate.renderer.start", "check", *arguments],
        cwd=folder, env={"PYTHONPATH": str(REPOSITORY / "src"), "PATH": ""}, input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip


def findings(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    report = json.loads(result.stdout)
    assert report["version"] == 1
    return report["findings"]


def test_what_kubectl_writes_is_read_from_stdin(tmp_path: Path) -> None:
    extra = {"resourceVersion": "1", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
    items = [yaml.safe_load(text) for text in (GOOD.replace("nic", "other"), BAD)]
    for item in items:
        item["metadata"] |= extra
        item["status"] = {"moduleLoader": {"availableNumber": 1, "desiredNumber": 1, "nodesMatchingSelectorNumber": 1}}
    listing = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}})
    result = check(tmp_path, "-", stdin=listing)
    assert result.returncode == 1
    assert (
        "error[KMM203] Module drivers/nic: spec.moduleLoader.container.kernelMappings[0].regexp: missing )"
        in result.stdout
    )
    assert result.stdout.startswith("<stdin>:")
    assert result.stderr == "2 objects checked: 2 errors, 0 warnings\n"


def test_the_line_of_a_finding_in_a_list_is_that_of_the_item(tmp_path: Path) -> None:
    listing = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(GOOD), yaml.safe_load(BAD)]})
    (tmp_path / "list.yaml").write_text(listing)
    found = [item for item in findings(check(tmp_path, "list.yaml", "--format", "json")) if item["mode"] == "enforce"]
    assert "(fc37" in listing.split("\n")[found[0]["line"] - 1]
    assert found[0]["field"] == PLACE
    assert found[0]["specField"] == ""


def test_modules_of_one_cluster_are_compared_with_each_other_without_a_dump(tmp_path: Path) -> None:
    one, other = yaml.safe_load(GOOD), yaml.safe_load(GOOD)
    other["metadata"]["name"] = "other"
    listing = json.dumps({"apiVersion": "v1", "kind": "List", "items": [one, other]})
    result = check(tmp_path, "-", stdin=listing)
    assert result.stdout.count("warning[SEL204]") == 2
    assert "<stdin>: warning[SEL204] Module drivers/other: spec" in result.stdout
    open_questions = [
        item for item in findings(check(tmp_path, "-", "--format", "json", stdin=listing)) if item["mode"] == "audit"
    ]
    assert {item["rule"] for item in open_questions} >= {"SEL201"}


def test_a_deleted_module_and_one_that_moved_to_another_file_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    for name in ("gone", "moved"):
        module = yaml.safe_load(GOOD)
        module["metadata"]["name"] = name
        (folder / f"{name}.json").write_text(json.dumps(module))
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "two")
    (folder / "gone.json").unlink()
    moved = json.loads((folder / "moved.json").read_text())
    (folder / "moved.json").unlink()
    moved["spec"]["moduleLoader"]["container"]["version"] = "1"
    (folder / "elsewhere.json").write_text(json.dumps(moved))
    result = run("check", "plain", cwd=tmp_path)
    assert "warning[GIT001] Module drivers/gone: metadata.name: Module drivers/gone was deleted" in result.stdout
    assert "plain/elsewhere.json: error[KMM601] Module drivers/moved" in result.stdout
    assert result.stdout.count("GIT001") == 1


def test_a_secret_in_git_is_no_secret(tmp_path: Path) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "data": {"key": "eA=="}}
    (tmp_path / "secret.json").write_text(json.dumps(secret))
    assert "GIT201" not in check(tmp_path, "secret.json").stdout
    git(tmp_path, "init")
    assert "warning[GIT201] Secret key: data" in run("check", "secret.json", cwd=tmp_path).stdout


def test_json_is_read_as_json(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(yaml.safe_load(BAD)))
    (tmp_path / "twice.json").write_text('{"apiVersion": "v1", "kind": "A", "kind": "B"}')
    (tmp_path / "nan.json").write_text('{"apiVersion": "v1", "kind": "A", "spec": NaN}')
    (tmp_path / "deep.json").write_text('{"apiVersion": "v1", "kind": "A", "spec": ' + "[" * 20_000)
    listed = findings(check(tmp_path, ".", "--format", "json"))
    found = {(item["file"], item["rule"]) for item in listed if item["mode"] == "enforce"}
    assert found == {("bad.json", "KMM203"), ("twice.json", "SCH003"), ("nan.json", "SCH003"), ("deep.json", "SCH007")}


@pytest.mark.parametrize("below", [".", "drivers", "drivers/nic.yaml"])
def test_a_finding_in_a_fleet_names_the_object_and_the_line_of_the_spec(fleet: FleetFolder, below: str) -> None:
    break_driver(fleet, "nic")
    for folder, path in ((fleet.root, below), (fleet.root.parent, str(Path("fleet", below)))):
        (finding,) = findings(check(folder, path, "--format", "json"))
        assert finding["file"] == str(Path("fleet" if folder != fleet.root else "", "drivers/nic.yaml"))
        assert (finding["rule"], finding["line"], finding["column"]) == ("KMM203", 11, 25)
        assert (finding["field"], finding["specField"]) == (PLACE, "spec.kernelMappings[0].regexp")
        assert finding["object"] == "Module kmm-tests/nic"


def test_only_findings_of_the_given_files_are_reported(fleet: FleetFolder) -> None:
    fleet.driver("gpu")
    break_driver(fleet, "nic")
    assert check(fleet.root, "drivers/gpu.yaml", "clusters").returncode == 0
    assert check(fleet.root, "drivers/nic.yaml", "clusters").returncode == 1


def test_render_refuses_what_check_refuses(fleet: FleetFolder) -> None:
    break_driver(fleet, "nic")
    result = fleet.run("render")
    assert result.returncode == 2
    assert "drivers/nic.yaml:11:25: error[KMM203] spec.kernelMappings[0].regexp: missing )" in result.stderr
    assert not (fleet.root / "rendered").exists()


def test_a_rendered_tree_is_checked_as_objects(fleet: FleetFolder) -> None:
    fleet.render()
    assert check(fleet.root, "rendered").stderr == "5 objects checked: 0 errors, 0 warnings\n"
    module = fleet.root / "rendered/paris/nic/module-nic.yaml"
    module.write_text(module.read_text().replace(".+$", "(.+$"))
    (finding,) = findings(check(fleet.root, "rendered", "--format", "json"))
    assert finding["file"] == "rendered/paris/nic/module-nic.yaml"
    assert check(fleet.root).returncode == 0  # the fleet is judged by its specs


def test_fleets_below_a_folder_are_found_and_other_objects_with_them(fleet: FleetFolder) -> None:
    break_driver(fleet, "nic")
    (fleet.root.parent / "loose.yaml").write_text(BAD)
    found = {item["file"] for item in findings(check(fleet.root.parent, ".", "--format", "json"))}
    assert found == {"fleet/drivers/nic.yaml", "loose.yaml"}


def test_several_objects_of_one_name_are_judged_on_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(BAD)
    found = findings(check(tmp_path, "a.yaml", "b.yaml", "--format", "json"))
    assert sorted({item["file"] for item in found}) == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["good.yaml"], 0), (["bad.yaml"], 1), (["missing.yaml"], 2), (["good.yaml", "--profile", "lax"], 2),
        (["warn.yaml"], 0), (["warn.yaml", "--fail-on", "warn"], 1), (["empty.yaml"], 0), (["text.yaml"], 1),
        (["latin.yaml"], 1),
    ],
)  # fmt: skip
def test_exit_codes(tmp_path: Path, arguments: list[str], code: int) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "warn.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {a: on}}\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "text.yaml").write_text("just text\n")
    (tmp_path / "latin.yaml").write_bytes(b"# caf\xe9\n")
    result = check(tmp_path, *arguments)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr


def test_the_report_goes_to_a_file_if_wanted(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    result = check(tmp_path, "bad.yaml", "--format", "json", "--output", "report.json")
    assert (result.returncode, result.stdout) == (1, "")
    (policy,) = json.loads((tmp_path / "report.json").read_text())["policies"]
    assert (policy["name"], policy["profile"]) == ("", "default")


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


def test_the_verdicts_of_the_oracle_are_those_of_the_command(tmp_path: Path) -> None:
    cases = lines("modules-create")
    for case in cases:
        (tmp_path / f"{case['seed']}.json").write_text(json.dumps(case["object"]))
    report = findings(run("check", ".", "--profile", "parity", "--format", "json", cwd=tmp_path))
    refused = {item["file"] for item in report if item["mode"] == "enforce"}
    assert refused == {f"{case['seed']}.json" for case in cases if not case["allowed"]}


def test_an_object_that_stands_twice_in_one_input_is_told(tmp_path: Path) -> None:
    twice = f"{GOOD}---\n{GOOD}"
    found = [
        (item["rule"], item["file"], item["line"])
        for item in findings(check(tmp_path, "-", "--format", "json", stdin=twice))
        if item["mode"] == "warn"
    ]
    assert found == [("GIT004", "<stdin>", 21)]
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    assert "GIT004" not in check(tmp_path, ".", "a.yaml", "b.yaml").stdout, (
        "files of one folder may be for two clusters"
    )


def test_an_object_that_two_files_of_a_rendered_cluster_have_is_told(fleet: FleetFolder) -> None:
    fleet.cluster("rome")
    assert run("render", cwd=fleet.root).returncode == 0
    assert "GIT004" not in check(fleet.root, "rendered").stdout
    moved = fleet.root.parent / "elsewhere"
    (module,) = (fleet.root / "rendered/paris").rglob("module-*.yaml")
    (module.parent / "zz-copy.yaml").write_text(module.read_text())
    shutil.copytree(fleet.root / "rendered", moved)
    for folder in (fleet.root / "rendered", moved):
        report = findings(check(folder, ".", "--format", "json"))
        (finding,) = [item for item in report if item["rule"] == "GIT004"]
        assert finding["object"] == "Module kmm-tests/nic"
        assert finding["file"].endswith("paris/nic/zz-copy.yaml")
        assert "module-nic.yaml:" in finding["message"]


# -- old against new ------------------------------------------------------------------------------


@pytest.fixture
def committed(fleet: FleetFolder) -> FleetFolder:
    fleet.write("drivers/Dockerfile", "FROM a:1\n")
    fleet.driver("nic", "version: '1.0'\nserviceAccountName: old\nbuild: {dockerfile: ./Dockerfile}")
    git(fleet.root.parent, "init", "-q")
    git(fleet.root.parent, "add", "-A")
    git(fleet.root.parent, "commit", "-qm", "first")
    return fleet


def rules(folder: Path, *arguments: str) -> list[tuple[str, str, int]]:
    return [
        (item["rule"], item["specField"], item["line"])
        for item in findings(run("check", *arguments, "--format", "json", cwd=folder))
        if item["mode"] in ("enforce", "warn")
    ]


def test_a_change_that_does_nothing_or_is_forbidden_is_found_before_the_commit(committed: FleetFolder) -> None:
    assert rules(committed.root) == []
    committed.write("drivers/Dockerfile", "FROM a:2\n")
    assert rules(committed.root) == [("GIT101", "spec.containerImage", 9)]
    committed.driver("nic", "serviceAccountName: new\nbuild: {dockerfile: ./Dockerfile}")
    assert {rule for rule, _, _ in rules(committed.root, "drivers/nic.yaml")} == {"GIT101", "GIT102", "KMM601"}
    assert run("check", cwd=committed.root).returncode == 1
    git(committed.root, "commit", "-qam", "second")
    assert rules(committed.root) == []
    assert {rule for rule, _, _ in rules(committed.root, "--against", "HEAD~1")} == {"GIT101", "GIT102", "KMM601"}


MAPPED = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: nic-dockerfile, namespace: drivers}
data: {dockerfile: "FROM quay.io/acme/base:1"}
"""
BUILT = GOOD.replace(
    "      kernelMappings:", "      build: {dockerfileConfigMap: {name: nic-dockerfile}}\n      kernelMappings:"
)


def test_a_dockerfile_that_changed_in_its_config_map_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "module.yaml").write_text(BUILT)
    (tmp_path / "dockerfile.yaml").write_text(MAPPED)
    (tmp_path / "both.yaml").write_text(f"{MAPPED}---\n{BUILT}".replace("namespace: drivers", "namespace: other"))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    assert rules(tmp_path) == []
    for name in ("both.yaml", "dockerfile.yaml"):
        path = tmp_path / name
        path.write_text(path.read_text().replace("base:1", "base:2"))
    report = findings(run("check", "--format", "json", cwd=tmp_path))
    told = [(item["rule"], item["file"], item["field"]) for item in report if item["mode"] == "warn"]
    image = "spec.moduleLoader.container.containerImage"
    assert told == [("GIT104", "both.yaml", image), ("GIT104", "module.yaml", image)]
    (tmp_path / "module.yaml").write_text(BUILT.replace("nic:1.0", "nic:1.1"))
    (tmp_path / "both.yaml").write_text((tmp_path / "both.yaml").read_text().replace("nic:1.0", "nic:1.1"))
    assert rules(tmp_path) == []


def test_an_attached_dockerfile_that_changed_is_not_built(fleet: FleetFolder) -> None:
    fleet.write("drivers/df.yaml", MAPPED.replace(", namespace: drivers", ""))
    fleet.driver("nic", "attach: [./df.yaml]\nbuild: {dockerfileConfigMap: nic-dockerfile}")
    git(fleet.root.parent, "init", "-q")
    git(fleet.root.parent, "add", "-A")
    git(fleet.root.parent, "commit", "-qm", "first")
    assert rules(fleet.root) == []
    fleet.write("drivers/df.yaml", MAPPED.replace(", namespace: drivers", "").replace("base:1", "base:2"))
    assert [rule for rule, _, _ in rules(fleet.root)] == ["GIT104"]


def test_a_module_that_would_leave_is_found_before_the_commit(committed: FleetFolder) -> None:
    path = committed.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("{matchLabels: {tier: edge}}", "{names: [lyon]}"))
    committed.cluster("lyon")
    result = run("check", cwd=committed.root)
    assert result.returncode == 1
    assert (
        "drivers/nic.yaml:5:3: error[GIT001] spec.clusters: Module kmm-tests/nic would leave 1 cluster (paris)"
        in result.stdout
    )
    committed.driver("nic", "state: absent")
    assert rules(committed.root) == []


def test_a_rendered_tree_is_compared_file_by_file(committed: FleetFolder) -> None:
    committed.render()
    git(committed.root, "add", "-A")
    git(committed.root, "commit", "-qm", "tree")
    module = committed.root / "rendered/paris/nic/module-nic.yaml"
    module.write_text(module.read_text().replace('version: "1.0"', 'version: ""'))
    found = findings(run("check", "rendered", "--format", "json", cwd=committed.root))
    assert [(item["rule"], item["file"]) for item in found if item["mode"] == "enforce"] == [
        ("KMM601", "rendered/paris/nic/module-nic.yaml")
    ]


def test_a_revision_that_does_not_exist_is_unusable(committed: FleetFolder, tmp_path: Path) -> None:
    result = run("check", "--against", "nowhere", cwd=committed.root)
    assert result.returncode == 2
    assert "--against nowhere: no such revision" in result.stderr
    option = run("check", "--against", "--output=x", cwd=committed.root)
    assert option.returncode == 2


# -- facts ----------------------------------------------------------------------------------------

SIGNED = "sign: {keySecret: key, certSecret: cert, filesToSign: [/opt/dummy.ko], unsignedImage: 'a/b:1'}"


def secret(name: str, **data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "kmm-tests"}, "data": encoded}


def dump(folder: Path, *items: dict[str, Any], name: str = "dump/any.txt.yaml") -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": list(items)}))


def test_facts_of_a_dump_are_looked_at_and_nothing_is_guessed(fleet: FleetFolder) -> None:
    fleet.driver("nic", SIGNED)
    report = findings(check(fleet.root, "--format", "json"))
    assert [(item["rule"], item["mode"]) for item in report if item["message"].startswith("not checked")] == [
        ("REF101", "audit")
    ]
    dump(fleet.root.parent, secret("key", key="k"))
    result = check(fleet.root, "--facts", "../dump", "--format", "json")
    assert result.returncode == 1
    (finding,) = [item for item in findings(result) if item["mode"] == "enforce"]
    assert (finding["rule"], finding["message"]) == ("REF101", "there is no Secret kmm-tests/cert")
    assert finding["specField"] == "spec.sign.certSecret"
    dump(fleet.root.parent, secret("key", key="k"), secret("cert", tls="c"))
    (finding,) = [
        item
        for item in findings(check(fleet.root, "--facts", "../dump", "--format", "json"))
        if item["mode"] == "enforce"
    ]
    assert (finding["rule"], finding["message"]) == ("SGN301", "Secret cert has no key cert")


def test_a_single_object_of_a_dump_says_nothing_of_others(fleet: FleetFolder) -> None:
    fleet.driver("nic", SIGNED)
    (fleet.root.parent / "dump").mkdir()
    (fleet.root.parent / "dump/key.json").write_text(json.dumps(secret("key", key="k")))
    assert check(fleet.root, "--facts", "../dump").returncode == 0


def test_the_nodes_of_a_cluster_spec_are_facts(fleet: FleetFolder) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, kernels: [4.18.0]"))
    found = [(item["rule"], item["mode"]) for item in findings(check(fleet.root, "--format", "json"))]
    assert found == [("SEL202", "warn")]
    path.write_text(path.read_text().replace("node-role.kubernetes.io/worker", "other"))
    assert [item["rule"] for item in findings(check(fleet.root, "--format", "json"))] == ["SEL201"]


def test_render_refuses_by_facts_what_check_refuses_by_them(fleet: FleetFolder) -> None:
    attached = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: df}\ndata: {other: FROM a}\n"
    fleet.write("drivers/df.yaml", attached)
    fleet.driver("nic", "build: {dockerfileConfigMap: df}\nattach: [./df.yaml]")
    assert [item["rule"] for item in findings(check(fleet.root, "--format", "json")) if item["mode"] == "enforce"] == [
        "REF102"
    ]
    result = fleet.run("render")
    assert result.returncode == 2
    assert "error[REF102]" in result.stderr


def test_nodes_with_secure_boot_want_signed_modules(fleet: FleetFolder) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, secureBoot: true"))
    found = [(item["rule"], item["specField"]) for item in findings(check(fleet.root, "--format", "json"))]
    assert found == [("SGN202", "spec.kernelMappings[0].sign")]
    fleet.driver("nic", SIGNED)
    assert "SGN202" not in {item["rule"] for item in findings(check(fleet.root, "--format", "json"))}


def test_drivers_of_one_fleet_that_fight_are_found(fleet: FleetFolder) -> None:
    fleet.driver("other")
    found = [(item["rule"], item["file"]) for item in findings(check(fleet.root, "--format", "json"))]
    assert found == [("SEL204", "drivers/nic.yaml"), ("SEL204", "drivers/other.yaml")]


def test_a_certificate_that_ended_is_found_in_a_dump_and_in_what_is_left_of_it(fleet: FleetFolder) -> None:
    example = (REPOSITORY / "tests/rules/SGN302/fail-expired-der.yaml").read_text()
    value = yaml.safe_load(example.partition("# facts:\n---\n")[2])["data"]["cert"]
    fleet.driver("nic", SIGNED)
    dump(fleet.root.parent, secret("key", key="k"), secret("cert") | {"data": {"cert": value}})
    ended = ("SGN302", "spec.sign.certSecret")
    report = findings(check(fleet.root, "--facts", "../dump", "--format", "json"))
    assert [(item["rule"], item["specField"]) for item in report if item["rule"].startswith("SGN3")] == [ended]
    redacted = run("facts", "redact", "dump", cwd=fleet.root.parent)
    (fleet.root.parent / "dump/any.txt.yaml").write_text(redacted.stdout)
    assert findings(check(fleet.root, "--facts", "../dump", "--format", "json")) == report


def test_a_redacted_dump_has_no_secret_and_the_same_facts(fleet: FleetFolder) -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    private = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"
    last = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    items = [secret("key", key=private), secret("cert", cert=private + certificate)]
    items[0]["metadata"]["annotations"] = last
    items[0]["stringData"] = {"more": "hunter2"}
    dump(fleet.root.parent, *items)
    result = run("facts", "redact", "dump", cwd=fleet.root.parent)
    assert result.returncode == 0
    assert "hunter2" not in result.stdout
    assert base64.b64encode(b"hunter2").decode()[:8] not in result.stdout
    kept = {item["metadata"]["name"]: item["data"] for item in json.loads(result.stdout)["items"]}
    assert kept["key"] == {"key": "", "more": ""}
    assert base64.b64decode(kept["cert"]["cert"]).decode() == certificate
    (fleet.root.parent / "redacted.json").write_text(result.stdout)
    fleet.driver("nic", SIGNED)
    assert check(fleet.root, "--facts", "../redacted.json").returncode == 0


# -- reading as kubectl reads ---------------------------------------------------------------------

ODD = [
    "y", "N", "yes", "No", "ON", "off", "0644", "0o644", "-0644", "08", "-08", "1e3", "1E+3", "1_000", "0x_ff", "0b101",
    "+5", "1:30", "2024-01-01", "=", "18446744073709551615", "18446744073709551616", "-9223372036854775809", "1_0.5",
    "+.5", "0o8", "0b2", "00", "0_7", "-0", "-0.0", "1e400",
]  # fmt: skip


@needs_goyaml
def test_a_plain_scalar_is_what_kubectl_makes_of_it() -> None:
    with GoYAML() as kubectl:
        for text in ODD:
            documents, found = parse(f"a: {text}\n", "x", OBJECTS)
            try:
                wanted = kubectl.decode(f"a: {text}\n")
            except ValueError:
                continue
            value, read = documents[0].value["a"], wanted["a"]  # type: ignore[index,call-overload]
            if isinstance(value, float):  # Go writes a large float without an exponent
                read = float(read)
            assert (value, type(value)) == (read, type(read)), text
            assert all(finding.mode == "warn" for finding in found)


def test_objects_may_be_larger_and_deeper_than_specs_and_have_anchors() -> None:
    text = "a: &x 1\nb: !!str 5\n" + "c: " + "[" * 50 + "]" * 50 + "\n# " + "x" * (2 << 20)
    documents, found = parse(text, "x", OBJECTS)
    assert documents[0].value["a"] == 1  # type: ignore[index,call-overload]
    assert [finding.rule for finding in found] == ["SCH004"]
    deep = parse("a: " + "[" * 10_000, "x", OBJECTS)[1]
    assert [finding.rule for finding in deep] == ["SCH007"]


def test_as_kubectl_leaves_text_alone() -> None:
    assert as_kubectl("1:30") == "1:30"


def test_of_a_module_with_too_many_mappings_nothing_else_is_said(tmp_path: Path) -> None:
    mapping = "      - regexp: (\n        containerImage: ''\n"
    (tmp_path / "bad.yaml").write_text(GOOD + mapping * 1100)
    findings = json.loads(check(tmp_path, "bad.yaml", "--format", "json").stdout)["findings"]
    assert {finding["rule"] for finding in findings} == {"MAP301"}
