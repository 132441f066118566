"""The operators of a hub and of its spokes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.fleets import FleetFolder
from tests.renderer.compile.operator_install.fleet import CSV, REFERENCE, cluster, objects, redhat, rendered, upstream
from tests.renderer.rendering import errors

HUB_CSV = "kernel-module-management-hub.v2.6.0"
HUB, PLAIN = "kernel-module-management-hub", "kernel-module-management"
ROLE = {"acm": {"role": "hub"}}


def to_spokes(fleet: FleetFolder) -> None:
    """Have the driver go to spokes, so that nothing goes to the hub's own nodes."""
    (fleet.root / "drivers/nic.yaml").unlink()


def subscriptions(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Namespace and version of each package."""
    values = (value for key, value in found.items() if key.startswith("Subscription/"))
    return {item["spec"]["name"]: (item["metadata"]["namespace"], item["spec"]["startingCSV"]) for item in values}


def test_a_hub_gets_the_hubs_operator_in_its_own_namespace(fleet: FleetFolder) -> None:
    to_spokes(fleet)
    cluster(fleet, redhat(csv=HUB_CSV), **ROLE)

    found = objects(fleet)

    assert subscriptions(found) == {HUB: ("openshift-kmm-hub", HUB_CSV)}
    (container,) = found[f"Job/kmodgate-approve-{HUB}"]["spec"]["template"]["spec"]["containers"]
    assert {item["name"]: item["value"] for item in container["env"]}["CSV"] == HUB_CSV
    assert "kmm-operator-hub-controller" in found[f"PrometheusRule/{HUB}"]["spec"]["groups"][0]["rules"][0]["expr"]


@pytest.mark.parametrize("csv", [CSV, HUB_CSV])
def test_a_hub_with_a_driver_of_its_own_gets_kmm_too(fleet: FleetFolder, csv: str) -> None:
    cluster(fleet, redhat(csv=csv), **ROLE)

    assert subscriptions(objects(fleet)) == {HUB: ("openshift-kmm-hub", HUB_CSV), PLAIN: ("openshift-kmm", CSV)}


def test_the_second_operator_of_a_hub_that_the_version_brings_is_told(fleet: FleetFolder) -> None:
    cluster(fleet, redhat(csv=CSV), **ROLE)
    result = fleet.run("check", ".")
    assert f"warning[SCH104] spec.kmm.install.csv: installs {HUB_CSV}, too" in result.stdout
    assert f"fix: write {HUB_CSV}, unless" in result.stdout

    cluster(fleet, redhat(csv=HUB_CSV), **ROLE)
    assert "SCH104" not in fleet.run("check", ".").stdout


def test_kustomize_of_a_hub_takes_the_hubs_folder(fleet: FleetFolder) -> None:
    to_spokes(fleet)
    reference = REFERENCE.replace("default", "default-hub")
    cluster(fleet, upstream(kustomize=reference), platform="kubernetes", kubectl="", **ROLE)
    fleet.render()
    text = (fleet.root / "handover/paris/kmm-operator/kustomization.yaml").read_text()
    assert yaml.safe_load(text)["resources"] == [reference]


def test_the_configuration_of_a_hub_has_its_own_name(fleet: FleetFolder) -> None:
    to_spokes(fleet)
    cluster(fleet, {**redhat(csv=HUB_CSV), "config": {"job": {"gcDelay": "1h"}}}, **ROLE)

    found = objects(fleet)

    assert found["ConfigMap/kmm-operator-hub-manager-config"]["metadata"]["namespace"] == "openshift-kmm-hub"
    assert f"Job/kmodgate-restart-{HUB}" in found


def test_the_namespace_of_a_hub_is_that_of_the_hubs_operator(fleet: FleetFolder) -> None:
    cluster(fleet, {**redhat(csv=HUB_CSV), "namespace": "kmm-hub"}, **ROLE)

    assert subscriptions(objects(fleet)) == {HUB: ("kmm-hub", HUB_CSV), PLAIN: ("openshift-kmm", CSV)}


def test_two_operators_do_not_share_a_namespace(fleet: FleetFolder) -> None:
    cluster(fleet, upstream(csv=HUB_CSV, source="community-operators"), **ROLE)

    (error,) = errors(fleet)

    assert "the hub's operator and KMM itself would both be installed into kmm-operator-system" in error


def test_a_spoke_leaves_building_to_its_hub(fleet: FleetFolder) -> None:
    hub = "apiVersion: kmodgate.io/v1alpha1\nkind: Cluster\nmetadata: {name: hub}\nspec: {platform: openshift, acm: {role: hub}}\n"
    fleet.write("clusters/hub.yaml", hub)
    spoke = {"acm": {"role": "spoke", "hub": "hub"}}
    cluster(fleet, redhat(), **spoke)
    env = [{"name": "KMM_MANAGED", "value": "1"}]

    assert objects(fleet)[f"Subscription/{PLAIN}"]["spec"]["config"]["env"] == env
    cluster(fleet, upstream(kustomize=REFERENCE), platform="kubernetes", **spoke)
    fleet.render()
    overlay = rendered(fleet.root / "handover/paris")[f"Kustomization/{PLAIN}"]
    (patch,) = (item["patch"] for item in overlay["patches"] if "KMM_MANAGED" in item["patch"])
    assert yaml.safe_load(patch)["spec"]["template"]["spec"]["containers"] == [{"name": "manager", "env": env}]
