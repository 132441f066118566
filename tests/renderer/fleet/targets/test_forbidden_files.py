"""Files that no spec may name, since they are no part of a commit: a stranger's change would carry them out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git
from tests.image_services import SERVICE

SECRET = "FROM scratch\n# token: s3cr3t-of-the-pipeline\n"
RELEASE = json.dumps({"KERNEL_VERSION": "5.14.0-1.el9.x86_64", "note": "s3cr3t-of-the-pipeline"})
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {token: s3cr3t-of-the-pipeline}\n"


def names(fleet: FleetFolder, field: str, reference: str) -> None:
    """Let a spec name a file in one of the fields that do."""
    if field in ("inventory", "dtk"):
        path = fleet.root / "clusters/paris.yaml"
        more = f"  inventory: {reference}\n" if field == "inventory" else f"  nextKernels: [{{dtk: {reference}}}]\n"
        text = path.read_text().split("  nodeGroups")[0] if field == "inventory" else path.read_text()
        path.write_text(text + more)
        return
    if field == "cfs":
        more = f'csm: "1.6.0"\n  owner: loftsman\n  cfs: [{{file: {reference}, layers: {{gpu: true}}}}]\n'
        fleet.write("services/ims.yaml", SERVICE.format(name="ims", clusters="{names: [paris]}") + f"  {more}")
        return
    more = {
        "dockerfile": f"build: {{dockerfile: {reference}}}",
        "certificate": f"sign: {{prebuilt: true, certificate: {reference}}}",
        "attach": f"attach: [{reference}]",
        "override": f"overrides: [{{clusters: {{names: [paris]}}, patch: {{build: {{dockerfile: {reference}}}}}}}]",
    }[field]
    fleet.driver("nic", more)


FIELDS = ("dockerfile", "certificate", "attach", "override", "inventory", "dtk", "cfs")
BESIDE = {"inventory": "clusters", "dtk": "clusters", "cfs": "services"}
"""The folder of the spec that names the file, where it is no driver's."""


def refused(fleet: FleetFolder, *words: str) -> None:
    """Every verb refuses the file with these words, and says nothing of what it holds."""
    for verb in (["render"], ["render", "--dry-run"], ["check"], ["plan"], ["explain", "nic"]):
        result = fleet.run(*verb)
        assert result.returncode in (1, 2), (verb, result.stderr)
        assert "error[REF003]" in result.stdout + result.stderr
        assert any(word in result.stdout + result.stderr for word in words), (verb, result.stderr)
        assert "s3cr3t" not in result.stdout + result.stderr
    assert not (fleet.root / "rendered").exists() or not list((fleet.root / "rendered").rglob("*.yaml"))


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("reference", ["../.git/config", "./.npmrc", "../.config/gh/hosts.yml", "../a/.../b/../.x"])
def test_a_path_with_a_hidden_component_is_refused(fleet: FleetFolder, field: str, reference: str) -> None:
    git(fleet.root, "init", "-q")
    specs = (f"{folder}/.npmrc" for folder in ("drivers", *BESIDE.values()))
    for name in (".git/config", *specs, ".config/gh/hosts.yml", "a/.../.x"):
        (fleet.root / name).parent.mkdir(parents=True, exist_ok=True)
        if name != ".git/config":
            (fleet.root / name).write_text(SECRET)
    names(fleet, field, reference)
    refused(fleet, "is hidden, or lies in a hidden folder", "there is no such file")


LINKED = [(field, name) for field in FIELDS for name in ("link", "folder/config")]


@pytest.mark.parametrize(("field", "name"), LINKED)
def test_a_link_to_a_hidden_file_is_refused(fleet: FleetFolder, field: str, name: str) -> None:
    git(fleet.root, "init", "-q")
    path = fleet.root / BESIDE.get(field, "drivers") / name
    (fleet.root / "services").mkdir()
    if "folder" in name:
        path.parent.symlink_to("../.git")
    else:
        path.symlink_to("../.git/config")
    names(fleet, field, f"./{name}")
    refused(fleet, "leads to a hidden file through a symbolic link")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("ignore", "name"), [("*.env", "ci.env"), ("secrets/", "secrets/a"), ("/gha-creds-*", "gha-creds-1")]
)
def test_a_file_that_git_ignores_is_refused(fleet: FleetFolder, field: str, ignore: str, name: str) -> None:
    git(fleet.root, "init", "-q")
    fleet.write(".gitignore", f"{ignore}\n")
    fleet.write(name, SECRET)
    names(fleet, field, f"../{name}")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    refused(fleet, "is ignored by git, and no part of a commit")


