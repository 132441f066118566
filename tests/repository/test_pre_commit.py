"""The hooks, run by the real pre-commit in a real git repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.fleets import REPOSITORY, FleetFolder, git

PRE_COMMIT = REPOSITORY / ".venv/bin/pre-commit"

pytestmark = pytest.mark.skipif(not PRE_COMMIT.exists(), reason="pre-commit is not in .venv: `make test` installs it")


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout as a repository of hooks, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("hooks") / "kmodgate"
    names = [
        *("renderer", "policy", "webhook", "schemas", "src"),
        "pyproject.toml",
        "README.md",
        "LICENSE",
        ".pre-commit-hooks.yaml",
    ]
    folder.mkdir()
    for name in names:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "hooks")
    git(folder, "tag", "v0")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def fleet(tmp_path: Path, hooks: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path)
    folder.cluster("paris")
    for name in ("nic", "gpu"):
        folder.driver(name)
    folder.render()
    folder.write("charts/values.yaml", "on: yes\n")
    ids = re.findall(r"^- id: (.*)$", (REPOSITORY / ".pre-commit-hooks.yaml").read_text(), re.MULTILINE)
    repository = {"repo": str(hooks), "rev": "v0", "hooks": [{"id": id} for id in ids]}
    folder.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [repository]}))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return folder


def pre_commit(fleet: FleetFolder, cache: Path, hook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTHONPATH"))}
    return subprocess.run(
        [str(PRE_COMMIT), "run", hook, "--verbose", *arguments],
        cwd=fleet.root,
        env={**environment, "PRE_COMMIT_HOME": str(cache), "PRE_COMMIT_COLOR": "never"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def _installed(fleet: FleetFolder, cache: Path) -> None:
    """The hooks in environments of their own, which needs a package registry the first time."""
    result = pre_commit(fleet, cache, "kmodgate-check", "--files", "kmodgate.yaml")
    if "Could not find a version" in result.stdout + result.stderr:
        pytest.skip("the packages of the hooks cannot be installed: no package registry can be reached")


def test_a_sound_fleet_passes_every_hook(fleet: FleetFolder, cache: Path) -> None:
    for hook in ("kmodgate-check", "kmodgate-render", "kmodgate-render-check"):
        result = pre_commit(fleet, cache, hook, "--all-files")
        assert result.returncode == 0, result.stdout


def test_check_reports_on_the_files_of_the_commit_only(fleet: FleetFolder, cache: Path) -> None:
    for name in ("nic", "gpu"):
        path = fleet.root / f"drivers/{name}.yaml"
        path.write_text(path.read_text().replace(r"^5\.14\..+$", "^5(.+$"))
    git(fleet.root, "add", "drivers/nic.yaml")
    git(fleet.root, "stash", "--keep-index", "-q")
    result = pre_commit(fleet, cache, "kmodgate-check")
    assert result.returncode == 1
    assert "drivers/nic.yaml:11:25: error[KMM203]" in result.stdout
    assert "drivers/gpu" not in result.stdout


def test_render_writes_and_fails_once_and_render_check_before_it(fleet: FleetFolder, cache: Path) -> None:
    fleet.driver("nic", "removal: auto")
    git(fleet.root, "add", "-A")
    stale = pre_commit(fleet, cache, "kmodgate-render-check")
    assert stale.returncode == 1
    assert "changed: rendered/paris/nic/module-nic.yaml" in stale.stdout
    first = pre_commit(fleet, cache, "kmodgate-render")
    assert first.returncode == 1
    assert "files were modified by this hook" in first.stdout
    git(fleet.root, "add", "-A")
    assert pre_commit(fleet, cache, "kmodgate-render").returncode == 0
    assert pre_commit(fleet, cache, "kmodgate-render-check").returncode == 0


def test_many_files_are_checked_by_several_processes_at_once(fleet: FleetFolder, cache: Path) -> None:
    for number in range(300):
        fleet.driver(f"driver-{number}-{'x' * 40}"[:60].rstrip("-"))
    path = next((fleet.root / "drivers").glob("driver-17-*"))
    path.write_text(path.read_text().replace(r"^5\.14\..+$", "^5(.+$"))
    git(fleet.root, "add", "-A")
    result = pre_commit(fleet, cache, "kmodgate-check")
    assert result.returncode == 1
    assert result.stdout.count("error[KMM203]") == 1
    assert "Traceback" not in result.stdout
