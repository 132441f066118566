"""Mirrors of hubs and spokes: a hub names images of Modules for all of its spokes, a ManifestWork those of its spoke."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fleets import FleetFolder
from tests.renderer.deliveries.hub.hubs import MODULE, hub

_AGENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: quay.io/acme/agent:1}]}
"""

_IMAGE = "moduleLoader.container.containerImage"


@pytest.fixture
def mirrored(fleet: FleetFolder) -> FleetFolder:
    """A hub and its spoke paris, each with a mirror of its own, and a driver that attaches a Deployment."""
    hub(fleet, "attach: [./agent.yaml]\n")
    fleet.write("drivers/agent.yaml", _AGENT)
    for name in ("hub", "paris"):
        path = fleet.root / f"clusters/{name}.yaml"
        path.write_text(path.read_text() + f"  mirrors: [{{source: quay.io, mirror: {name}.example, type: tag}}]\n")
    fleet.render()
    return fleet


def explained(fleet: FleetFolder, *arguments: str) -> Any:
    result = fleet.run("explain", *arguments, "--format", "json")
    assert result.returncode == 0, result.stderr
    (item,) = json.loads(result.stdout)
    return item["fields"][0]


def agent_image(fleet: FleetFolder) -> str:
    (path,) = (path for path in fleet.files() if path.startswith("hub/nic/manifestwork-"))
    work = fleet.object(path)
    (agent,) = (item for item in work["spec"]["workload"]["manifests"] if item["kind"] == "Deployment")
    return str(agent["spec"]["template"]["spec"]["containers"][0]["image"])


def test_the_module_has_the_names_of_the_hub_and_what_is_attached_those_of_the_spoke(mirrored: FleetFolder) -> None:
    module = mirrored.object(MODULE)["spec"]["moduleSpec"]
    assert module["moduleLoader"]["container"]["containerImage"].startswith("hub.example/acme/nic:")
    assert agent_image(mirrored) == "paris.example/acme/agent:1"


def test_explain_of_a_spoke_shows_the_names_that_its_module_has(mirrored: FleetFolder) -> None:
    on_hub = explained(mirrored, "nic", f"spec.moduleSpec.{_IMAGE}", "--cluster", "hub")
    on_spoke = explained(mirrored, "nic", f"spec.{_IMAGE}", "--cluster", "paris")

    assert on_spoke["value"] == on_hub["value"]
    assert on_spoke["value"].startswith("hub.example/acme/nic:")
    assert on_spoke["why"] == on_hub["why"]
    assert on_spoke["mirror"] == on_hub["mirror"]
    assert on_hub["mirror"]["file"] == "clusters/hub.yaml"


def test_explain_of_what_a_manifest_work_carries_names_the_mirror_of_the_spoke(mirrored: FleetFolder) -> None:
    image = "spec.template.spec.containers[0].image"
    field = explained(mirrored, "Deployment/agent", image, "--cluster", "paris")

    assert field["value"] == "paris.example/acme/agent:1"
    assert field["mirror"]["file"] == "clusters/paris.yaml"


def test_each_pulls_by_its_names(mirrored: FleetFolder) -> None:
    found: list[Any] = json.loads(mirrored.run("images", "--format", "json").stdout)["images"]

    pulled = {item["image"].partition(":")[0]: item["pulledAs"] for item in found}
    assert pulled["quay.io/acme/agent"] == {"paris": "paris.example/acme/agent:1"}
    assert {name.partition("/")[0] for name in pulled["quay.io/acme/nic"].values()} == {"hub.example"}


def test_resolve_and_plan_name_what_the_spoke_pulls(mirrored: FleetFolder) -> None:
    cells = json.loads(mirrored.run("plan", "--cluster", "paris", "--format", "json").stdout)["cells"]

    assert [cell["image"].partition("/")[0] for cell in cells] == ["hub.example"]


def test_a_mirror_that_the_spoke_alone_has_is_a_warning(mirrored: FleetFolder) -> None:
    hub_file, spoke_file = (mirrored.root / f"clusters/{name}.yaml" for name in ("hub", "paris"))
    assert "HUB409" not in mirrored.run("check").stdout
    hub_file.write_text(hub_file.read_text().partition("  mirrors:")[0])

    text = mirrored.run("check").stdout

    assert "warning[HUB409] spec.containerImage: spoke paris pulls quay.io/acme/nic:1.0-" in text
    assert "not from its mirror paris.example" in text
    spoke_file.write_text(spoke_file.read_text() + "  mirrorObjects: true\n")
    assert "HUB409" not in mirrored.run("check").stdout
