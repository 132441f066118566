"""Files that hold something else than was asked for: pages of HTML, what cray prints by itself, nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.renderer.checking import check, findings


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("<!DOCTYPE html>\n<html><body>Log in</body></html>", "SCH002", "page of HTML"),
        ("\n  <HTML>\n", "SCH002", "page of HTML"),
        ('[[results]]\nname = "a"\n', "SCH002", "--format json"),
        ('["a"]', "SCH102", "not a Kubernetes object"),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_a_file_that_holds_something_else_is_an_error(
    tmp_path: Path, name: str, text: str, rule: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    result = check(tmp_path, name, "--format", "json")
    (found,) = findings(result)
    assert result.returncode == 1
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
