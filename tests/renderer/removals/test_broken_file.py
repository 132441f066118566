"""A removals.yaml that is broken is a finding with its place, and no Module leaves by it."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder
from tests.renderer.tree.changes import rename

HEAD = "apiVersion: kmodgate.io/v1alpha1\nkind: Removals\nspec:\n"
ENTRY = "  - {cluster: lyon, namespace: kmm-tests, name: nic, digest: %s}\n"
GOOD = "a" * 64


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "removals.yaml: error[SCH006]"),
        ("# nothing\n", "removals.yaml: error[SCH006]"),
        ("removals: [\n", "removals.yaml:2:1: error[SCH002]"),
        ("on: a list\n", "removals.yaml:1:1: error[SCH104] kind: missing"),
        ("- nic\n", "removals.yaml:1:1: error[SCH102]"),
        (HEAD.replace("kmodgate", "kmodgat") + "  removals: []\n", "removals.yaml:1:13: error[SCH104] apiVersion"),
        (HEAD.replace("Removals", "Removal") + "  removals: []\n", "removals.yaml:2:7: error[SCH104] Removal: kind"),
        (HEAD.replace("Removals", "Cluster") + "  removals: []\n", "removals.yaml:2:7: error[SCH104] kind"),
        (HEAD + "  removals: {}\n", "removals.yaml:4:3: error[SCH102] spec.removals"),
        (HEAD + "  removal: []\n", "removals.yaml:4:3: error[SCH101] spec.removal: unknown field"),
        (HEAD + "  removals:\n" + ENTRY % "abc", "removals.yaml:5:62: error[SCH104] spec.removals[0].digest"),
        (HEAD + "  removals:\n" + ENTRY % GOOD[1:], "removals.yaml:5:62: error[SCH104] spec.removals[0].digest"),
        (HEAD + "  removals:\n" + ENTRY % GOOD.upper(), "removals.yaml:5:62: error[SCH104] spec.removals[0].digest"),
        (HEAD + "  removals:\n" + ENTRY % "12", "removals.yaml:5:62: error[SCH102] spec.removals[0].digest"),
        (HEAD + "  removals:\n" + (ENTRY % GOOD) * 2, "removals.yaml:6:5: error[SCH105] spec.removals[1]"),
        (HEAD + "  removals:\n" + ENTRY % GOOD + "---\n" + HEAD + "  removals:\n" + ENTRY % GOOD,
         "removals.yaml:11:5: error[SCH105] spec.removals[0]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(fleet: FleetFolder, text: str, place: str) -> None:
    before = fleet.files()
    rename(fleet)
    fleet.write("removals.yaml", text)
    render, check = fleet.run("render", "--allow-removal", "nic"), fleet.run("check")
    assert (render.returncode, check.returncode) == (2, 1)
    assert place in render.stderr
    assert place in check.stdout
    assert "\n    fix: " in render.stderr
    assert fleet.files() == before


@pytest.mark.parametrize("name", ["drivers/removals.yaml", "removals.yml", "policies/old.yaml"])
def test_removals_are_read_from_one_place_only(fleet: FleetFolder, name: str) -> None:
    fleet.write(name, HEAD + "  removals:\n" + ENTRY % GOOD)
    result = fleet.run("check")
    assert result.returncode == 1
    assert f"{name}:2:7: error[SCH104] kind: Removals are read from removals.yaml in the root" in result.stdout


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "  removals: []\n",
        HEAD + "  removals:\n" + ENTRY % GOOD,
        HEAD.replace("spec", "metadata: {}\nspec") + "  removals: []\n",
    ],
)
def test_a_sound_file_changes_nothing_by_itself(fleet: FleetFolder, text: str) -> None:
    fleet.write("removals.yaml", text.replace("nic", "old"))
    assert fleet.run("check").returncode == 0
    assert fleet.run("render", "--check").returncode == 0


def test_a_link_out_of_the_fleet_is_not_followed(fleet: FleetFolder) -> None:
    outside = fleet.root.parent / "outside.yaml"
    outside.write_text(HEAD + "  removals: []\n")
    (fleet.root / "removals.yaml").symlink_to(outside)
    rename(fleet)
    assert "removals.yaml: error[SCH001]" in fleet.run("render", "--allow-removal", "nic").stderr
    assert outside.read_text() == HEAD + "  removals: []\n"


def test_a_file_in_brackets_with_a_comment_is_not_rewritten(fleet: FleetFolder) -> None:
    text = HEAD + "  removals: [  # none yet\n  ]\n"
    fleet.write("removals.yaml", text)
    rename(fleet)
    result = fleet.run("render", "--allow-removal", "nic")
    assert result.returncode == 2
    assert "removals.yaml cannot be edited without losing a comment" in result.stderr
    assert (fleet.root / "removals.yaml").read_text() == text
