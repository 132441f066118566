"""What cannot be loaded at boot is an error where it is written, and what to know of the rest is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.renderer.deliveries.boot.pools import WORKER, boot_fleet, cluster, findings

BOOT = f"pool: worker, workerImage: {WORKER}"


@pytest.mark.parametrize(
    ("boot", "more", "id", "text"),
    [
        ("pool: worker", "", "DAY004", "no worker image is known"),
        ("pool: worker, workerImage: quay.io/acme/worker", "", "DAY004", "is not pinned"),
        ('pool: worker, workerImage: "quay.io/acme/worker:latest"', "", "DAY004", "is not pinned"),
        ('pool: worker, workerImage: "not an image"', "", "DAY004", "is not the name of an image"),
        (f'{BOOT}, image: "quay.io/acme/nic:1.0"', "", "DAY003", "its tag is the kernel's version"),
        (f'{BOOT}, image: "quay.io/acme/nic-${{KERNEL_XYZ}}"', "", "DAY003", "without a tag"),
        (BOOT, "containerImage: 'quay.io/acme/nic:1.0'", "DAY003", "containerImage does not tell"),
        (BOOT, "containerImage: 'quay.io/acme/nic-${KERNEL_FULL_VERSION}:1.0'", "DAY003", "containerImage does not tell"),
        (BOOT, "containerImage: 'quay.io/acme/nic:${KERNEL_XYZ}'", "DAY003", "containerImage does not tell"),
        (BOOT, "kernelMappings: [{regexp: '^5.+$', inTreeModulesToRemove: [a]}, {regexp: '^6.+$'}]", "DAY005", "different in-tree modules"),
        (BOOT, "modprobe: {rawArgs: {load: [nic], unload: [-r, nic]}}", "DAY005", "rawArgs"),
        (BOOT, "inTreeModulesToRemove: ['a\" b']", "DAY005", "has characters"),
        (f"{BOOT}, bootModuleConfig: true", "", "DAY005", "tag is the kernel's version and nothing else"),
        (f"{BOOT}, bootModuleConfig: true, image: quay.io/a/b", "modprobe: {moduleName: nic, parameters: [a=1]}", "DAY005", "modprobe.parameters"),
        (f"{BOOT}, bootModuleConfig: true, image: quay.io/a/b", "modprobe: {moduleName: nic, dirName: /srv}", "DAY005", "below /opt"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_at_boot_is_an_error(tmp_path: Path, boot: str, more: str, id: str, text: str) -> None:
    fleet = boot_fleet(tmp_path, f"{{{boot}}}")
    driver = fleet.root / "drivers/nic.yaml"
    key = more.partition(":")[0]
    kept = [line for line in driver.read_text().splitlines() if not (key and line.strip().startswith(f"{key}:"))]
    if key == "kernelMappings":
        kept = [line for line in kept if not line.startswith("  - {name: el9")]
    driver.write_text("\n".join([*kept, f"  {more}" if more else "", ""]))

    lines = findings(fleet, id)

    assert any(text in line and "drivers/nic.yaml:" in line for line in lines), fleet.run("check", ".").stdout
    assert fleet.run("render").returncode == 2


@pytest.mark.parametrize(
    "boot", ["{}", "{pool: 5}", "worker", "{pool: Worker}", "{pool: worker, units: []}", "{pool: ''}"]
)
def test_boot_of_another_shape_is_an_error(tmp_path: Path, boot: str) -> None:
    result = boot_fleet(tmp_path, boot).run("check", ".")
    assert result.returncode == 1
    assert "drivers/nic.yaml:12" in result.stdout


def test_an_odd_name_to_remove_at_boot_is_told_where_it_stands(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, f"{{{BOOT}, inTreeModulesToRemove: ['a b']}}")
    (line,) = findings(fleet, "DAY005")
    assert line.startswith("drivers/nic.yaml:12:")
    assert "spec.boot.inTreeModulesToRemove" in line


def test_boot_without_a_module_to_load_is_an_error(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    spec = "clusters: {names: [paris]}, namespace: {name: a}, selector: {a: b}, devicePlugin: {container: {image: 'a:1'}}, boot: {pool: worker}"
    fleet.write(
        "drivers/nic.yaml",
        f"apiVersion: kmodgate.io/v1alpha1\nkind: KernelDriver\nmetadata: {{name: nic}}\nspec: {{{spec}}}\n",
    )
    assert "SCH103" in fleet.run("check", ".").stdout


def test_two_drivers_that_load_one_module_in_one_pool_are_an_error(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    fleet.driver("other", f"boot: {{{BOOT}}}")
    assert len(findings(fleet, "DAY201")) == 2


@pytest.mark.parametrize(("pool", "count"), [("infra", 2), ("master", 0)])
def test_a_pool_that_people_made_takes_what_is_for_worker(tmp_path: Path, pool: str, count: int) -> None:
    fleet = boot_fleet(tmp_path)
    groups = "nodeGroups: [{name: w, labels: {%s: ''}, kernels: [5.14.0-1.el9.x86_64]}, {name: o, labels: {%s: ''}, kernels: [5.14.0-1.el9.x86_64]}]"
    cluster(fleet, groups % ("node-role.kubernetes.io/worker", f"node-role.kubernetes.io/{pool}"))
    fleet.driver("other", f"boot: {{{BOOT.replace('worker', pool, 1)}}}")

    found = findings(fleet, "DAY201")

    assert len(found) == count
    assert all("take the MachineConfigs of" in line for line in found)


def test_the_pull_secret_of_the_namespace_does_not_help(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, more="imageRepoSecret: quay")
    assert "cluster-wide pull secret" in findings(fleet, "DAY009")[0]
    assert fleet.run("check", ".").returncode == 0


def test_a_module_that_unloads_what_was_loaded_at_boot_is_told(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, more="inTreeModulesToRemove: [acme-dummy]")
    assert "after each boot" in findings(fleet, "DAY011")[0]
    fleet.driver("nic", f"boot: {{{BOOT}, inTreeModulesToRemove: [acme-dummy]}}")
    assert not findings(fleet, "DAY011")


def test_the_pods_of_daemon_sets_leave_what_was_loaded_at_boot(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, more="inTreeModulesToRemove: [acme-dummy]\ndelivery: daemonset")
    assert not findings(fleet, "DAY011")
