"""Drivers that a hub delivers and that their nodes load at boot, too: what the trees of the spokes get."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.deliveries.boot.pools import findings, units, variables
from tests.renderer.deliveries.hub.hubs import MODULE, hub, spoke

BOOT = "boot: {pool: worker, workerImage: 'quay.io/acme/worker:2.6'}\n"
FILE = "nic/machineconfig-99-worker-kmodgate-nic.yaml"


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    """A hub and its spokes: paris gets the driver, lyon does not."""
    found = FleetFolder(tmp_path)
    hub(found, BOOT)
    return found


def at_boot(fleet: FleetFolder) -> list[str]:
    return [path for path in fleet.files() if "machineconfig" in path or "bootmoduleconfig" in path]


def test_the_spokes_that_the_driver_selects_load_it_at_boot_and_the_hub_does_not(fleet: FleetFolder) -> None:
    spoke(fleet, "metz")
    fleet.render()
    assert sorted(at_boot(fleet)) == [f"metz/{FILE}", f"paris/{FILE}"]
    assert MODULE in fleet.files()
    found = variables(units(fleet.object(f"paris/{FILE}"))["load"])
    assert (found["KERNEL_MODULE_IMAGE"], found["TAG_PREFIX"]) == ("quay.io/acme/nic", "1.0-")


def test_a_spoke_takes_the_mirrors_and_the_worker_of_its_own(fleet: FleetFolder) -> None:
    fleet.driver(
        "nic", "delivery: hub\nhub: {selector: {tier: edge}}\nboot: {pool: worker}\n", clusters="{names: [hub]}"
    )
    path = fleet.root / "clusters/paris.yaml"
    mirrors = "  mirrors: [{source: quay.io/acme, mirror: mirror.paris/acme, type: tag}]\n"
    path.write_text(f"{path.read_text()}  tools: {{worker: 'quay.io/acme/worker:2.5'}}\n{mirrors}")
    fleet.render()
    found = variables(units(fleet.object(f"paris/{FILE}"))["load"])
    assert found["KERNEL_MODULE_IMAGE"] == "mirror.paris/acme/nic"
    assert found["WORKER_IMAGE"] == "mirror.paris/acme/worker:2.5"


def test_a_spoke_that_takes_no_machine_config_is_a_warning(fleet: FleetFolder) -> None:
    spoke(fleet, "nice", platform="kubernetes")
    (line,) = findings(fleet, "DAY001")
    assert "warning[DAY001] spec.boot: spoke nice is not OpenShift" in line
    fleet.render()
    assert at_boot(fleet) == [f"paris/{FILE}"]


def test_a_pool_that_a_spoke_does_not_have_is_an_error_that_says_what_to_write(fleet: FleetFolder) -> None:
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(
        path.read_text()
        .replace("spec:\n", "spec:\n  topology: compact\n")
        .replace("role.kubernetes.io/worker", "role.kubernetes.io/gpu")
    )
    result = fleet.run("render")
    assert result.returncode == 2
    assert "error[DAY002] spec.boot.pool: no node group of cluster paris is in pool worker" in result.stderr
    assert "those of another one need a KernelDriver of their own" in result.stderr


def test_without_a_spoke_in_the_fleet_nothing_is_loaded_and_that_is_said(fleet: FleetFolder) -> None:
    spoke(fleet, "paris", "{tier: core}")
    (line,) = findings(fleet, "HUB405")
    assert "selects no spoke of hub that the fleet knows" in line
    assert line.endswith("and nothing is loaded at boot")
    assert not findings(fleet, "DAY001")


def test_one_that_leaves_needs_a_permission_and_one_that_is_absent_does_not(fleet: FleetFolder) -> None:
    fleet.render()
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        git(fleet.root, *arguments)
    hub(fleet, "")
    result = fleet.run("render")
    assert result.returncode == 1
    assert "MachineConfig 99-worker-kmodgate-nic would leave the tree of" in result.stderr
    hub(fleet, f"state: absent\n{BOOT}")
    assert fleet.run("render").returncode == 0
    assert at_boot(fleet) == []


def test_a_signing_module_of_the_hub_signs_what_its_spokes_load_at_boot(fleet: FleetFolder) -> None:
    policy = "parameters: {requireSigning: {namespaces: [kmm-tests]}}"
    head = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\nspec:\n"
    fleet.write("policies/p.yaml", f"{head}  clusters: {{matchLabels: {{}}}}\n  {policy}\n")
    assert "nothing shows that acme_dummy of quay.io/acme/nic is signed" in " ".join(findings(fleet, "SGN207"))
    files = "filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/acme_dummy.ko']"
    hub(fleet, f"{BOOT}sign: {{keySecret: key, certSecret: cert, unsignedImage: 'quay.io/acme/plain:1.0', {files}}}\n")
    assert findings(fleet, "SGN207") == []
