"""Two drivers of a fleet that load one kernel module on the same nodes are an error, however they are delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fleets import FleetFolder
from tests.renderer.checking import check, findings
from tests.renderer.deliveries.boot.pools import WORKER, cluster

BOOT = f"boot: {{pool: worker, workerImage: {WORKER}}}"
GROUPS = """\
nodeGroups:
- {name: a, count: 3, labels: {node-role.kubernetes.io/worker: "", zone: a}, kernels: [5.14.0-1.el9.x86_64]}
- {name: b, count: 3, labels: {node-role.kubernetes.io/worker: "", zone: b}, kernels: [5.14.0-1.el9.x86_64]}
"""
LITERAL = "kernelMappings: [{literal: 5.14.0-1.el9.x86_64}]"
OTHER_KERNEL = "kernelMappings: [{literal: 6.1.0-1.el9.x86_64}]"


def fleet_of(root: Path, first: str, second: str, groups: str = GROUPS) -> FleetFolder:
    """Two drivers that load acme_dummy: each by its way, with YAML that takes the place of what `driver` writes."""
    fleet = FleetFolder(root)
    cluster(fleet, groups + ("" if "hub" not in first + second else "acm: {role: spoke, hub: hub}\n"))
    if "hub" in first + second:
        cluster(fleet, "acm: {role: hub}\n", name="hub")
    for name, more in (("nic", first), ("wifi", second)):
        lines = more.splitlines()
        keys = {line.partition(":")[0] for line in lines}
        clusters = "{names: [hub]}" if "delivery: hub" in more else "{names: [paris]}"
        path = fleet.driver(name, more, clusters=clusters)
        head, _, rest = path.read_text().partition("spec:\n")
        kept = []
        for line in rest.splitlines():
            if line.startswith("  ") and line.strip().partition(":")[0] in keys and line.strip() not in lines:
                continue
            if line.startswith("  - {name: el9") and "kernelMappings" in keys:
                continue
            kept.append(line)
        path.write_text(f"{head}spec:\n" + "\n".join(kept) + "\n")
    return fleet


def told(fleet: FleetFolder, rule: str = "SEL401", file: str = ".") -> list[Any]:
    return [item for item in findings(check(fleet.root, file, "--format", "json")) if item["rule"] == rule]


HUB = "delivery: hub\nhub: {selector: {tier: edge}}"


@pytest.mark.parametrize("first", ["", "delivery: daemonset", HUB, BOOT])
@pytest.mark.parametrize("second", ["", "delivery: daemonset", HUB, f"selector: {{zone: b}}\n{BOOT}"])
def test_two_drivers_of_one_module_on_the_same_nodes_are_an_error(tmp_path: Path, first: str, second: str) -> None:
    fleet = fleet_of(tmp_path, first, second)

    is_told_at_boot = "boot:" in first and "boot:" in second
    found = told(fleet)

    assert [item["file"] for item in found] == ([] if is_told_at_boot else ["drivers/nic.yaml"])
    for item in found:
        line = (fleet.root / item["file"]).read_text().splitlines()[item["line"] - 1]
        assert "moduleName" in line
        assert item["clusters"] == ["paris"]
        assert "driver wifi (drivers/wifi.yaml:" in item["message"]
        assert "make the selectors disjoint" in item["fix"]
    assert not told(fleet, "SEL204")  # the warning about the same two
    assert fleet.run("render").returncode == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("selector: {zone: a}", "selector: {zone: b}"),
        ("selector: {zone: a}\ndelivery: daemonset", "selector: {zone: b}"),
        (LITERAL, OTHER_KERNEL),
        ("", "modprobe: {moduleName: wifi}"),
        ("", "state: absent"),
        ("selector: {zone: a}\n" + HUB, "selector: {zone: b}\ndelivery: daemonset"),
    ],
)
def test_drivers_that_cannot_meet_are_no_error(tmp_path: Path, first: str, second: str) -> None:
    assert not told(fleet_of(tmp_path, first, second))


def test_what_is_loaded_at_boot_meets_what_other_drivers_load_on_other_nodes_of_the_pool(tmp_path: Path) -> None:
    (found,) = told(fleet_of(tmp_path, f"selector: {{zone: a}}\n{BOOT}", "selector: {zone: b}"))
    assert found["file"] == "drivers/wifi.yaml"
    assert "driver nic (drivers/nic.yaml" in found["message"]
    assert "at boot, too" in found["message"]


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        (("", "", ""), [("eth", "loads acme_dummy on the same nodes, too, and so does 1 other driver")]),
        (("selector: {zone: a}", "", "selector: {zone: b}"), [("eth", "driver nic"), ("nic", "driver wifi")]),
        (("selector: {zone: a}", "selector: {zone: b}", ""), [("eth", "driver wifi"), ("nic", "driver wifi")]),
    ],
)
def test_each_pair_of_three_drivers_is_told_once(
    tmp_path: Path, selectors: tuple[str, str, str], expected: list[tuple[str, str]]
) -> None:
    first, second, third = selectors
    fleet = fleet_of(tmp_path, second, third)
    path = fleet.root / "drivers/eth.yaml"
    eth = fleet_of(tmp_path / "other", first, "").root / "drivers/nic.yaml"
    path.write_text(eth.read_text().replace("nic", "eth"))

    found = told(fleet)

    assert [Path(item["file"]).stem for item in found] == [name for name, _ in expected]
    for item, (_, words) in zip(found, expected, strict=True):
        assert words in item["message"]
    assert not told(fleet, "SEL204")


def test_two_drivers_that_meet_at_boot_and_after_it_are_told_at_boot_alone(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, BOOT, BOOT)
    assert [item["file"] for item in told(fleet, "DAY201")] == ["drivers/nic.yaml", "drivers/wifi.yaml"]
    assert not told(fleet)
    assert not told(fleet, "SEL204")


def test_a_third_driver_is_told_where_two_meet_at_boot_and_after_it(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, BOOT, f"selector: {{zone: b}}\n{BOOT}")
    fleet.driver("zigbee", LITERAL, clusters="{names: [paris]}")
    assert told(fleet, "DAY201")
    assert [("zigbee" in item["message"] or "zigbee" in item["file"]) for item in told(fleet)] == [True]


def test_a_dash_in_the_name_is_an_underscore_and_dependencies_count(tmp_path: Path) -> None:
    order = "modprobe: {moduleName: wifi, modulesLoadingOrder: [wifi, acme-dummy]}"
    (found,) = told(fleet_of(tmp_path, "", order))
    assert "loads acme_dummy on the same nodes" in found["message"]


def test_without_kernels_nobody_knows_whether_they_meet(tmp_path: Path) -> None:
    groups = "nodeGroups: [{name: a, labels: {node-role.kubernetes.io/worker: ''}}]\n"
    fleet = fleet_of(tmp_path, "", "", groups)
    assert not told(fleet)
    assert len(told(fleet, "SEL204")) == 2  # a warning


def test_a_policy_gives_it_a_mode_like_a_rule(tmp_path: Path) -> None:
    fleet = fleet_of(tmp_path, "", "delivery: daemonset")
    policy = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\nspec: {clusters: {names: [paris]}, modes: {SEL401: warn}}\n"
    fleet.write("policy.yaml", policy)
    assert {item["mode"] for item in told(fleet)} == {"warn"}
    assert fleet.run("render").returncode == 0


@pytest.mark.parametrize(("file", "other"), [("drivers/nic.yaml", "wifi"), ("drivers/wifi.yaml", "nic")])
def test_the_file_of_one_driver_alone_has_the_error(tmp_path: Path, file: str, other: str) -> None:
    fleet = fleet_of(tmp_path, "", "")
    (found,) = told(fleet, file=file)
    assert found["file"] == file
    assert f"driver {other} (drivers/{other}.yaml" in found["message"]
    assert not told(fleet, "SEL204", file)


def test_what_follows_from_it_is_not_told_beside_it(tmp_path: Path) -> None:
    removal = "inTreeModulesToRemove: [acme-dummy]"
    fleet = fleet_of(tmp_path, removal, removal)
    assert len(told(fleet)) == 1
    assert not told(fleet, "SEL204")
    assert not told(fleet, "SEL205")
