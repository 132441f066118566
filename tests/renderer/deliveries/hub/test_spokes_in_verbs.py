"""`plan`, `diff` and removals look at the spokes on which a hub loads a driver."""

from __future__ import annotations

from tests.fleets import FleetFolder, git
from tests.renderer.deliveries.hub.hubs import MODULE, hub, spoke


def committed(fleet: FleetFolder) -> None:
    """Commit the fleet with its tree."""
    fleet.render()
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        git(fleet.root, *arguments)


def test_plan_says_what_the_nodes_of_spokes_load(fleet: FleetFolder) -> None:
    hub(fleet)

    found = fleet.run("plan")

    assert (
        "kmm-tests/nic\n  running  5.14.0-427.el9.x86_64  el9  prebuilt  3 nodes in 1 cluster (paris)" in found.stdout
    )
    assert "hub" not in found.stdout


def test_a_label_that_a_spoke_loses_unloads_the_driver_there(fleet: FleetFolder) -> None:
    hub(fleet)
    committed(fleet)
    spoke(fleet, "paris", "{tier: core}")
    spoke(fleet, "nice", "{tier: edge}")

    found = fleet.run("diff").stdout

    assert "unloads nic from 3 nodes in 1 cluster: the Module goes\n" in found
    assert "paris; clusters/paris.yaml:3" in found
    assert "loads nic on 3 nodes in 1 cluster" in found


def test_another_selector_is_the_cause_of_what_it_takes_away(fleet: FleetFolder) -> None:
    hub(fleet)
    committed(fleet)
    fleet.driver("nic", "delivery: hub\nhub: {selector: {tier: core}}\n", clusters="{names: [hub]}")

    found = fleet.run("diff").stdout

    assert "unloads nic from 3 nodes in 1 cluster: the Module goes\n          paris; drivers/nic.yaml:13" in found


def test_the_removal_of_the_hubs_object_is_confirmed_and_counts_the_nodes_of_spokes(fleet: FleetFolder) -> None:
    hub(fleet)
    committed(fleet)
    (fleet.root / "drivers/nic.yaml").unlink()

    assert (
        "unloads nic from 3 nodes in 1 cluster: the Module goes, once its removal is confirmed"
        in fleet.run("diff").stdout
    )
    refused = fleet.run("render")
    assert refused.returncode == 1
    assert "which takes it off 3 nodes" in refused.stderr


def test_a_hub_without_known_spokes_unloads_from_an_unknown_number_of_nodes(fleet: FleetFolder) -> None:
    hub(fleet)
    for name in ("paris", "lyon"):
        (fleet.root / f"clusters/{name}.yaml").unlink()
    committed(fleet)
    (fleet.root / "drivers/nic.yaml").unlink()

    assert "unloads nic from 1 cluster, whose nodes or kernels are not known" in fleet.run("diff").stdout


def test_resolve_takes_a_managed_cluster_module_as_its_spokes_get_it(fleet: FleetFolder) -> None:
    hub(fleet)
    fleet.render()

    found = fleet.run("resolve", f"rendered/{MODULE}", "--kernel", "5.14.0-427.el9.x86_64")

    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("kmm-tests/nic  5.14.0-427.el9.x86_64\n  mapping 0: quay.io/acme/nic:1.0-5.14.0-427")


def test_a_spoke_gets_the_policy_and_its_namespace_is_protected(fleet: FleetFolder) -> None:
    hub(fleet)
    fleet.render()
    assert fleet.run("webhook-config", "--output", "webhooks").returncode == 0

    assert "paris/cluster/configmap-kmodgate-policy.yaml" in fleet.files()
    assert "lyon/cluster/configmap-kmodgate-policy.yaml" not in fleet.files()
    webhooks = {path: text.decode() for path, text in fleet.files("webhooks").items() if "/validating" in path}
    protecting = {path.partition("/")[0] for path, text in webhooks.items() if "- kmm-tests\n" in text}
    assert protecting == {"paris"}


def test_a_selector_that_no_node_of_a_spoke_matches_is_told(fleet: FleetFolder) -> None:
    hub(fleet)
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace('{node-role.kubernetes.io/worker: ""}', "{pool: nics}"))

    found = fleet.run("check").stdout

    assert "warning[SEL201] spec.selector: no node has these labels" in found
    assert "clusters: paris" in found
