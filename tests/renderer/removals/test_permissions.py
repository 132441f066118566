"""A Module leaves the tree by a permission in the commit, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.fleets import FleetFolder, git
from tests.renderer.removals.conftest import commit
from tests.renderer.tree.changes import move, relabel, rename, retire


def entries(fleet: FleetFolder) -> list[dict[str, Any]]:
    return yaml.safe_load((fleet.root / "removals.yaml").read_text())["spec"]["removals"]


def digest(fleet: FleetFolder, path: str) -> str:
    cluster, _, below = path.partition("/")
    index = (fleet.root / "rendered" / cluster / ".index").read_text()
    return next(line.split()[0] for line in index.splitlines() if line.split()[1] == below)


def refused(fleet: FleetFolder, against: str = "HEAD") -> str:
    """The errors of the check in CI, without the rest of its report."""
    result = fleet.run("check", "--against", against)
    assert result.returncode in (0, 1), result.stderr
    lines = [line for line in result.stdout.splitlines() if "error[" in line]
    assert bool(lines) is (result.returncode == 1)
    return "\n".join(lines)


def test_an_entry_names_the_module_by_the_digest_of_its_file(fleet: FleetFolder) -> None:
    wanted = digest(fleet, "lyon/nic/module-nic.yaml")
    relabel(fleet)
    result = fleet.render("--allow-removal", "nic", "--reason", "no: cards left")
    assert entries(fleet) == [
        {"cluster": "lyon", "namespace": "kmm-tests", "name": "nic", "digest": wanted, "reason": "no: cards left"}
    ]
    assert f"removals.yaml: allows Module kmm-tests/nic to leave lyon (digest {wanted})" in result.stderr


@pytest.mark.parametrize(
    ("change", "allowed"),
    [(relabel, ["nic"]), (rename, ["lyon/nic", "paris/nic"]), (move, ["nic"]), (retire, ["lyon/*"])],
)
def test_ci_accepts_a_removal_that_the_commit_allows(fleet: FleetFolder, change: Any, allowed: list[str]) -> None:
    change(fleet)
    fleet.render(*(word for name in allowed for word in ("--allow-removal", name)))
    assert refused(fleet) == ""
    commit(fleet)
    assert fleet.run("render", "--check").returncode == 0
    assert refused(fleet, "HEAD~1") == ""


@pytest.mark.parametrize("change", [relabel, rename, move, retire])
def test_ci_refuses_a_removal_that_no_entry_allows(fleet: FleetFolder, change: Any) -> None:
    change(fleet)
    commit(fleet)
    assert "GIT001" in refused(fleet, "HEAD~1")


def test_a_permission_that_got_lost_after_the_render_can_be_written_again(fleet: FleetFolder) -> None:
    relabel(fleet)
    fleet.render("--allow-removal", "nic")
    (fleet.root / "removals.yaml").unlink()
    commit(fleet)
    fix = "if it is meant: git checkout HEAD~1 -- rendered && kmodgate render --allow-removal nic,"
    assert fix in fleet.run("check", "--against", "HEAD~1").stdout
    git(fleet.root, "checkout", "HEAD~1", "--", "rendered")
    fleet.render("--allow-removal", "nic")
    assert refused(fleet, "HEAD~1") == ""


def test_a_permission_holds_for_its_cluster_only(fleet: FleetFolder) -> None:
    rename(fleet)
    assert fleet.run("render", "--allow-removal", "lyon/nic").returncode == 1
    assert not (fleet.root / "removals.yaml").exists()
    fleet.driver("nic", clusters="{names: [paris]}")
    fleet.render("--allow-removal", "lyon/nic")
    rename(fleet)
    assert "would leave 1 cluster (paris), which takes it off 12 nodes" in refused(fleet)


def test_a_module_that_has_changed_since_needs_another_permission(fleet: FleetFolder) -> None:
    relabel(fleet)
    fleet.render("--allow-removal", "nic")
    allowed = (fleet.root / "removals.yaml").read_text()
    git(fleet.root, "checkout", "-q", "HEAD", "--", ".")
    fleet.driver("nic", "removal: auto")
    fleet.render()
    commit(fleet)
    wanted = digest(fleet, "lyon/nic/module-nic.yaml")
    relabel(fleet)
    fleet.write("removals.yaml", allowed)
    for result in (fleet.run("render"), fleet.run("check")):
        report = result.stdout + result.stderr
        assert result.returncode == 1
        assert "removals.yaml:11:13: error[GIT001] spec.removals[0].digest: allows Module kmm-tests/nic" in report
        assert f'fix: write digest: "{wanted}"' in report
    fleet.render("--allow-removal", "nic")
    assert [entry["digest"] for entry in entries(fleet)] == [wanted]
    assert refused(fleet) == ""


def test_a_module_that_changed_earlier_in_the_branch_may_leave_in_it(fleet: FleetFolder) -> None:
    fleet.driver("nic", "removal: auto")
    fleet.render()
    commit(fleet)
    relabel(fleet)
    fleet.render("--allow-removal", "nic")
    commit(fleet)
    assert refused(fleet, "HEAD~2") == ""


def test_a_tree_that_is_not_in_git_is_compared_as_its_specs_render(fleet: FleetFolder) -> None:
    git(fleet.root, "rm", "-rq", "--cached", "rendered")
    fleet.write(".gitignore", "rendered\n")
    commit(fleet)
    relabel(fleet)
    assert "GIT001" in refused(fleet)
    fleet.render("--allow-removal", "nic")
    assert refused(fleet) == ""


def test_a_module_that_came_back_loses_its_permission(fleet: FleetFolder) -> None:
    rename(fleet)
    fleet.render("--allow-removal", "nic")
    commit(fleet)
    fleet.driver("nic", clusters="{names: [lyon]}")
    assert "note: removals.yaml:8: Module kmm-tests/nic is in the tree of lyon again" in fleet.run("check").stdout
    stale = fleet.run("render", "--check")
    assert (stale.returncode, "changed: removals.yaml" in stale.stdout) == (1, True)
    result = fleet.render()
    assert "removals.yaml: drops the entry of Module kmm-tests/nic on lyon" in result.stderr
    assert [entry["cluster"] for entry in entries(fleet)] == ["paris"]
    commit(fleet)
    relabel(fleet)  # the typo a year later
    assert fleet.run("render").returncode == 1
    assert "would leave 1 cluster (lyon)" in refused(fleet)


def test_an_entry_that_no_compared_revision_needs_is_a_note(fleet: FleetFolder) -> None:
    relabel(fleet)
    fleet.render("--allow-removal", "nic")
    assert "GIT005" not in fleet.run("check", "--format", "json").stdout
    commit(fleet)
    fleet.driver("gpu", "removal: auto")
    result = fleet.run("check")
    assert result.returncode == 0
    assert "note: removals.yaml:8: Module kmm-tests/nic has not left lyon since HEAD; delete the entry" in result.stdout
    assert '"rule": "GIT005"' in fleet.run("check", "--format", "json").stdout


def test_state_absent_needs_no_entry(fleet: FleetFolder) -> None:
    fleet.driver("nic", "state: absent")
    fleet.render("--allow-removal", "nic")
    assert not (fleet.root / "removals.yaml").exists()
    assert refused(fleet) == ""


def test_a_refused_run_writes_no_permission(fleet: FleetFolder) -> None:
    rename(fleet)
    (fleet.root / "drivers/gpu.yaml").unlink()
    fleet.driver("fpga")
    assert fleet.run("render", "--allow-removal", "nic").returncode == 1
    assert not (fleet.root / "removals.yaml").exists()


def test_a_dry_run_shows_the_entries_and_writes_none(fleet: FleetFolder) -> None:
    rename(fleet)
    result = fleet.run("render", "--dry-run", "--allow-removal", "nic")
    assert result.returncode == 0
    assert "missing: removals.yaml" in result.stdout
    assert "+    name: nic" in result.stdout
    assert not (fleet.root / "removals.yaml").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--reason", "x"], ["--allow-removal", "nic", "--reason", " "], ["--allow-removal", "nic", "--reason", "a\nb"]],
)
def test_a_reason_belongs_to_a_removal_and_is_one_line(fleet: FleetFolder, arguments: list[str]) -> None:
    rename(fleet)
    result = fleet.run("render", *arguments)
    assert result.returncode == 2
    assert "fix: " in result.stderr