def test_an_ignored_file_behind_a_tracked_link_is_refused(fleet: FleetFolder) -> None:
    git(fleet.root, "init", "-q")
    fleet.write(".gitignore", "build/\n")
    fleet.write("build/Dockerfile", SECRET)
    (fleet.root / "drivers/link").symlink_to("../build/Dockerfile")
    names(fleet, "dockerfile", "./link")
    git(fleet.root, "add", "-A")
    refused(fleet, "is ignored by git")


CONTENT = {"dockerfile": SECRET, "attach": OBJECT, "override": SECRET, "dtk": RELEASE}


@pytest.mark.parametrize("field", CONTENT)
def test_an_untracked_file_is_rendered_and_not_part_of_a_pipelines_answer(fleet: FleetFolder, field: str) -> None:
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    names(fleet, field, "../new.file")
    fleet.write("new.file", CONTENT[field])
    fleet.render()
    for verb in (["render", "--check"], ["check", "--against", "HEAD"]):
        result = fleet.run(*verb)
        text = result.stdout + result.stderr
        assert (result.returncode in (1, 2), "is not in git, and no part of a commit" in text) == (True, True), text
        assert "s3cr3t" not in text
    assert fleet.run("check").returncode == 0
    git(fleet.root, "add", "-A")
    assert fleet.run("render", "--check").returncode == 0
    assert fleet.run("check", "--against", "HEAD").returncode == 0


@pytest.mark.parametrize("field", CONTENT)
def test_a_tracked_file_may_be_named_whatever_a_pattern_says(fleet: FleetFolder, field: str) -> None:
    git(fleet.root, "init", "-q")
    fleet.write("kept.file", CONTENT[field])
    names(fleet, field, "../kept.file")
    git(fleet.root, "add", "-A")
    fleet.write(".gitignore", "*.file\n")
    fleet.render()
    assert fleet.run("render", "--check").returncode == 0


@pytest.mark.parametrize("field", CONTENT)
def test_outside_of_git_nothing_is_asked(fleet: FleetFolder, field: str) -> None:
    fleet.write(".gitignore", "*\n")
    fleet.write("a.file", CONTENT[field])
    names(fleet, field, "../a.file")
    fleet.render()
    assert fleet.run("render", "--check").returncode == 0


def test_names_that_git_would_read_as_something_else_are_names(fleet: FleetFolder) -> None:
    git(fleet.root, "init", "-q")
    fleet.write(".gitignore", "*.env\n")
    for name in ("drivers/-z", "drivers/:(top)x", "drivers/a*", "drivers/ä b", "drivers/[x].env"):
        fleet.write(name, SECRET)
        names(fleet, "dockerfile", json.dumps(f"./{name.partition('/')[2]}"))
        result = fleet.run("render")
        assert ("is ignored by git" in result.stderr) is name.endswith(".env"), (name, result.stderr)
        assert (result.returncode == 0) is not name.endswith(".env")


def test_a_submodule_is_a_repository_of_its_own(fleet: FleetFolder, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "Dockerfile").write_text("FROM scratch\n")
    git(other, "init", "-q")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "first")
    git(fleet.root, "init", "-q")
    git(fleet.root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "shared")
    names(fleet, "dockerfile", "../shared/Dockerfile")
    git(fleet.root, "add", "-A")
    fleet.render()
    assert fleet.run("render", "--check").returncode == 0


def test_where_git_cannot_answer_nothing_is_rendered(fleet: FleetFolder) -> None:
    names(fleet, "dockerfile", "./Dockerfile")
    fleet.write("drivers/Dockerfile", SECRET)
    (fleet.root / ".git").write_text("gitdir: /nowhere\n")
    result = fleet.run("render")
    assert result.returncode == 3
    assert "git cannot read" in result.stderr
    without = fleet.run("render", env={"PATH": os.fspath(Path("/nowhere"))})
    assert (without.returncode, "git cannot read" in without.stderr) == (3, True)
