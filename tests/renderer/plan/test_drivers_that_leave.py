"""`kmodgate plan` lists nodes whose driver leaves their cluster since the revision, by a hub or by itself."""

from __future__ import annotations

import json

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.deliveries.hub.hubs import hub, spoke

_BOTH = [("kmm-tests/nic", "lyon", 3), ("kmm-tests/nic", "paris", 3)]


@pytest.fixture
def committed(fleet: FleetFolder) -> FleetFolder:
    """A hub with two spokes that its driver selects, and a cluster with a driver of its own, in git."""
    hub(fleet)
    spoke(fleet, "lyon")
    path = fleet.cluster("nancy", labels={"site": "nancy"})
    path.write_text(path.read_text().rstrip().removesuffix("}") + ", kernels: [5.14.0-427.el9.x86_64]}\n")
    fleet.driver("gps", clusters="{matchLabels: {site: nancy}}")
    fleet.render()
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        git(fleet.root, *arguments)
    return fleet


def lost(fleet: FleetFolder, *arguments: str, code: int = 1) -> list[tuple[str, str, int]]:
    """Return Module, cluster and number of nodes of each loss."""
    result = fleet.run("plan", "--format", "json", *arguments)
    assert result.returncode == code, result.stderr
    cells = [item["next"] for item in json.loads(result.stdout)["lost"]]
    return sorted((cell["module"], cell["cluster"], cell["count"]) for cell in cells)


def test_nothing_is_lost_without_a_change(committed: FleetFolder) -> None:
    assert lost(committed, code=0) == lost(committed, "--against", "HEAD", code=0) == []


@pytest.mark.parametrize("against", [[], ["--against", "HEAD"]])
def test_a_label_that_takes_a_driver_from_a_spoke_is_a_loss(committed: FleetFolder, against: list[str]) -> None:
    spoke(committed, "paris", "{tier: edgy}")

    assert lost(committed, *against) == [("kmm-tests/nic", "paris", 3)]
    text = committed.run("plan", *against).stdout
    assert "3 nodes would lose a driver" in text
    assert "hub hub does not select the spoke any more, unlike at HEAD (labels, spec.hub.selector)" in text


def test_a_selector_of_a_hub_takes_it_from_all_spokes(committed: FleetFolder) -> None:
    committed.driver("nic", "delivery: hub\nhub: {selector: {tier: none}}\n", clusters="{names: [hub]}")

    assert lost(committed) == [*_BOTH]
    assert lost(committed, "--cluster", "paris") == [("kmm-tests/nic", "paris", 3)]
    assert lost(committed, "--cluster", "nancy", code=0) == []


def test_a_driver_that_leaves_its_hub_or_its_own_cluster_is_one_too(committed: FleetFolder) -> None:
    committed.driver("gps", clusters="{names: [hub]}", more="delivery: hub\nhub: {selector: {tier: none}}")
    (committed.root / "drivers/nic.yaml").unlink()

    assert lost(committed) == [("kmm-tests/gps", "nancy", 3), *_BOTH]


def test_a_removal_that_is_permitted_is_none(committed: FleetFolder) -> None:
    spoke(committed, "paris", "{tier: edgy}")
    committed.render("--allow-removal", "nic")

    assert lost(committed, code=0) == []


def test_what_another_way_brings_back_is_none(committed: FleetFolder) -> None:
    spoke(committed, "paris", "{tier: edgy}")
    text = (committed.root / "drivers/nic.yaml").read_text()
    override = "  overrides:\n  - {clusters: {names: [paris]}, patch: {delivery: kmm, hub: null}}\n"
    committed.write("drivers/nic.yaml", text.replace("[hub]", "[hub, paris]") + override)

    assert lost(committed, code=0) == []


def test_a_repository_that_git_does_not_read_is_said_and_planned_all_the_same(committed: FleetFolder) -> None:
    spoke(committed, "paris", "{tier: edgy}")
    (committed.root / ".git/HEAD").write_text("no reference\n")

    result = committed.run("plan")

    assert result.returncode == 0
    assert "drivers that leave clusters are not looked for" in result.stderr
