"""`kmodgate render --staged`: the tree on disk against git's index."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder, git


@pytest.fixture
def staged(fleet: FleetFolder) -> FleetFolder:
    """A rendered fleet, every file of which is in the index."""
    fleet.render()
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    return fleet


def change(fleet: FleetFolder) -> None:
    fleet.driver("nic", "removal: auto")


def add(fleet: FleetFolder) -> None:
    fleet.driver("ib")


def unstage(fleet: FleetFolder) -> None:
    git(fleet.root, "rm", "-q", "--cached", "rendered/paris/nic/module-nic.yaml")


@pytest.mark.parametrize(
    ("happens", "name"),
    [(change, "nic/module-nic.yaml"), (add, "ib/module-ib.yaml"), (unstage, "nic/module-nic.yaml")],
)
def test_what_the_commit_would_not_have_is_named_until_it_is_added(staged: FleetFolder, happens, name: str) -> None:
    happens(staged)
    for arguments in (["render"], ["render", "--check"]):  # the first of them writes
        result = staged.run(*arguments, "--staged")
        assert result.returncode == 1
        assert f"rendered/paris/{name}: not staged\n" in result.stderr
        assert result.stderr.endswith("add the tree to the commit: git add rendered\n")
    git(staged.root, "add", "rendered")
    assert staged.run("render", "--check", "--staged").returncode == 0


def foreign(fleet: FleetFolder) -> None:
    fleet.write("rendered/notes.txt", "mine\n")


def elsewhere(fleet: FleetFolder) -> None:
    fleet.write("notes.txt", "mine\n")


def nothing(_fleet: FleetFolder) -> None:
    pass


@pytest.mark.parametrize("happens", [foreign, elsewhere, nothing])
def test_what_kmodgate_does_not_own_may_stay_out_of_the_commit(staged: FleetFolder, happens) -> None:
    happens(staged)
    for arguments in (["render"], ["render", "--check"], ["render", "--cluster", "paris"]):
        assert staged.run(*arguments, "--staged").returncode == 0


def test_outside_of_a_repository_it_cannot_be_asked_for(fleet: FleetFolder) -> None:
    result = fleet.run("render", "--staged")
    assert result.returncode == 2
    assert "lies in no git repository" in result.stderr
