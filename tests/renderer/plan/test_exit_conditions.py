"""`kmodgate plan --fail-on` and `--against`: which plans fail a pipeline, and which losses are old."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import run
from tests.fleets import FleetFolder, git
from tests.renderer.plan.pools import EL10, NEXT9, cluster, fleet, group, plan


@pytest.fixture
def losing(tmp_path: Path) -> FleetFolder:
    """A committed fleet whose group `a` would lose nic on its next kernel."""
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("a", nextKernels=[EL10]), group("b", nextKernels=[NEXT9]))
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "first")
    return folder


def code(folder: FleetFolder, *arguments: str) -> int:
    return run("plan", *arguments, cwd=folder.root).returncode


def test_a_loss_fails_unless_it_is_compared_and_old(losing: FleetFolder) -> None:
    assert code(losing) == 1
    assert code(losing, "--fail-on", "loss") == 1
    assert code(losing, "--against", "HEAD") == 0
    assert code(losing, "--against", "HEAD", "--fail-on", "new-loss") == 0
    assert code(losing, "--against", "HEAD", "--fail-on", "loss") == 1


def test_old_losses_are_listed_as_such(losing: FleetFolder) -> None:
    (loss,) = plan(losing, "--against", "HEAD")["lost"]
    assert loss["old"] is True
    for form in ("text", "markdown", "html"):
        report = run("plan", "--against", "HEAD", "--format", form, cwd=losing.root)
        assert "would lose a driver at HEAD as well" in report.stdout
        assert "no other node whose" not in report.stderr
        assert "no other node would lose a driver; 3 nodes would lose a driver at HEAD as well" in report.stderr


def new_next_kernel(folder: FleetFolder) -> None:
    cluster(folder, "lyon", group("a", nextKernels=[EL10]), group("b", nextKernels=[EL10]))


def new_nodes(folder: FleetFolder) -> None:
    groups = group("a", nextKernels=[EL10]), group("b", nextKernels=[NEXT9]), group("c", nextKernels=[EL10])
    cluster(folder, "lyon", *groups)


def narrower_mapping(folder: FleetFolder) -> None:
    path = folder.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(r"^5\.14\..+$", r"^5\.14\.0-427\..+$"))


def new_cluster(folder: FleetFolder) -> None:
    cluster(folder, "metz", group("a", nextKernels=[EL10]))


@pytest.mark.parametrize("change", [new_next_kernel, new_nodes, narrower_mapping, new_cluster])
def test_a_change_that_brings_a_loss_fails(losing: FleetFolder, change: object) -> None:
    change(losing)  # type: ignore[operator]
    found = plan(losing, "--against", "HEAD", code=1)
    assert sorted(item["old"] for item in found["lost"]) == [False, True]


def mended(folder: FleetFolder) -> None:
    path = folder.root / "drivers/nic.yaml"
    path.write_text(path.read_text() + "  - {name: el10, regexp: '^6\\.12\\..+$'}\n")


def another_driver(folder: FleetFolder) -> None:
    folder.driver("extra", clusters="{names: [metz]}")
    cluster(folder, "metz", group("a", nextKernels=[NEXT9]))


def nothing(_: FleetFolder) -> None:
    """No change at all."""


@pytest.mark.parametrize("change", [mended, another_driver, nothing])
def test_a_change_that_brings_no_loss_passes(losing: FleetFolder, change: object) -> None:
    change(losing)  # type: ignore[operator]
    assert code(losing, "--against", "HEAD") == 0


def test_before_the_first_commit_of_a_fleet_every_loss_is_new(losing: FleetFolder) -> None:
    inner = fleet(losing.root / "inner")
    (losing.root / "kmodgate.yaml").unlink()
    cluster(inner, "lyon", group("a", nextKernels=[EL10]))
    result = run("plan", "--against", "HEAD", cwd=inner.root)
    assert (result.returncode, "every loss is new" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("groups", "fails"),
    [
        ([{"name": "a", "labels": {"node-role.kubernetes.io/worker": ""}}], True),  # kernels are not known
        ([group("a")], True),  # the next ones are not
        ([group("a", nextKernels=[EL10])], True),  # a loss still counts
        ([group("a", nextKernels=[NEXT9])], False),
        ([group("a", pause=True)], False),
    ],
)
def test_unknown_kernels_fail_where_that_is_asked_for(tmp_path: Path, groups: list[dict], fails: bool) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", *groups)
    assert code(folder, "--fail-on", "unknown") == int(fails)


def test_new_losses_need_a_revision(losing: FleetFolder) -> None:
    result = run("plan", "--fail-on", "new-loss", cwd=losing.root)
    assert (result.returncode, "say which: --against REV" in result.stderr) == (2, True)
    assert code(losing, "--against", "no-such-revision") == 2
