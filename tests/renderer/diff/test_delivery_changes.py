"""A driver that gets another delivery: diff says what becomes of it, and by which objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.deliveries.hub.hubs import hub
from tests.renderer.diff.three_sites import diff, edit

_NODES = """\
  - {name: w, count: 4, kernels: [5.14.0-1.el9.x86_64], labels: {node-role.kubernetes.io/worker: ""}}
"""

_DAEMON_SETS = "delivery: daemonset\n"


def _rename(fleet: FleetFolder) -> str:
    (found,) = [item["text"] for item in diff(fleet.root)["consequences"] if item["effect"] == "rename"]
    return str(found)


def _commit(fleet: FleetFolder) -> None:
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        git(fleet.root, *arguments)


@pytest.mark.parametrize(
    ("before", "after", "words", "end"),
    [
        ("", _DAEMON_SETS, "replaces Module kmm-tests/nic by DaemonSets of kmm-tests/nic", "until these are deleted;"),
        (
            _DAEMON_SETS,
            "",
            "replaces DaemonSets of kmm-tests/nic by Module kmm-tests/nic",
            "until a reboot or a change:",
        ),
    ],
)
def test_both_deliveries_are_named(tmp_path: Path, before: str, after: str, words: str, end: str) -> None:
    fleet = FleetFolder(tmp_path)
    path = fleet.cluster("lyon")
    path.write_text(path.read_text().split("  - {name: workers")[0] + _NODES)
    fleet.driver("nic", before)
    _commit(fleet)
    fleet.driver("nic", after)

    text = _rename(fleet)

    assert text.startswith(words)
    assert end in text
    assert ("says ready" in text) is (after == "")


@pytest.mark.parametrize("is_back", [False, True])
def test_daemon_sets_take_the_place_of_a_module_that_a_hub_made(tmp_path: Path, is_back: bool) -> None:
    fleet = FleetFolder(tmp_path)
    hub(fleet)
    by_hub = (fleet.root / "drivers/nic.yaml").read_text()
    fleet.driver("nic", _DAEMON_SETS, clusters="{names: [paris]}")
    by_daemon_sets = (fleet.root / "drivers/nic.yaml").read_text()
    fleet.write("drivers/nic.yaml", by_daemon_sets if is_back else by_hub)
    _commit(fleet)
    fleet.write("drivers/nic.yaml", by_hub if is_back else by_daemon_sets)

    found = diff(fleet.root)["consequences"]

    assert [item["effect"] for item in found] == ["rename"]
    words = ("DaemonSets of kmm-tests/nic", "Module kmm-tests/nic")
    old, new = words if is_back else words[::-1]
    assert found[0]["text"].startswith(f"replaces {old} by {new} on 3 nodes in 1 cluster")


def test_a_module_that_a_hub_hands_over_is_one_object(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    hub(fleet)
    _commit(fleet)
    fleet.driver("nic", clusters="{names: [paris]}")

    text = _rename(fleet)

    assert text.startswith("hands Module kmm-tests/nic over from its hub to the cluster's own tree on 3 nodes")
    assert "deletes it after Argo CD has taken it over" in text


@pytest.mark.parametrize("is_selected", [True, False])
def test_a_spoke_that_moves_to_another_hub_goes_without_the_driver_meanwhile(tmp_path: Path, is_selected: bool) -> None:
    fleet = FleetFolder(tmp_path)
    hub(fleet)
    fleet.write(
        "clusters/hub-2.yaml", (fleet.root / "clusters/hub.yaml").read_text().replace("name: hub", "name: hub-2")
    )
    driver = fleet.root / "drivers/nic.yaml"
    driver.write_text(driver.read_text().replace("[hub]", "[hub, hub-2]" if is_selected else "[hub]"))
    _commit(fleet)
    edit(fleet.root / "clusters/paris.yaml", ("hub: hub}", "hub: hub-2}"))

    (found,) = diff(fleet.root)["consequences"]

    if is_selected:
        assert (found["effect"], found["nodes"]) == ("rename", 3)
        assert found["text"].startswith(
            "hands Module kmm-tests/nic over from one hub to another on 3 nodes in 1 cluster"
        )
    else:
        assert (found["effect"], found["nodes"]) == ("unload", 3)


def test_a_module_that_a_hub_takes_over_is_one_object(tmp_path: Path) -> None:
    fleet = FleetFolder(tmp_path)
    hub(fleet)
    driver = (fleet.root / "drivers/nic.yaml").read_text()
    fleet.driver("nic", clusters="{names: [paris]}")
    _commit(fleet)
    fleet.write("drivers/nic.yaml", driver)

    assert "from the cluster's own tree to its hub" in _rename(fleet)
