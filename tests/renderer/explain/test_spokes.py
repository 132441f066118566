"""`explain` knows what a hub delivers to its spokes, by the name of the driver."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fleets import FleetFolder
from tests.renderer.deliveries.hub.hubs import hub

_IMAGE = "moduleLoader.container.containerImage"


@pytest.fixture
def hubs(fleet: FleetFolder) -> FleetFolder:
    hub(fleet)
    return fleet


def explained(fleet: FleetFolder, *arguments: str) -> Any:
    result = fleet.run("explain", *arguments, "--format", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("where", [[], ["--cluster", "hub"]])
def test_the_name_of_a_driver_is_its_object_on_the_hub(hubs: FleetFolder, where: list[str]) -> None:
    (item,) = explained(hubs, "nic", f"spec.moduleSpec.{_IMAGE}", *where)

    assert (item["object"], item["clusters"]) == ("ManagedClusterModule nic", ["hub"])
    assert item["fields"][0]["specField"] == "spec.containerImage"


def test_on_a_spoke_it_is_the_module_that_the_hub_makes_there(hubs: FleetFolder) -> None:
    (item,) = explained(hubs, "nic", f"spec.{_IMAGE}", "--cluster", "paris")

    assert (item["object"], item["clusters"]) == ("Module kmm-tests/nic", ["paris"])
    assert item["fields"][0]["file"] == "drivers/nic.yaml"


def test_a_spoke_without_the_driver_says_which_line_keeps_it_away(hubs: FleetFolder) -> None:
    result = hubs.run("explain", "nic", "--cluster", "lyon")

    assert result.returncode == 2
    assert "spec.hub.selector of the driver does not select lyon: drivers/nic.yaml:13" in result.stderr


def test_nodes_of_a_spoke_do_not_contradict_what_they_load(hubs: FleetFolder) -> None:
    assert "no driver nic" not in hubs.run("explain", "workers", "--cluster", "paris").stdout
    text = hubs.run("explain", "workers", "--cluster", "lyon").stdout
    assert "driver nic: its spec.hub.selector does not select this cluster" in text


def test_all_fields_of_all_objects_of_a_hub_have_a_reason(hubs: FleetFolder) -> None:
    delivery = "delivery: hub\nhub: {selector: {}, copyPullSecret: true}\nimageRepoSecret: pull\n"
    hubs.driver("nic", delivery, clusters="{names: [hub]}")
    hubs.render()

    for path in (path for path in hubs.files() if path.startswith("hub/") and path.endswith(".yaml")):
        (item,) = explained(hubs, f"rendered/{path}")
        assert [field["field"] for field in item["fields"] if field["source"] == "default" and not field["why"]] == []
