"""Inputs of `kmodgate check`: stdin, files, rendered trees and fleets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.command import run
from tests.fleets import FleetFolder, git
from tests.oracle import lines
from tests.renderer.checking import BAD, GOOD, PLACE, break_driver, check, findings


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
    assert "<stdin>:1:" in result.stdout
    assert "warning[SEL204] Module drivers/other: spec" in result.stdout
    open_questions = [
        item for item in findings(check(tmp_path, "-", "--format", "json", stdin=listing)) if item["mode"] == "audit"
    ]
    assert {item["rule"] for item in open_questions} >= {"SEL201"}


def test_a_secret_in_git_is_no_secret(tmp_path: Path) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "data": {"key": "eA=="}}
    (tmp_path / "secret.json").write_text(json.dumps(secret))
    assert "GIT201" not in check(tmp_path, "secret.json").stdout
    git(tmp_path, "init")
    assert "warning[GIT201] Secret key: data" in run("check", "secret.json", cwd=tmp_path).stdout


def test_json_is_read_as_json(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(yaml.safe_load(BAD)))
    (tmp_path / "twice.json").write_text('{"apiVersion": "v1", "kind": "Pod", "kind": "Node"}')
    (tmp_path / "nan.json").write_text('{"apiVersion": "v1", "kind": "Pod", "spec": NaN}')
    (tmp_path / "deep.json").write_text('{"apiVersion": "v1", "kind": "Pod", "spec": ' + "[" * 20_000)
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
    assert result.returncode == 1
    assert "drivers/nic.yaml:11:25: error[KMM203] spec.kernelMappings[0].regexp: missing )" in result.stderr
    assert not (fleet.root / "rendered").exists()


def test_a_rendered_tree_is_checked_as_objects(fleet: FleetFolder) -> None:
    fleet.render()
    assert check(fleet.root, "rendered").stderr == "5 objects checked: 0 errors, 0 warnings\n"
    module = fleet.root / "rendered/paris/nic/module-nic.yaml"
    module.write_text(module.read_text().replace(".+$", "(.+$"))
    (finding,) = findings(check(fleet.root, "rendered", "--format", "json"))
    assert finding["file"] == "rendered/paris/nic/module-nic.yaml"
    assert check(fleet.root).returncode == 1  # a fleet is judged with what lies in its tree


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


@pytest.mark.shared
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


def test_of_a_module_with_too_many_mappings_nothing_else_is_said(tmp_path: Path) -> None:
    mapping = "      - regexp: (\n        containerImage: ''\n"
    (tmp_path / "bad.yaml").write_text(GOOD + mapping * 1100)
    findings = json.loads(check(tmp_path, "bad.yaml", "--format", "json").stdout)["findings"]
    assert {finding["rule"] for finding in findings} == {"MAP301"}
