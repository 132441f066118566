"""The MachineConfig of a driver that is loaded at boot: what the node gets, valid by Ignition's own judgement."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests.conftest import CASES
from tests.fleets import FleetFolder
from tests.renderer.deliveries.boot.pools import MACHINE_CONFIG, WORKER, boot_fleet, cluster, units, variables

needs_ignition = pytest.mark.skipif(
    not os.environ.get("IGNITION"),
    reason="IGNITION names no program: `make test` builds it from tests/ignition with Go >= 1.26",
)


def rendered(fleet: FleetFolder, path: str = MACHINE_CONFIG) -> dict:
    fleet.render()
    return fleet.object(path)


def contents(machine_config: dict) -> dict[str, str]:
    """The files of a MachineConfig, by path."""
    found = {}
    for file in machine_config["spec"]["config"]["storage"]["files"]:
        head, _, data = file["contents"]["source"].partition(",")
        found[file["path"]] = base64.b64decode(data).decode() if head.endswith(";base64") else unquote(data)
    return found


def test_the_pool_gets_one_machine_config_with_ignition_3_2(tmp_path: Path) -> None:
    value = rendered(boot_fleet(tmp_path))

    assert value["metadata"]["labels"]["machineconfiguration.openshift.io/role"] == "worker"
    assert value["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=confirm,Delete=confirm"
    assert "namespace" not in value["metadata"]
    assert value["spec"]["config"]["ignition"] == {"version": "3.2.0"}


def test_the_units_are_those_of_the_day_1_utility(tmp_path: Path) -> None:
    found = units(rendered(boot_fleet(tmp_path, more="inTreeModulesToRemove: [acme_old]")))

    assert "Before=network-pre.target" in found["load"]
    assert "DefaultDependencies=no" in found["load"]
    assert "TimeoutSec=60" in found["load"]
    assert "network-online.target" in found["pull"]
    assert "TimeoutSec=900" in found["pull"]
    assert variables(found["load"]) == {
        "DRIVER": "nic",
        "KERNEL_MODULE": "acme_dummy",
        "KERNEL_MODULE_IMAGE": "quay.io/acme/nic",
        "TAG_PREFIX": "1.0-",
        "WORKER_IMAGE": WORKER,
        "IN_TREE_MODULES_TO_REMOVE": "acme_old",
        "MODULES_DIR": "/opt",
        "FIRMWARE_FILES_PATH": "",
        "WORKER_CONFIG": "/etc/kmodgate/boot-nic.yaml",
    }
    assert variables(found["pull"])["AUTH_FILE"] == "/var/lib/kubelet/config.json"


def test_crio_does_not_wipe_the_images_of_a_node(tmp_path: Path) -> None:
    found = rendered(boot_fleet(tmp_path))["spec"]["config"]["systemd"]["units"]
    assert found[-1] == {"name": "crio-wipe.service", "enabled": False, "mask": True}


def test_the_worker_is_told_what_the_module_says(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, more="inTreeModulesToRemove: [acme_old]")
    driver = fleet.root / "drivers/nic.yaml"
    more = "{moduleName: acme_dummy, parameters: [a=1 2], args: {load: [-v]}, firmwarePath: /firmware}"
    driver.write_text(driver.read_text().replace("{moduleName: acme_dummy}", more))

    found = yaml.safe_load(contents(rendered(fleet))["/etc/kmodgate/boot-nic.yaml"])

    assert found == {
        "modprobe": {"dirName": "/opt", "moduleName": "acme_dummy", "parameters": ["a=1 2"], "args": {"load": ["-v"]},
                     "firmwarePath": "/firmware"},
        "inTreeModulesToRemove": ["acme_old"],
    }  # fmt: skip


def test_what_the_kernel_has_is_blacklisted(tmp_path: Path) -> None:
    found = contents(rendered(boot_fleet(tmp_path, more="inTreeModulesToRemove: [acme_old, acme_base]")))
    assert found["/etc/modprobe.d/kmodgate-boot-nic.conf"] == "blacklist acme_old\nblacklist acme_base\n"


def test_a_name_that_the_kernel_has_too_is_blacklisted(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    driver = fleet.root / "drivers/nic.yaml"
    driver.write_text(driver.read_text().replace("moduleName: acme_dummy", "moduleName: ice"))
    assert contents(rendered(fleet))["/etc/modprobe.d/kmodgate-boot-nic.conf"] == "blacklist ice\n"
    assert not [line for line in fleet.run("check", ".").stdout.splitlines() if "LDR201" in line]


def test_nothing_is_blacklisted_where_the_kernel_has_nothing(tmp_path: Path) -> None:
    assert "/etc/modprobe.d/kmodgate-boot-nic.conf" not in contents(rendered(boot_fleet(tmp_path)))


def test_an_image_of_its_own_is_tagged_with_the_kernel_alone(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, f"{{pool: worker, workerImage: {WORKER}, image: quay.io/acme/boot-nic}}")
    found = variables(units(rendered(fleet))["pull"])
    assert found["KERNEL_MODULE_IMAGE"] == "quay.io/acme/boot-nic"
    assert "TAG_PREFIX" not in found


def test_a_content_tag_is_part_of_the_tag(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, more="contentTag: true\nbuild: {dockerfile: ./Dockerfile}")
    fleet.write("drivers/Dockerfile", "FROM a:1\nRUN make\n")
    found = variables(units(rendered(fleet))["load"])
    module = fleet.object("paris/nic/module-nic.yaml")["spec"]["moduleLoader"]["container"]["containerImage"]
    assert module == f"quay.io/acme/nic:1.0-${{KERNEL_FULL_VERSION}}{found['TAG_SUFFIX']}"


def test_the_worker_may_be_named_by_the_cluster(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, "{pool: worker}")
    cluster(fleet, 'tools: {worker: "quay.io/acme/worker:3"}')
    assert variables(units(rendered(fleet))["pull"])["WORKER_IMAGE"] == "quay.io/acme/worker:3"


def test_nodes_pull_from_the_mirrors_of_their_cluster(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    cluster(fleet, "mirrors: [{source: quay.io/acme, mirror: registry.local/acme, type: tag}]")
    found = variables(units(rendered(fleet))["pull"])
    assert (found["KERNEL_MODULE_IMAGE"], found["TAG_PREFIX"]) == ("registry.local/acme/nic", "1.0-")
    assert found["WORKER_IMAGE"] == "registry.local/acme/worker:2.6"


def test_two_drivers_of_a_pool_share_nothing_but_the_mask_of_crio(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path)
    fleet.driver("other", f"boot: {{pool: worker, workerImage: {WORKER}}}")
    driver = fleet.root / "drivers/other.yaml"
    driver.write_text(driver.read_text().replace("acme_dummy", "acme_other"))
    one, other = rendered(fleet), fleet.object(MACHINE_CONFIG.replace("nic", "other"))

    assert not set(contents(one)) & set(contents(other))
    names = [{unit["name"] for unit in item["spec"]["config"]["systemd"]["units"]} for item in (one, other)]
    assert names[0] & names[1] == {"crio-wipe.service"}


@needs_ignition
def test_ignition_accepts_what_a_node_gets(tmp_path: Path) -> None:
    fleet = boot_fleet(tmp_path, more="inTreeModulesToRemove: [acme_old]")
    configs = [rendered(fleet)["spec"]["config"]]
    for path in (CASES / "boot-driver").rglob("*.yaml"):
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        if value["kind"] == "ConfigMap" and "config" in value["data"]:
            value = yaml.safe_load(value["data"]["config"])
        configs += [value["spec"]["config"]] if value["kind"] == "MachineConfig" else []

    assert len(configs) == 4
    assert ignition(*configs) == [""] * 4


@needs_ignition
def test_ignition_refuses_what_is_wrong() -> None:
    file = {"path": "relative", "contents": {"source": "data:,a"}}
    assert "error" in ignition({"ignition": {"version": "3.2.0"}, "storage": {"files": [file]}})[0]


def ignition(*configs: dict) -> list[str]:
    """What Ignition says of each config; empty where it accepts it."""
    lines = "".join(f"{json.dumps(config)}\n" for config in configs)
    result = subprocess.run([os.environ["IGNITION"]], input=lines, capture_output=True, text=True, check=True)
    return result.stdout.split("\n")[:-1]
