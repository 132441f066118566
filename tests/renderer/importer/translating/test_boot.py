"""Objects that load a kernel module at boot become `boot` of a driver, or a driver of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import run
from tests.renderer.importer.import_runs import imported, module, spec
from tests.renderer.importer.translating.boot_objects import NIC, PINNED, boot_module_config, utility

SHIFT = """\
apiVersion: kmodgate.io/v1alpha1
kind: Cluster
metadata: {name: paris}
spec: {platform: openshift, kmm: {version: "2.6", flavour: redhat}}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a fleet that has one cluster of OpenShift."""
    (tmp_path / "fleet/clusters").mkdir(parents=True)
    (tmp_path / "fleet/kmodgate.yaml").touch()
    (tmp_path / "fleet/clusters/paris.yaml").write_text(SHIFT)
    return tmp_path


def given(here: Path, *texts: str, options: tuple[str, ...] = (), code: int = 0) -> str:
    """Import the objects of a cluster, and return what import says."""
    (here / "objects.yaml").write_text("---\n".join(texts))
    return imported(here, "--cluster=paris=objects.yaml", "--output=fleet", *options, code=code).stderr


def driver(here: Path, name: str = "nic") -> Any:
    return spec(here / f"fleet/drivers/{name}.yaml")


def machine_config(here: Path, driver: str = "nic") -> Any:
    result = run("render", "fleet", cwd=here)
    assert result.returncode == 0, result.stderr
    (path,) = (here / f"fleet/rendered/paris/{driver}").glob("machineconfig-*.yaml")
    return yaml.safe_load(path.read_text())


def test_a_machine_config_of_the_utility_becomes_boot_of_the_module_beside_it(here: Path) -> None:
    said = given(here, NIC, utility(removals="dummy other"))
    assert driver(here)["boot"] == {
        "pool": "worker", "image": "quay.io/acme/nic-day1", "workerImage": PINNED,
        "inTreeModulesToRemove": ["dummy", "other"],
    }  # fmt: skip
    assert "in place of MachineConfig 99-worker-day1: remove that in the same commit" in said
    rendered = machine_config(here)
    assert rendered["metadata"]["name"] == "99-worker-kmodgate-nic"
    assert "KERNEL_MODULE_IMAGE=quay.io/acme/nic-day1" in rendered["spec"]["config"]["systemd"]["units"][0]["contents"]


def test_what_the_module_says_already_is_not_said_again(here: Path) -> None:
    beside = module("nic", more="").replace("nic:1.0", "nic-day1:${KERNEL_FULL_VERSION}")
    given(here, beside, utility())
    assert driver(here)["boot"] == {"pool": "worker", "workerImage": PINNED}


def test_without_a_module_it_becomes_a_driver_of_its_own(here: Path) -> None:
    given(here, utility("acme_dummy", removals="dummy"), options=("--namespace=drivers",))
    found = driver(here, "acme-dummy")
    assert found["namespace"]["name"] == "drivers"
    assert found["selector"] == {"node-role.kubernetes.io/worker": ""}
    assert found["containerImage"] == "quay.io/acme/nic-day1:${KERNEL_FULL_VERSION}"
    assert found["modprobe"] == {"moduleName": "acme_dummy"}
    assert found["boot"] == {"pool": "worker", "workerImage": PINNED, "inTreeModulesToRemove": ["dummy"]}
    machine_config(here, "acme-dummy")


def test_without_a_module_and_a_namespace_it_is_refused_with_the_option(here: Path) -> None:
    said = given(here, utility(), code=2)
    assert "objects.yaml" in said
    assert "the Module beside boot needs a namespace" in said
    assert "--namespace NAME" in said


def test_a_worker_that_is_not_pinned_is_refused_by_render_unless_one_is_named(here: Path) -> None:
    latest = PINNED.replace("release-2.6", "latest")
    said = given(here, NIC, utility(worker=latest), code=1)
    assert "error[DAY004]" in said
    (here / "fleet/drivers/nic.yaml").unlink()
    given(here, NIC, utility(worker=latest), options=(f"--worker-image={PINNED}",))
    assert driver(here)["boot"]["workerImage"] == PINNED
    said = given(here, NIC, options=("--worker-image=quay.io/acme/worker",), code=2)
    assert "--worker-image quay.io/acme/worker: nodes would load with another one after every pull" in said


def test_what_a_machine_config_does_beside_is_listed_with_its_lines(here: Path) -> None:
    more = utility().replace("  config:\n", "  kernelArguments: [nosmt]\n  config:\n", 1)
    more = more.replace("      units:\n", "      units:\n      - {name: other.service, contents: '[Unit]'}\n")
    more = more.replace("      files:\n", "      files:\n      - {path: /etc/motd, contents: {source: 'data:,'}}\n")
    said = given(here, more, NIC, options=("--namespace=drivers",), code=1)
    assert "objects.yaml:7:3: warning[IMP002] MachineConfig 99-worker-day1: spec.kernelArguments" in said
    assert "not carried over: kernelArguments does not load a kernel module" in said
    assert "not carried over: the unit other.service" in said
    assert "not carried over: the file /etc/motd" in said


def test_firmware_of_another_folder_than_the_modules_is_listed(here: Path) -> None:
    said = given(here, NIC, utility(firmware="/firmware"), code=1)
    assert "not carried over: firmwarePath /firmware at boot, and empty in the Module" in said


def test_a_second_pool_of_one_driver_is_listed(here: Path) -> None:
    second = utility(pool="gpu").replace("99-worker-day1", "99-gpu-day1")
    said = given(here, NIC, utility(), second, code=1)
    assert "warning[IMP001] MachineConfig 99-gpu-day1" in said
    assert "a driver has one pool" in said


def test_scripts_that_nobody_can_read_are_listed_and_what_the_operator_merges_is_not(here: Path) -> None:
    odd = utility().replace('Environment="KERNEL_MODULE', 'Environment="KMOD')
    odd = odd.replace("replace-kernel-module.sh\n        enabled", "x.sh && modprobe ice\n        enabled")
    merged = odd.replace("99-worker-day1", "rendered-worker-1").replace("role: worker", "other: worker")
    said = given(here, NIC, odd, merged, code=1)
    assert "warning[IMP001] MachineConfig 99-worker-day1" in said
    assert "MachineConfig rendered-worker-1:" not in said


def test_a_boot_module_config_becomes_boot_of_the_module_beside_it(here: Path) -> None:
    said = given(here, NIC, boot_module_config())
    assert driver(here)["boot"] == {
        "pool": "worker", "image": "quay.io/acme/nic-day1", "workerImage": PINNED,
        "inTreeModulesToRemove": ["dummy"], "bootModuleConfig": True,
    }  # fmt: skip
    assert "in place of" not in said
    assert run("render", "fleet", cwd=here).returncode == 0
    path = here / "fleet/rendered/paris/nic/bootmoduleconfig-nic.yaml"
    assert yaml.safe_load(path.read_text())["spec"] == yaml.safe_load(boot_module_config())["spec"]


def test_a_boot_module_config_alone_becomes_a_driver_and_its_machine_config_is_named(here: Path) -> None:
    said = given(here, boot_module_config("early", "99-early"))
    assert "in place of BootModuleConfig kmm-tests/early and MachineConfig 99-early" in said
    assert driver(here, "early")["containerImage"] == "quay.io/acme/nic-day1:${KERNEL_FULL_VERSION}"
