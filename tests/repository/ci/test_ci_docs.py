"""The pipelines of docs/ci.md: their commands run, in a clone, on a branch that changes a driver."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import forked_program, run
from tests.conftest import ROOT
from tests.fleets import git

PIPELINES: list[Any] = [
    yaml.safe_load(block)
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text(encoding="utf-8"), re.DOTALL)
]
GITHUB = [step["run"] for step in PIPELINES[0]["jobs"]["drivers"]["steps"] if "run" in step]
GITLAB = PIPELINES[1]["drivers"]["script"]


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the edge fleet, `origin`, and `clone`, on a branch with a new version of a driver."""
    parent = tmp_path_factory.mktemp("cloned")
    origin = parent / "origin"
    shutil.copytree(ROOT / "examples/edge-fleet", origin, ignore=shutil.ignore_patterns("rendered"))
    assert run("render", cwd=origin).returncode == 0
    git(origin, "init")
    git(origin, "add", "-A")
    git(origin, "commit", "-m", "first")
    git(parent, "clone", "origin", "clone")
    clone = parent / "clone"
    git(clone, "remote", "set-url", "origin", "../origin")
    path = clone / "drivers/ice.yaml"
    path.write_text(path.read_text().replace("1.17.11", "1.17.12"))
    assert run("render", cwd=clone).returncode == 0
    git(clone, "checkout", "-b", "change")
    git(clone, "commit", "-am", "second")
    return parent


@pytest.fixture
def clone(cloned: Path, tmp_path: Path) -> Path:
    """A clone that a test may change, and its origin."""
    return shutil.copytree(cloned, tmp_path / "copy") / "clone"


def environment(folder: Path) -> dict[str, str]:
    """What the pipelines set, and a command `kmodgate`; what does not run here says what it would have done."""
    tools = folder.parent / "bin"
    tools.mkdir(exist_ok=True)
    forked_program(tools)
    for name, line in (
        ("pip", 'echo "pip $*"'),
        ("gh", 'test -s "${@: -1}"'),  # the comment has a text
    ):
        (tools / name).write_text(f"#!/usr/bin/env bash\n{line}\n")
        (tools / name).chmod(0o755)
    base = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", "origin/main"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "BASE": "main",
        "NUMBER": "1",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
    }


@pytest.mark.parametrize(
    ("commands", "made"), [(GITHUB, ("diff.md", "plan.html")), (GITLAB, ("check.xml", "diff.html", "plan.html"))]
)
def test_the_commands_of_a_pipeline_run(commands: list[str], made: tuple[str, ...], clone: Path) -> None:
    assert sum("kmodgate " in command for command in commands) >= 4
    for command in commands:
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=clone,
            env=environment(clone),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    for name in made:
        assert (clone / name).stat().st_size > 200
    if "diff.md" in made:
        assert "unloads and reloads ice on 103 nodes in 20 clusters" in (clone / "diff.md").read_text()


SECOND_REVIEWER = re.findall(
    r"```sh\n(kmodgate diff .*?)```", (ROOT / "docs/ci.md").read_text(encoding="utf-8"), re.DOTALL
)


def test_a_dangerous_change_needs_a_file_of_the_code_owners(clone: Path) -> None:
    (command,) = SECOND_REVIEWER

    def passes() -> bool:
        fork = {"FORK": environment(clone)["CI_MERGE_REQUEST_DIFF_BASE_SHA"]}
        found = subprocess.run(["bash", "-c", command], cwd=clone, env=environment(clone) | fork, check=False)
        return found.returncode == 0

    assert not passes()  # it reloads 103 nodes
    (clone / "approved").mkdir()
    (clone / "approved/new-ice.md").write_text("The nodes are drained first.\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-m", "third")
    assert passes()
    git(clone, "reset", "--hard", "origin/main")
    assert passes()  # nothing changes


def test_a_branch_that_forgets_to_render_does_not_pass(clone: Path) -> None:
    path = clone / "drivers/ice.yaml"
    path.write_text(path.read_text().replace("1.17.12", "1.17.13"))
    command = next(command for command in GITHUB if "render --check" in command)
    result = subprocess.run(
        ["bash", "-c", command], cwd=clone, env=environment(clone), capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
