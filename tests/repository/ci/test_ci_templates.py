"""The action for GitHub and the template for GitLab: linted, and their commands run in a clone."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.fleets import git
from tests.repository.ci.test_ci_docs import clone, cloned, environment

__all__ = ["clone", "cloned"]

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
SPEC, JOBS = yaml.safe_load_all((ROOT / "templates/kmodgate.yml").read_text(encoding="utf-8"))
ACTIONLINT = os.environ.get("ACTIONLINT", "")

FIRST, *STEPS = ACTION["runs"]["steps"]


def bash(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as GitHub's runner and GitLab's do."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**environment(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


# --- GitHub ---


def action(folder: Path, **inputs: str) -> dict[str, int]:
    """Run the steps of the action but the first, which installs; return the exit code of each."""
    temporary = folder.parent / "temporary"
    (temporary / "kmodgate").mkdir(parents=True, exist_ok=True)
    output, summary = temporary / "output", temporary / "summary"
    output.write_text("")
    values = {f"inputs.{name}": item["default"] for name, item in ACTION["inputs"].items()}
    values |= {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
    values |= {"github.base_ref": "main", "github.event.number": "1", "github.token": "none"}
    codes = {}
    for step in STEPS:
        values["steps.revision.outputs.revision"] = output.read_text().partition("=")[2].strip()
        variables = {
            name: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: values[m[1]], text) for name, text in step["env"].items()
        }
        variables |= {"RUNNER_TEMP": str(temporary), "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
        result = bash(step["run"], folder, **variables)
        codes[step["name"]] = result.returncode
        if step.get("id") == "revision" and result.returncode:
            break
    return codes


def test_every_step_of_the_action_runs_on_a_sound_change(clone: Path) -> None:
    assert set(action(clone).values()) == {0}
    temporary = clone.parent / "temporary"
    assert "reloads ice on 103 nodes" in (temporary / "summary").read_text()
    assert "<html" in (temporary / "kmodgate/plan.html").read_text()


def broken_spec(clone: Path) -> None:
    path = clone / "drivers/ice.yaml"
    path.write_text(path.read_text().replace("spec:\n", "spec:\n  removel: auto\n", 1))


def forgotten_render(clone: Path) -> None:
    path = clone / "drivers/ice.yaml"
    path.write_text(path.read_text().replace("1.17.12", "1.17.13"))


def shallow(clone: Path) -> None:
    git(clone, "remote", "remove", "origin")


@pytest.mark.parametrize(
    ("happens", "failing"),
    [
        (broken_spec, {"Check", "Compare the tree with the specs", "Diff", "Plan"}),
        (forgotten_render, {"Compare the tree with the specs"}),
        (shallow, {"Find the revision to compare with"}),
    ],
)
def test_a_step_of_the_action_fails_where_it_should(clone: Path, happens: Any, failing: set[str]) -> None:
    happens(clone)
    assert {name for name, code in action(clone).items() if code} == failing


def test_inputs_of_the_action_are_arguments_and_never_commands(clone: Path) -> None:
    assert action(clone, check_arguments="--fail-on warn --profile strict")["Check"] == 1
    action(clone, fleet='."; touch injected; "', check_arguments="$(touch injected)", against="HEAD")
    assert not (clone / "injected").exists()


def test_the_action_installs_itself_and_later_steps_need_a_revision() -> None:
    assert '"$GITHUB_ACTION_PATH"' in FIRST["run"]
    for step in STEPS[1:]:
        assert "steps.revision.outputs.revision" in step["if"]


@pytest.mark.skipif(not ACTIONLINT, reason="ACTIONLINT names no program: `make test` builds it")
def test_the_action_and_its_steps_pass_actionlint(tmp_path: Path) -> None:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / "action.yml").write_text((ROOT / "action.yml").read_text())
    inputs = {name: {**item, "type": "string"} for name, item in ACTION["inputs"].items()}
    jobs = {
        "use": {"runs-on": "ubuntu-latest", "steps": [{"uses": "./", "with": dict.fromkeys(inputs, "x")}]},
        "steps": {"runs-on": "ubuntu-latest", "steps": ACTION["runs"]["steps"]},
    }
    workflow = {"on": {"workflow_call": {"inputs": inputs}}, "permissions": {}, "jobs": jobs}
    lint(tmp_path, yaml.safe_dump(workflow))
    jobs["use"]["steps"][0]["with"]["flete"] = "x"
    with pytest.raises(AssertionError, match="flete"):
        lint(tmp_path, yaml.safe_dump(workflow))


@pytest.mark.skipif(not ACTIONLINT, reason="ACTIONLINT names no program: `make test` builds it")
def test_the_workflows_of_the_docs_pass_actionlint(tmp_path: Path) -> None:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    blocks = re.findall(r"```yaml\n(# \.github/.*?)```", (ROOT / "docs/ci.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        lint(tmp_path, block)


def lint(folder: Path, workflow: str) -> None:
    (folder / ".github/workflows/a.yaml").write_text(workflow)
    git(folder, "init", "-q")
    result = subprocess.run(
        [ACTIONLINT, "-no-color", "-shellcheck=", "-pyflakes="], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


# --- GitLab ---


def template(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    values = {name: item.get("default", "") for name, item in SPEC["spec"]["inputs"].items()}
    values |= {"package": "kmodgate @ git+URL@TAG"} | {name.replace("_", "-"): value for name, value in inputs.items()}

    def filled(text: Any) -> str:
        return re.sub(r"\$\[\[ inputs\.(.*?) \]\]", lambda found: values[found[1]], str(text))

    job = JOBS["kmodgate"]
    variables = {name: filled(text) for name, text in job["variables"].items()}
    return bash("\n".join(map(filled, job["script"])), folder, **variables)


def test_the_job_of_the_template_passes_and_leaves_its_reports(clone: Path) -> None:
    result = template(clone)
    assert result.returncode == 0, result.stderr
    assert "pip install kmodgate @ git+URL@TAG" in result.stdout
    job = JOBS["kmodgate"]["artifacts"]
    for name in (*job["paths"], job["reports"]["junit"]):
        assert (clone / name).stat().st_size > 200


@pytest.mark.parametrize("happens", [broken_spec, forgotten_render])
def test_the_job_of_the_template_fails_after_every_step_has_run(clone: Path, happens: Any) -> None:
    happens(clone)
    result = template(clone)
    assert result.returncode == 1
    assert (clone / "check.xml").exists()
    assert "rendered" in result.stderr or "removel" in result.stderr


def test_more_arguments_reach_the_commands_of_the_template(clone: Path) -> None:
    assert template(clone, check_arguments="--fail-on warn --profile strict").returncode == 1
