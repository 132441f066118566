"""What is wrong with hubs, spokes and drivers on them is told with file, line and fix."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder
from tests.renderer.deliveries.hub.hubs import HUB, SPOKE, hub, spoke


def told(fleet: FleetFolder) -> list[str]:
    """Render, and return the first lines of the findings."""
    return [line for line in fleet.run("render").stderr.splitlines() if "error[" in line or "warning[" in line]


def spoke_of(name: str, hub_name: str) -> str:
    text = SPOKE.format(name=name, labels="{tier: edge}", platform="openshift", kernel="5.14.0-427.el9.x86_64")
    return text.replace("hub: hub}", f"hub: {hub_name}}}")


@pytest.mark.parametrize(
    ("hub_name", "message"),
    [
        ("paris", "paris would be its own spoke"),
        ("hob", "there is no cluster hob"),
        ("lyon", "lyon is not a hub"),
    ],
)
def test_a_spoke_needs_a_hub_of_the_fleet(fleet: FleetFolder, hub_name: str, message: str) -> None:
    hub(fleet)
    fleet.write("clusters/paris.yaml", spoke_of("paris", hub_name))

    (line,) = [line for line in told(fleet) if "HUB403" in line]

    assert line.startswith("clusters/paris.yaml:7:27: error[HUB403] spec.acm.hub")
    assert message in line


def test_the_fix_for_a_misspelt_hub_names_the_hub(fleet: FleetFolder) -> None:
    hub(fleet)
    fleet.write("clusters/paris.yaml", spoke_of("paris", "hob"))

    assert "fix: did you mean hub?" in fleet.run("render").stderr


def test_a_hub_that_is_its_own_spoke_is_told_once(fleet: FleetFolder) -> None:
    hub(fleet)
    (fleet.root / "clusters/paris.yaml").unlink()
    fleet.write("clusters/hub.yaml", HUB.replace("{role: hub}", "{role: spoke, hub: hub}"))

    (line,) = told(fleet)

    assert "error[HUB403] spec.acm.hub: hub would be its own spoke" in line


def test_where_the_fleet_has_no_hub_the_fix_adds_one(fleet: FleetFolder) -> None:
    fleet.write("clusters/rome.yaml", spoke_of("rome", "hob"))

    assert "fix: add a Cluster hob with acm: {role: hub}, or remove acm" in fleet.run("render").stderr


def test_a_hub_names_no_hub(fleet: FleetFolder) -> None:
    hub(fleet)
    fleet.write("clusters/hub.yaml", HUB.replace("{role: hub}", "{role: hub, hub: hub}"))

    (line,) = told(fleet)

    assert line.startswith("clusters/hub.yaml:7:")
    assert "spec.acm.hub" in line
    assert "names the hub of a hub, which is nobody's spoke" in line


def test_a_driver_goes_to_hubs_only(fleet: FleetFolder) -> None:
    hub(fleet)
    fleet.driver("nic", "delivery: hub\nhub: {selector: {}}\n", clusters="{names: [hub, paris]}")

    (line,) = told(fleet)[:1]

    assert "error[HUB404] spec.clusters: cluster paris is not a hub" in line


@pytest.mark.parametrize("delivery", ["delivery: kmm\nhub: {selector: {}}\n", "hub: {selector: {}}\n"])
def test_options_of_a_hub_mean_nothing_without_the_delivery(fleet: FleetFolder, delivery: str) -> None:
    hub(fleet, delivery=delivery)

    (line,) = told(fleet)

    assert "spec.hub" in line
    assert "remove it, or write delivery: hub" in fleet.run("render").stderr


def test_the_delivery_needs_a_selector(fleet: FleetFolder) -> None:
    hub(fleet, delivery="delivery: hub\n")

    assert "error[SCH103] spec.hub" in told(fleet)[0]
    assert "which spokes of the hub get the driver, by `selector`" in fleet.run("render").stderr


def test_a_selector_that_misses_all_spokes_is_a_warning_with_the_label_that_they_have(fleet: FleetFolder) -> None:
    hub(fleet, delivery="delivery: hub\nhub: {selector: {tier: egde}}\n")

    assert fleet.run("render").returncode == 0
    found = fleet.run("check").stdout
    assert "warning[HUB405] spec.hub.selector: selects no spoke of hub" in found
    assert 'fix: write tier: "edge"' in found


@pytest.mark.parametrize(
    ("file", "old", "new", "id"),
    [
        ("paris", "hub: hub}", "hub: hob}", "HUB403"),
        ("paris", "hub: hub}", "hub: paris}", "HUB403"),
        ("paris", "hub: hub}", "hub: [hub]}", "SCH102"),
        ("paris", "role: spoke", "role: spoek", "SCH104"),
        ("paris", "kind: Cluster", "kind: Clustr", "SCH104"),
        ("paris", "spec:", "spec: {", "SCH002"),
        ("hub", "role: hub", "role: hbu", "SCH104"),
        ("hub", "  acm: {role: hub}\n", "", "HUB403"),
    ],
)
@pytest.mark.parametrize("boot", ["", "boot: {pool: worker, workerImage: 'quay.io/acme/worker:2.6'}\n"])
def test_a_slip_in_a_hub_or_spoke_is_one_finding(
    fleet: FleetFolder, file: str, old: str, new: str, id: str, boot: str
) -> None:
    hub(fleet, boot)
    path = fleet.root / f"clusters/{file}.yaml"
    path.write_text(path.read_text().replace(old, new))

    (line,) = [line for line in fleet.run("check", ".").stdout.splitlines() if "error[" in line or "warning[" in line]

    assert f"error[{id}]" in line


def test_a_wrong_hub_of_a_spoke_that_is_not_meant_hides_nothing(fleet: FleetFolder) -> None:
    hub(fleet, delivery="delivery: hub\nhub: {selector: {tier: egde}}\n")
    spoke(fleet, "rome")
    fleet.write("clusters/rome.yaml", spoke_of("rome", "hob"))

    found = fleet.run("check", ".").stdout

    assert "HUB403" in found
    assert "HUB405" in found


def test_a_cluster_with_the_labels_and_without_a_hub_is_named(fleet: FleetFolder) -> None:
    hub(fleet)
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("  acm: {role: spoke, hub: hub}\n", ""))

    assert "fix: write acm: {role: spoke, hub: hub} in clusters/paris.yaml, which has" in fleet.run("check", ".").stdout


def test_a_spoke_whose_kernels_no_mapping_matches_is_an_error(fleet: FleetFolder) -> None:
    hub(fleet)
    spoke(fleet, "paris", kernel="6.8.0-60-generic")

    (line,) = told(fleet)

    assert "error[HUB402] spec.kernelMappings: no mapping matches a kernel of spoke paris (6.8.0-60-generic)" in line


def test_a_driver_does_not_come_to_a_spoke_in_two_ways(fleet: FleetFolder) -> None:
    hub(fleet)
    override = "overrides:\n- clusters: {names: [hub]}\n  patch: {delivery: hub, hub: {selector: {tier: edge}}}\n"
    fleet.driver("nic", override, clusters="{names: [hub, paris]}")

    (line,) = told(fleet)

    assert "HUB406" in line
    assert "Module kmm-tests/nic on cluster paris is made by its hub and by an object of its own" in line


@pytest.mark.parametrize(
    ("patch", "other"),
    [("delivery: daemonset", "DaemonSet kmm-tests/nic-"), ("delivery: kmm, namespace: {name: own}", "Module own/nic")],
)
def test_two_ways_are_two_whatever_the_objects_are_called(fleet: FleetFolder, patch: str, other: str) -> None:
    hub(fleet)
    override = f"overrides:\n- clusters: {{names: [paris]}}\n  patch: {{hub: null, {patch}}}\n"
    fleet.driver(
        "nic", f"delivery: hub\nhub: {{selector: {{tier: edge}}}}\n{override}", clusters="{names: [hub, paris]}"
    )

    (line,) = [line for line in told(fleet) if "HUB406" in line]

    assert f"is made by its hub and by an object of its own: {other}" in line


def test_driver_and_spoke_are_a_label_together(fleet: FleetFolder) -> None:
    hub(fleet)
    spoke(fleet, "p" * 60)

    (line,) = told(fleet)

    assert "error[HUB401] metadata.name" in line


def test_name_and_namespace_must_fit_on_the_spoke(fleet: FleetFolder) -> None:
    hub(fleet)
    fleet.driver("n" * 40, "delivery: hub\nhub: {selector: {tier: edge}}\n", clusters="{names: [hub]}")

    assert any("HUB102" in line for line in told(fleet))


def test_a_driver_without_a_loader_cannot_be_delivered_by_a_hub(fleet: FleetFolder) -> None:
    hub(fleet)
    text = (fleet.root / "drivers/nic.yaml").read_text()
    kept = [
        line
        for line in text.splitlines()
        if not line.strip().startswith(("modprobe", "containerImage", "kernelM", "- {n"))
    ]
    fleet.write("drivers/nic.yaml", "\n".join([*kept, "  devicePlugin: {container: {image: quay.io/a/b:1}}", ""]))

    assert any("HUB101" in line for line in told(fleet))


def test_copying_a_pull_secret_needs_one(fleet: FleetFolder) -> None:
    hub(fleet, delivery="delivery: hub\nhub: {selector: {tier: edge}, copyPullSecret: true}\n")

    (line,) = told(fleet)

    assert "spec.hub.copyPullSecret: there is no pull secret to copy" in line


def test_a_spoke_without_kmm_is_an_error(fleet: FleetFolder) -> None:
    hub(fleet)
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace('  kmm: {version: "2.6", flavour: redhat}\n', ""))

    assert any("REF006" in line and "spoke paris of hub" in line for line in told(fleet))


def test_the_name_of_a_spoke_is_a_namespace_on_the_hub(fleet: FleetFolder) -> None:
    hub(fleet)
    spoke(fleet, "paris.fr", "{tier: core}")

    (line,) = told(fleet)

    assert line.startswith("clusters/paris.fr.yaml:3:18: error[SCH104] metadata.name")


@pytest.mark.parametrize(("tier", "is_taken"), [("edge", True), ("core", False)])
def test_no_driver_is_called_as_the_manifest_work_of_another_one(fleet: FleetFolder, tier: str, is_taken: bool) -> None:
    hub(fleet)
    hub_driver = f"delivery: hub\nhub: {{selector: {{tier: {tier}}}}}\n"
    path = fleet.driver("kmodgate-nic", hub_driver, clusters="{names: [hub]}")
    path.write_text(path.read_text().replace("moduleName: acme_dummy", "moduleName: acme_nic"))

    found = told(fleet)

    assert ["HUB407" in line for line in found] == [True] * is_taken
    if is_taken:
        assert found[0].startswith("drivers/kmodgate-nic.yaml:3:18: error[HUB407] metadata.name")
        assert "overwrite each other (paris)" in found[0]


def test_a_secret_with_data_for_spokes_is_refused_once_with_its_spokes(fleet: FleetFolder) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: pull}\ndata: {key: eA==}\n"
    fleet.write("drivers/secret.yaml", secret)
    hub(fleet, "attach: [./secret.yaml]\n")
    spoke(fleet, "nice", platform="kubernetes")

    result = fleet.run("render")

    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if "GIT201" in line]
    assert line.startswith("drivers/secret.yaml:4:1: error[GIT201]")
    assert "everybody who reads the ManifestWork on the hub" in line
    assert "clusters: nice, paris" in result.stderr


_SEALED = """\
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: pull}
spec: {encryptedData: {.dockerconfigjson: AgBy3i}, template: {type: kubernetes.io/dockerconfigjson}}
"""


@pytest.mark.parametrize(("secret", "is_twice"), [("pull", True), ("other", False)])
def test_a_pull_secret_that_comes_in_two_ways_is_an_error(fleet: FleetFolder, secret: str, is_twice: bool) -> None:
    delivery = "delivery: hub\nhub: {selector: {tier: edge}, copyPullSecret: true}\n"
    hub(fleet, f"imageRepoSecret: {secret}\nattach: [./pull.yaml]\n", delivery)
    fleet.write("drivers/pull.yaml", _SEALED)

    text = fleet.run("render").stderr

    assert ("error[HUB408]" in text) == is_twice
    assert ("the spokes get the pull secret pull twice" in text) == is_twice
