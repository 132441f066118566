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

HOOKS = [hook["id"] for hook in yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())]

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
def committed(tmp_path_factory: pytest.TempPathFactory, hooks: Path) -> FleetFolder:
    """A fleet of one cluster and two drivers, rendered and committed."""
    folder = FleetFolder(tmp_path_factory.mktemp("committed"))
    folder.cluster("paris")
    for name in ("nic", "gpu"):
        folder.driver(name)
    folder.render()
    folder.write("charts/values.yaml", "on: yes\n")
    start(folder, hooks)
    git(folder.root, "commit", "-qm", "first")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, committed: FleetFolder) -> Path:
    """The hooks in environments of their own, which needs a package registry."""
    folder = tmp_path_factory.mktemp("cache")
    result = pre_commit(committed, folder, "kmodgate-check", "--files", "kmodgate.yaml")
    if "Could not find a version" in result.stdout + result.stderr:
        pytest.skip("the packages of the hooks cannot be installed: no package registry can be reached")
    return folder


@pytest.fixture
def fleet(committed: FleetFolder, tmp_path: Path) -> FleetFolder:
    """A copy of the committed fleet."""
    return FleetFolder(shutil.copytree(committed.root, tmp_path / "fleet"))


def start(folder: FleetFolder, hooks: Path) -> None:
    """Make a repository of a fleet, with all hooks, and stage every file."""
    repository = {"repo": str(hooks), "rev": "v0", "hooks": [{"id": id} for id in HOOKS]}
    folder.write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [repository]}))
    git(folder.root, "init", "-q")
    git(folder.root, "add", "-A")


def pre_commit(fleet: FleetFolder, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTHONPATH"))}
    return subprocess.run(
        [str(PRE_COMMIT), "run", "--verbose", *arguments],
        cwd=fleet.root,
        env={**environment, "PRE_COMMIT_HOME": str(cache), "PRE_COMMIT_COLOR": "never"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_sound_fleet_passes_every_hook(fleet: FleetFolder, cache: Path) -> None:
    result = pre_commit(fleet, cache, "--all-files")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("Passed") == len(HOOKS) == 3


def test_the_first_commit_of_a_new_fleet_passes_once_its_tree_is_added(
    tmp_path_factory: pytest.TempPathFactory, hooks: Path, cache: Path
) -> None:
    new = FleetFolder(tmp_path_factory.mktemp("new"))
    (new.root / "kmodgate.yaml").unlink()
    assert new.run("init", "fleet", ".").returncode == 0
    start(new, hooks)
    first = pre_commit(new, cache)
    assert first.returncode == 1
    assert "add the tree to the commit: git add rendered" in first.stdout
    git(new.root, "add", "-A")
    second = pre_commit(new, cache)
    assert second.returncode == 0, second.stdout
    assert "files passed over" in second.stdout  # the schemas that init wrote


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


def test_the_tree_must_be_in_the_commit_and_not_only_on_disk(fleet: FleetFolder, cache: Path) -> None:
    fleet.driver("ib")
    fleet.render()
    git(fleet.root, "add", "drivers", "rendered/paris/.index")
    for hook in ("kmodgate-render", "kmodgate-render-check"):
        result = pre_commit(fleet, cache, hook)
        assert result.returncode == 1
        assert "rendered/paris/ib/module-ib.yaml: not staged" in result.stdout


@pytest.mark.parametrize("hook", ["kmodgate-render", "kmodgate-render-check"])
@pytest.mark.parametrize(
    ("deleted", "words"),
    [
        ("drivers/nic.yaml", "nic"),
        ("drivers/nic.Dockerfile", "there is no such file"),
        ("rendered/paris/nic/module-nic.yaml", "rendered/paris/nic/module-nic.yaml"),
    ],
)
def test_a_commit_that_only_deletes_is_looked_at(
    fleet: FleetFolder, cache: Path, deleted: str, words: str, hook: str
) -> None:
    with_dockerfile(fleet)
    git(fleet.root, "rm", "-q", deleted)
    result = pre_commit(fleet, cache, hook)
    assert result.returncode == 1, result.stdout
    assert words in result.stdout


def test_a_renamed_spec_is_rendered_again_and_passes(fleet: FleetFolder, cache: Path) -> None:
    git(fleet.root, "mv", "drivers/nic.yaml", "drivers/network.yaml")
    assert pre_commit(fleet, cache).returncode == 1  # the files of the tree name the spec that they come from
    git(fleet.root, "add", "-A")
    result = pre_commit(fleet, cache)
    assert result.returncode == 0, result.stdout


def test_a_renamed_dockerfile_that_the_spec_does_not_follow_is_refused(fleet: FleetFolder, cache: Path) -> None:
    with_dockerfile(fleet)
    git(fleet.root, "mv", "drivers/nic.Dockerfile", "drivers/network.Dockerfile")
    result = pre_commit(fleet, cache, "kmodgate-render-check")
    assert result.returncode == 1
    assert "error[REF003] spec.build.dockerfile: ./nic.Dockerfile: there is no such file" in result.stdout


def test_a_dockerfile_alone_means_the_specs_that_name_it(fleet: FleetFolder, cache: Path) -> None:
    with_dockerfile(fleet)
    fleet.write("drivers/nic.Dockerfile", "FROM scratch\nLABEL a=b\n")
    fleet.render()
    git(fleet.root, "add", "drivers")
    result = pre_commit(fleet, cache, "kmodgate-check")
    assert "drivers/nic.yaml:9:19: warning[GIT101]" in result.stdout


def test_a_chart_in_the_same_repository_is_passed_over(fleet: FleetFolder, cache: Path) -> None:
    fleet.write("chart/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n")
    fleet.write("chart/values.yaml", "# nothing yet\n")
    fleet.write("chart/values.schema.json", '{"type": "object", "properties": {"apiVersion": {"const": "v1"}}}\n')
    fleet.write(
        "chart/templates/module.yaml",
        "{{- if .Values.nic }}\napiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: Module\n{{- end }}\n",
    )
    git(fleet.root, "add", "-A")
    result = pre_commit(fleet, cache)
    assert result.returncode == 0, result.stdout
    assert "4 files passed over" in result.stdout


def test_many_files_are_checked_in_one_run(fleet: FleetFolder, cache: Path) -> None:
    for number in range(300):
        fleet.driver(f"driver-{number}-{'x' * 40}"[:60].rstrip("-"), "imageRepoSecret: pull")
    path = next((fleet.root / "drivers").glob("driver-17-*"))
    path.write_text(path.read_text().replace(r"^5\.14\..+$", "^5(.+$"))
    git(fleet.root, "add", "-A")
    result = pre_commit(fleet, cache, "kmodgate-check")
    assert result.returncode == 1
    assert result.stdout.count("error[KMM203]") == 1
    assert len(re.findall("[0-9]+ objects checked", result.stdout)) == 1
    notes = re.findall("^note: not checked: .*", result.stdout, re.MULTILINE)
    assert len(notes) == len(set(notes)) == 1


def with_dockerfile(fleet: FleetFolder) -> None:
    """Commit a driver that is built in the cluster."""
    fleet.write("drivers/nic.Dockerfile", "FROM scratch\n")
    fleet.driver("nic", "build: {dockerfile: ./nic.Dockerfile}")
    fleet.render()
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "second")
