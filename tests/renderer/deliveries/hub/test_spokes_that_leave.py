"""A hub that takes a driver away from a spoke needs a permission, as a Module that leaves a tree does."""

from __future__ import annotations

import json

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.deliveries.hub.hubs import DELIVERY, MODULE, hub, spoke
from tests.renderer.removals.conftest import forget_places

_WORK = "hub/nic/manifestwork-paris-"


@pytest.fixture
def committed(fleet: FleetFolder) -> FleetFolder:
    """A hub with two spokes that its driver selects, in git with its tree."""
    hub(fleet)
    spoke(fleet, "lyon")
    fleet.render()
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        git(fleet.root, *arguments)
    return fleet


def is_there(fleet: FleetFolder) -> bool:
    return any(path.startswith(_WORK) for path in fleet.files())


def test_a_label_that_takes_the_driver_from_a_spoke_is_refused(committed: FleetFolder) -> None:
    spoke(committed, "paris", "{tier: edgy}")

    rendered, checked = committed.run("render"), committed.run("check")

    assert rendered.returncode == checked.returncode == 1
    for text in (rendered.stderr, checked.stdout):
        assert "error[GIT001] spec.hub.selector: nic would leave 1 spoke (paris) of hub" in text
        assert "which takes it off 3 nodes" in text
        assert "--allow-removal nic" in text
    assert is_there(committed)


def test_a_selector_of_an_override_is_the_place_that_is_named(fleet: FleetFolder) -> None:
    hub(
        fleet,
        delivery="overrides: [{clusters: {names: [hub]}, patch: {delivery: hub, hub: {selector: {tier: edge}}}}]\n",
    )
    fleet.render()
    spoke(fleet, "paris", "{tier: edgy}")
    assert "error[GIT001] spec.overrides[0].patch.hub.selector: nic would leave" in fleet.run("render").stderr


def test_a_permission_lets_it_leave_that_spoke_alone(committed: FleetFolder) -> None:
    spoke(committed, "paris", "{tier: edgy}")

    committed.render("--allow-removal", "nic")

    assert not is_there(committed)
    assert committed.run("check").returncode == 0
    removals = (committed.root / "removals.yaml").read_text()
    assert "kind: ManifestWork" in removals
    spoke(committed, "lyon", "{tier: edgy}")
    assert "1 spoke (lyon)" in committed.run("check").stdout


def test_an_entry_goes_when_the_spoke_is_back(committed: FleetFolder) -> None:
    spoke(committed, "paris", "{tier: edgy}")
    committed.render("--allow-removal", "nic")
    spoke(committed, "paris")

    committed.render()

    assert is_there(committed)
    assert "paris" not in (committed.root / "removals.yaml").read_text()


def test_another_selector_names_all_spokes_at_once(committed: FleetFolder) -> None:
    committed.driver("nic", "delivery: hub\nhub: {selector: {tier: core}}\n", clusters="{names: [hub]}")

    (line,) = [line for line in committed.run("render").stderr.splitlines() if "GIT001" in line]

    assert "nic would leave 2 spokes (lyon, paris) of hub, which takes it off 6 nodes" in line


def test_a_driver_that_leaves_its_hub_is_told_once(committed: FleetFolder) -> None:
    (committed.root / "drivers/nic.yaml").unlink()

    for text in (committed.run("render").stderr, committed.run("check").stdout):
        (line,) = [line for line in text.splitlines() if "GIT001" in line]
        assert "ManagedClusterModule nic" in line
    committed.render("--allow-removal", "nic")
    assert committed.run("check").returncode == 0


def test_a_spoke_whose_spec_is_deleted_keeps_the_driver(committed: FleetFolder) -> None:
    (committed.root / "clusters/paris.yaml").unlink()

    diff = committed.run("diff")
    assert diff.returncode == 0
    assert "Consequences" not in diff.stdout
    assert committed.run("plan", "--fail-on", "loss").returncode == 0
    assert committed.run("check").returncode == 0
    committed.render()
    assert not is_there(committed)


@pytest.mark.parametrize("gone", [("paris",), ("lyon", "paris")])
def test_a_spoke_whose_spec_is_deleted_gets_what_changes_of_the_driver(
    committed: FleetFolder, gone: tuple[str, ...]
) -> None:
    for name in gone:
        (committed.root / f"clusters/{name}.yaml").unlink()
    path = committed.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("containerImage: ", "containerImage: other.example.com/"))

    diff = committed.run("diff")

    assert diff.returncode == 0
    assert "reloads nic on 6 nodes in 2 clusters" in diff.stdout
    assert "unloads nic from" not in diff.stdout
    assert committed.run("check").returncode == 0
    committed.render()


def test_another_namespace_takes_the_module_from_a_spoke_without_a_spec(committed: FleetFolder) -> None:
    (committed.root / "clusters/paris.yaml").unlink()
    path = committed.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("name: kmm-tests", "name: drivers"))

    rendered, checked = committed.run("render"), committed.run("check")

    assert rendered.returncode == checked.returncode == 1
    for text in (rendered.stderr, checked.stdout):
        (line,) = [line for line in text.splitlines() if "GIT001" in line]
        assert "error[GIT001] spec.namespace.name: ManagedClusterModule nic for kmm-tests would leave" in line
    assert "replaces Module kmm-tests/nic by drivers/nic on 6 nodes in 2 clusters" in committed.run("diff").stdout
    committed.render("--allow-removal", "nic")
    assert committed.run("check").returncode == 0


def move(fleet: FleetFolder, old: str, new: str) -> None:
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace(f"name: {old}}}", f"name: {new}}}"))


