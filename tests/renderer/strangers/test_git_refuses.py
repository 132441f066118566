"""A git that is not there, that refuses, or that is given names of a stranger's making: no comparison is lost in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kmodgate.renderer.git import revision
from tests.fleets import FleetFolder, git

DIFFERENT_OWNER = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "GIT_CONFIG_GLOBAL": os.devnull}
"""What makes git say "dubious ownership" whoever owns the files; its own tests use it."""


@pytest.fixture
def committed(fleet: FleetFolder) -> FleetFolder:
    fleet.render()
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    return fleet


@pytest.fixture
def without_git(tmp_path: Path) -> dict[str, str]:
    """A search path on which no program is but Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    return {"PATH": str(folder)}


VERBS = (["check"], ["check", "--against", "HEAD"], ["check", "rendered"], ["diff"], ["plan", "--against", "HEAD"])


@pytest.mark.timing
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_repository_of_another_owner_ends_the_run(committed: FleetFolder, verb: list[str]) -> None:
    result = committed.run(*verb, env=DIFFERENT_OWNER)
    assert result.returncode == 3, result.stderr
    assert "dubious ownership" in result.stderr
    assert f"git config --global --add safe.directory {committed.root}" in result.stderr


@pytest.mark.timing
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_without_git_nothing_is_taken_for_unchanged(
    committed: FleetFolder, without_git: dict[str, str], verb: list[str]
) -> None:
    result = committed.run(*verb, env=without_git)
    assert (result.returncode, "git cannot read" in result.stderr) == (3, True), result.stderr


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_repository_that_is_broken_ends_the_run(committed: FleetFolder, verb: list[str]) -> None:
    (committed.root / ".git").rename(committed.root / "aside")
    (committed.root / ".git").write_text("gitdir: /nowhere\n")
    result = committed.run(*verb)
    assert (result.returncode, "git cannot read" in result.stderr) == (3, True), result.stderr


def test_outside_of_git_one_note_says_so(fleet: FleetFolder) -> None:
    result = fleet.run("check", ".", "drivers", "clusters/paris.yaml")
    assert result.returncode == 0
    assert result.stderr.count("lies in no git repository: nothing is compared with an earlier state") == 1


@pytest.mark.timing
def test_outside_of_git_a_revision_cannot_be_named(fleet: FleetFolder, without_git: dict[str, str]) -> None:
    assert fleet.run("check", "--against", "HEAD").returncode == 2
    assert fleet.run("check", "--against", "HEAD", env=without_git).returncode == 3
    assert fleet.run("check", env=without_git).returncode == 0


def test_a_repository_without_commits_is_none_to_compare_with(fleet: FleetFolder) -> None:
    git(fleet.root, "init", "-q")
    assert (fleet.run("check").returncode, fleet.run("diff").returncode) == (0, 2)


OPTIONS = ("--output=x", "-O/etc/passwd", "--no-index", "--ext-diff", ":/", "--upload-pack=touch x")


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("verb", ["check", "diff", "plan"])
def test_a_revision_with_the_name_of_an_option_is_a_revision(committed: FleetFolder, name: str, verb: str) -> None:
    before = sorted(os.listdir(committed.root))
    refs = committed.root / ".git/refs/heads" / name
    if "/" not in name and " " not in name and ":" not in name:
        refs.write_bytes((committed.root / ".git/refs/heads/main").read_bytes())
    path = committed.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("1.0-", "2.0-"))
    result = committed.run(verb, f"--against={name}")
    assert result.returncode in (0, 2), result.stderr
    assert (result.returncode == 0) is refs.is_file()
    assert sorted(os.listdir(committed.root)) == before


ATTRIBUTES = ("*.yaml working-tree-encoding=UTF-16", "* working-tree-encoding=UTF-7", "* export-ignore", "* eol=crlf")


@pytest.mark.parametrize("line", ATTRIBUTES)
def test_attributes_of_a_change_do_not_hide_what_it_changes(committed: FleetFolder, line: str) -> None:
    (committed.root / "drivers/nic.yaml").unlink()
    committed.write(".gitattributes", f"{line}\n")
    result = committed.run("diff", "--fail-on", "unload")
    assert (result.returncode, "unloads nic" in result.stdout) == (1, True), result.stdout


def test_a_hook_of_another_repository_does_not_change_with_what_is_compared(
    committed: FleetFolder, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (committed.root / "drivers/nic.yaml").unlink()
    told = {"GIT_DIR": str(other / ".git"), "GIT_INDEX_FILE": str(other / ".git/index"), "GIT_WORK_TREE": str(other)}
    expected, result = committed.run("diff"), committed.run("diff", env=told)
    assert (result.returncode, result.stdout) == (0, expected.stdout), result.stderr
    assert "unloads nic" in result.stdout


def test_a_hook_of_the_own_repository_is_told_what_git_tells_it(committed: FleetFolder) -> None:
    git(committed.root, "worktree", "add", "-q", "../beside")
    beside = FleetFolder(committed.root.parent / "beside")
    (beside.root / "drivers/nic.yaml").unlink()
    git(beside.root, "add", "-A")
    told = {"GIT_DIR": str(committed.root / ".git/worktrees/beside")}
    index = {"GIT_INDEX_FILE": str(committed.root / ".git/worktrees/beside/index")}
    for more in (told, told | index, index):
        assert "unloads nic" in beside.run("diff", env=more).stdout


def test_what_git_says_of_signatures_is_no_commit(committed: FleetFolder, tmp_path: Path) -> None:
    program = tmp_path / "gpg"
    program.write_text("#!/bin/sh\necho 'gpg: Good signature' >&2\n")
    program.chmod(0o755)
    committed.write("removals.yaml", "# nothing\n")
    git(committed.root, "add", "-A")
    git(committed.root, "commit", "-qm", "second")
    signed = _output(committed.root, "cat-file", "commit", "HEAD").replace(b"\n\n", b"\ngpgsig a\n\n", 1)
    commit = _output(committed.root, "hash-object", "-t", "commit", "-w", "--stdin", text=signed).decode().strip()
    git(committed.root, "update-ref", "HEAD", commit)
    git(committed.root, "config", "log.showSignature", "true")
    git(committed.root, "config", "gpg.program", str(program))
    found = revision(str(committed.root), "HEAD~1")
    assert found is not None
    assert [item.name for item in found.later(committed.root / "removals.yaml")] == [commit]


def _output(folder: Path, *arguments: str, text: bytes = b"") -> bytes:
    return subprocess.run(["git", "-C", folder, *arguments], input=text, capture_output=True, check=True).stdout
