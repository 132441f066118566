"""Files that hold something else than was asked for: pages of HTML, what cray prints by itself, nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.renderer.checking import check, findings


@pytest.mark.parametrize(
    ("text", "rule", "words", "code"),
    [
        ("<!DOCTYPE html>\n<html><body>Log in</body></html>", "SCH002", "page of HTML", 2),
        ("\n  <HTML>\n", "SCH002", "page of HTML", 2),
        ('[[results]]\nname = "a"\n', "SCH002", "--format json", 2),
        ('["a"]', "SCH102", "not a Kubernetes object", 1),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_a_file_that_holds_something_else_is_an_error(
    tmp_path: Path, name: str, text: str, rule: str, words: str, code: int
) -> None:
    (tmp_path / name).write_text(text)
    result = check(tmp_path, name, "--format", "json")
    (found,) = findings(result)
    assert result.returncode == code
    assert (found["rule"], found["mode"], found["file"], found["line"]) == (rule, "enforce", name, 1)
    assert words in found["message"] + found["fix"]


def test_a_finding_in_a_file_of_json_names_its_line(tmp_path: Path) -> None:
    items = [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}, {"kind": "x"}]
    (tmp_path / "a.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1))
    (found,) = findings(check(tmp_path, "a.json", "--format", "json"))
    assert (found["line"], found["column"]) == (12, 3)


@pytest.mark.parametrize(
    ("name", "text", "mode", "code"),
    [("a.json", "", "enforce", 1), ("a.json", " \n\n", "enforce", 1), ("a.yaml", "", "warn", 0)],
)
def test_an_empty_file_is_told_of(tmp_path: Path, name: str, text: str, mode: str, code: int) -> None:
    (tmp_path / name).write_text(text)
    result = check(tmp_path, name, "--format", "json")
    (told,) = findings(result)
    assert (result.returncode, told["rule"], told["mode"]) == (code, "SCH006", mode)
    assert "is empty" in told["message"]


def test_a_login_page_below_a_folder_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "recipes.json").write_text("<html>log in</html>")
    result = check(tmp_path, ".", "--format", "json")
    (told,) = findings(result)
    assert (result.returncode, told["file"], told["mode"]) == (0, "recipes.json", "warn")


SPEC = "apiVersion: kmodgate.io/v1alpha1\nkind: KernelDriver\nmetadata: {name: nic}\nspec: {}\n"


@pytest.mark.parametrize("given", ["nic.yaml", ".", "-"])
def test_a_spec_that_lies_in_no_fleet_is_a_warning(tmp_path: Path, given: str) -> None:
    (tmp_path / "nic.yaml").write_text(SPEC)
    result = check(tmp_path, given, "--format", "json", stdin=SPEC)
    (told,) = findings(result)
    assert (result.returncode, told["rule"], told["mode"], told["line"]) == (0, "SCH008", "warn", 2)
    assert "kmodgate.yaml" in told["fix"]


def test_what_the_fix_for_a_spec_without_a_fleet_says_has_it_judged(tmp_path: Path) -> None:
    (tmp_path / "nic.yaml").write_text(SPEC)
    (tmp_path / "kmodgate.yaml").touch()
    found = findings(check(tmp_path, "nic.yaml", "--format", "json"))
    assert "SCH103" in {item["rule"] for item in found}
    assert "SCH008" not in {item["rule"] for item in found}


def test_a_policy_and_the_objects_of_others_may_lie_in_no_fleet(tmp_path: Path) -> None:
    policy = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: all}\nspec: {clusters: {}}\n"
    cluster = "apiVersion: cluster.x-k8s.io/v1beta1\nkind: Cluster\nmetadata: {name: paris}\n"
    (tmp_path / "a.yaml").write_text(f"{policy}---\n{cluster}")
    assert findings(check(tmp_path, "a.yaml", "--format", "json")) == []