def test_another_namespace_takes_the_modules_from_all_spokes_at_once(committed: FleetFolder) -> None:
    move(committed, "kmm-tests", "drivers")

    rendered, checked = committed.run("render"), committed.run("check")

    assert rendered.returncode == checked.returncode == 1
    for text in (rendered.stderr, checked.stdout):
        (line,) = [line for line in text.splitlines() if "GIT001" in line]
        assert (
            "drivers/nic.yaml:6:21: error[GIT001] spec.namespace.name: ManagedClusterModule nic for kmm-tests" in line
        )
        assert "which takes it off 6 nodes" in line
        assert "--allow-removal nic" in text


def test_another_namespace_hides_no_spoke_that_the_driver_leaves_for_good(committed: FleetFolder) -> None:
    move(committed, "kmm-tests", "drivers")
    spoke(committed, "paris", "{tier: core}")

    for text in (committed.run("render").stderr, committed.run("check").stdout):
        lines = [line for line in text.splitlines() if "GIT001" in line]
        assert len(lines) == 2
        assert any("nic would leave 1 spoke (paris) of hub" in line for line in lines)
    committed.render("--allow-removal", "nic")
    assert "kind: ManifestWork" in (committed.root / "removals.yaml").read_text()
    assert committed.run("check").returncode == 0


def test_a_permission_is_for_the_namespace_that_the_driver_leaves(committed: FleetFolder) -> None:
    move(committed, "kmm-tests", "drivers")
    committed.render("--allow-removal", "nic")
    assert committed.run("check").returncode == 0
    assert "place: kmm-tests" in (committed.root / "removals.yaml").read_text()
    git(committed.root, "commit", "-qam", "move")

    move(committed, "drivers", "kmm-tests")

    assert "nic for drivers would leave" in committed.run("render").stderr
    committed.render("--allow-removal", "nic")
    removals = (committed.root / "removals.yaml").read_text()
    assert "place: drivers" in removals
    assert "place: kmm-tests" not in removals
    assert committed.run("check").returncode == 0


def test_a_namespace_moves_without_a_permission_while_the_driver_is_absent(committed: FleetFolder) -> None:
    path = committed.root / "drivers/nic.yaml"
    path.write_text(path.read_text() + "  state: absent\n")
    committed.render()
    git(committed.root, "commit", "-qam", "absent")

    move(committed, "kmm-tests", "drivers")
    path.write_text(path.read_text().replace("  state: absent\n", ""))

    assert committed.run("check").returncode == 0
    committed.render()


def test_an_index_without_places_moves_nothing(committed: FleetFolder) -> None:
    forget_places(committed, "hub")

    committed.render()
    assert committed.run("check").returncode == 0
    git(committed.root, "checkout", "-q", "--", ".")
    (committed.root / "drivers/nic.yaml").unlink()
    committed.render("--allow-removal", "nic")
    assert committed.run("check").returncode == 0


def test_an_index_without_places_knows_the_namespace_by_its_file(committed: FleetFolder) -> None:
    forget_places(committed, "hub")
    move(committed, "kmm-tests", "drivers")

    assert "nic for kmm-tests would leave" in committed.run("render").stderr
    committed.render("--allow-removal", "nic")

    assert "place: kmm-tests" in (committed.root / "removals.yaml").read_text()
    assert committed.run("check").returncode == 0


def test_a_wider_selector_takes_it_from_no_spoke_without_a_spec(committed: FleetFolder) -> None:
    committed.driver("nic", "delivery: hub\nhub: {selector: {tier: edge, site: lab}}\n", clusters="{names: [hub]}")
    for name in ("lyon", "paris"):
        spoke(committed, name, "{tier: edge, site: lab}")
    committed.render()
    git(committed.root, "commit", "-qam", "label")
    (committed.root / "clusters/paris.yaml").unlink()
    committed.driver("nic", DELIVERY, clusters="{names: [hub]}")

    assert "unloads" not in committed.run("diff").stdout
    assert committed.run("check").returncode == 0
    committed.render()


@pytest.mark.parametrize("selector", ["{tier: edge, site: lab}", "{tier: core}"])
def test_another_selector_takes_it_from_a_spoke_without_a_spec_as_well(committed: FleetFolder, selector: str) -> None:
    spoke(committed, "lyon", "{tier: edge, site: lab}")
    committed.render()
    git(committed.root, "commit", "-qam", "label")
    (committed.root / "clusters/paris.yaml").unlink()
    committed.driver("nic", f"delivery: hub\nhub: {{selector: {selector}}}\n", clusters="{names: [hub]}")

    for text in (committed.run("render").stderr, committed.run("check").stdout):
        assert "paris) of hub, which takes it off" in text
    assert "unloads nic from" in committed.run("diff").stdout


@pytest.mark.parametrize("namespace", ["a b", "x\na nic/mine.yaml K n m", "@", "A"])
def test_what_an_attached_object_says_reaches_no_index_unless_it_is_a_name(fleet: FleetFolder, namespace: str) -> None:
    hub(fleet)
    fleet.render()
    more = fleet.object(MODULE)
    more["metadata"] = {"name": "more"}
    more["spec"]["spokeNamespace"] = namespace
    (fleet.root / "drivers/more").mkdir()
    fleet.write("drivers/more/more.yaml", json.dumps(more))
    fleet.driver("gps", "attach: [./more/more.yaml]\n", clusters="{names: [lyon]}")
    fleet.render()
    assert "/ManagedClusterModule - more\n" in (fleet.root / "rendered/lyon/.index").read_text()
    assert fleet.run("render", "--check").returncode == 0
