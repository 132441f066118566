"""`kmodgate diff --fail-on`: which changes ask for a second reviewer. oslo has 4 nodes, lima 1, rome 3 and 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kmodgate.renderer.diff.effects.effect import Effect
from kmodgate.renderer.diff.exit_conditions import EFFECTS
from tests.command import run
from tests.fleets import FleetFolder, git
from tests.renderer.diff.three_sites import edit

Change = Callable[[Path], None]


def new_image(sites: Path) -> None:
    edit(sites / "drivers/nic.yaml", ("registry.example.com/nic:1.0", "registry.example.com/nic:1.1"))


def removed(sites: Path) -> None:
    (sites / "drivers/gpu.yaml").unlink()


def narrower(sites: Path) -> None:
    edit(sites / "drivers/probe.yaml", (r"'^5\.14\.0-427\..+$'", r"'^5\.14\.0-428\..+$'"))


def first_version(sites: Path) -> None:
    edit(sites / "drivers/probe.yaml", ("  modprobe:", '  version: "2"\n  modprobe:'))


def rebuilt(sites: Path) -> None:
    edit(sites / "drivers/gpu.yaml", ("gpu:3.0", "gpu:3.1"))


def labelled(sites: Path) -> None:
    edit(sites / "drivers/nic.yaml", ("metadata: {name: nic", "metadata: {name: nic, labels: {team: a}"))


def added(sites: Path) -> None:
    FleetFolder(sites).driver("extra", clusters="{names: [oslo]}")


def tolerating(sites: Path) -> None:
    edit(sites / "drivers/nic.yaml", ("  modprobe:", "  tolerations: [{key: a, operator: Exists}]\n  modprobe:"))


def code(sites: Path, *conditions: str) -> int:
    arguments = [argument for condition in conditions for argument in ("--fail-on", condition)]
    return run("diff", *arguments, cwd=sites).returncode


@pytest.mark.parametrize(
    ("condition", "change"),
    [
        ("unload", removed),
        ("unload", narrower),
        ("unload", first_version),
        ("reload", new_image),
        ("reload", first_version),
        ("reload", rebuilt),
        ("build", rebuilt),
        ("build", new_image),  # signs
        ("nodes=4", added),
        ("nodes=5", new_image),
        ("nodes=2", removed),
        ("nodes=100", first_version),  # nobody has said how many nodes have it
    ],
)
def test_a_change_that_meets_the_condition_fails(sites: Path, condition: str, change: Change) -> None:
    change(sites)
    assert code(sites) == 0
    assert code(sites, condition) == 1


@pytest.mark.parametrize(
    ("condition", "change"),
    [
        ("unload", new_image),
        ("unload", labelled),
        ("unload", added),
        ("reload", removed),
        ("reload", tolerating),
        ("build", labelled),
        ("build", removed),
        ("nodes=5", added),
        ("nodes=6", new_image),
        ("nodes=1", tolerating),
    ],
)
def test_another_change_passes(sites: Path, condition: str, change: Change) -> None:
    change(sites)
    assert code(sites, condition) == 0


def test_one_condition_of_several_is_enough_and_is_named(sites: Path) -> None:
    new_image(sites)
    result = run("diff", "--fail-on", "unload", "--fail-on", "reload", "--fail-on", "nodes=3", cwd=sites)
    assert result.returncode == 1
    assert "--fail-on reload: unloads and reloads nic on 5 nodes" in result.stderr
    assert "--fail-on nodes=3: something happens on 5 nodes" in result.stderr
    assert "--fail-on unload" not in result.stderr


def test_a_node_on_which_two_things_happen_counts_once(sites: Path) -> None:
    new_image(sites)
    narrower(sites)
    assert (code(sites, "nodes=5"), code(sites, "nodes=6")) == (1, 0)


def test_nodes_that_are_not_known_may_be_many(sites: Path) -> None:
    edit(sites / "clusters/oslo.yaml", ("    kernels: [5.14.0-427.13.1.el9_4.x86_64]\n", ""))
    git(sites, "commit", "-am", "second")
    new_image(sites)
    result = run("diff", "--fail-on", "nodes=50", cwd=sites)
    assert (result.returncode, "the number of nodes in oslo is not known" in result.stderr) == (1, True)


@pytest.mark.parametrize("condition", ["load", "nodes", "nodes=0", "nodes=-1", "nodes=x", ""])
def test_another_condition_is_a_mistake(sites: Path, condition: str) -> None:
    result = run("diff", "--fail-on", condition, cwd=sites)
    assert (result.returncode, "one of: unload, reload, reboot, build, nodes=N" in result.stderr) == (2, True)


def test_an_effect_that_takes_a_driver_away_is_an_unload() -> None:
    """A new effect belongs to a condition, or is added here because no driver leaves a node by it."""
    harmless = {
        "REFUSED", "KEPT", "ORDERED", "VERSION", "LOAD", "AWAY", "RESTART", "DEVICE_CLASS", "NEW_CLASS", "JOB", "STUCK",
        "STALE", "NOTHING", "DRAIN", "OPERATOR", "LEFT_BEHIND", "NEXT_BOOT", "PAUSED",
    }  # fmt: skip
    assert {effect.name for effect in Effect} - harmless == {effect.name for all in EFFECTS.values() for effect in all}
