"""The script of the pods: what it loads, what it finds there already, and how it ends when it is stopped."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.renderer.deliveries.daemonset.sandbox import KERNEL, Node

pytestmark = pytest.mark.timing


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_loads_the_module_of_the_image_with_its_parameters(node: Node) -> None:
    result = node.run("load", PARAMETERS="mode=fast lane\ndebug=*", LOAD_ARGS="-v")
    assert result.returncode == 0, result.stderr
    assert node.calls == [f"modprobe -d {node.root}/image -v nic mode=fast lane debug=*"]
    assert node.run("ready").returncode == 0


def test_it_loads_the_last_of_the_loading_order_first_and_gives_parameters_to_the_first_alone(node: Node) -> None:
    assert node.run("load", MODULES="nic\nnic-core", PARAMETERS="a=1").returncode == 0
    assert [call.partition("image ")[2] for call in node.calls] == ["nic-core", "nic a=1"]
    assert node.loaded == {"nic", "nic_core"}


def test_a_module_that_is_loaded_already_is_not_loaded_again(node: Node) -> None:
    node.in_kernel("nic", srcversion="AAAnic")
    result = node.run("load")
    assert (result.returncode, node.calls) == (0, [])
    assert "loaded already" in result.stderr
    assert node.run("ready").returncode == 0


def test_the_kernels_own_module_of_that_name_is_not_ours(node: Node) -> None:
    node.in_kernel("nic", srcversion="BBB")
    result = node.run("load")
    assert result.returncode == 1
    assert "the kernel's own" in result.stderr
    assert "inTreeModulesToRemove" in result.stderr
    assert node.run("ready").returncode == 1


def test_the_kernels_own_module_that_cannot_be_compared_is_not_ours(node: Node) -> None:
    node.in_kernel("nic")
    result = node.run("load")
    assert (result.returncode, node.calls) == (1, [])
    assert "the kernel's own" in result.stderr
    assert node.run("ready").returncode == 1


def test_a_module_out_of_tree_that_cannot_be_compared_stays(node: Node) -> None:
    node.in_kernel("nic", taint="OE")
    result = node.run("load", REMOVE="nic")
    assert (result.returncode, node.calls) == (0, [])
    assert "module nic is loaded, not compared" in result.stderr
    assert node.run("ready").returncode == 0


def test_the_kernels_own_module_is_replaced_where_the_spec_says_so(node: Node) -> None:
    node.in_kernel("nic", srcversion="BBB")
    node.in_kernel("other")
    assert node.run("load", REMOVE="other\nnic").returncode == 0
    assert node.calls[:2] == ["modprobe -r other", "modprobe -r nic"]
    assert node.run("ready").returncode == 0


@pytest.mark.parametrize(("modules", "removed"), [("nic", "nic"), ("nic-core", "nic_core"), ("nic_core", "nic-core")])
def test_a_listed_module_that_is_the_images_stays(node: Node, modules: str, removed: str) -> None:
    name = modules.replace("-", "_")
    node.in_kernel(name, srcversion=f"AAA{name}")
    assert node.run("load", MODULES=modules, REMOVE=removed).returncode == 0
    assert node.calls == []


def test_a_module_to_remove_that_is_in_use_fails_aloud(node: Node) -> None:
    node.in_kernel("other", refcnt=2)
    node.write("sys/module/other/holders/bond0", "")
    result = node.run("load", REMOVE="other")
    assert result.returncode == 1
    assert "module other cannot be unloaded: in use (2 references, by bond0 )" in result.stderr
    assert node.loaded == {"other"}


def test_an_earlier_version_of_the_driver_goes_before_the_new_one_comes(node: Node) -> None:
    node.in_kernel("nic", srcversion="OLD", taint="OE")
    assert node.run("load").returncode == 0
    assert node.calls[0] == "modprobe -r nic"
    assert node.run("ready").returncode == 0


def test_an_earlier_version_that_is_in_use_fails_aloud(node: Node) -> None:
    node.in_kernel("nic", srcversion="OLD", taint="OE", refcnt=1)
    result = node.run("load")
    assert result.returncode == 1
    assert "in use (1 references)" in result.stderr


def test_a_module_that_is_built_in_is_said(node: Node) -> None:
    (node.root / "sys/module/nic/parameters").mkdir(parents=True)
    result = node.run("load")
    assert result.returncode == 1
    assert f"built into kernel {KERNEL}" in result.stderr


def test_an_image_for_another_kernel_is_said(node: Node) -> None:
    (node.root / f"image/lib/modules/{KERNEL}").rename(node.root / "image/lib/modules/4.18.0")
    result = node.run("load")
    assert result.returncode == 1
    assert f"the image has no folder {node.root}/image/lib/modules/{KERNEL}" in result.stderr


def test_a_missing_file_is_said_and_what_came_before_is_unloaded_again(node: Node) -> None:
    (node.root / f"image/lib/modules/{KERNEL}/extra/nic.ko").unlink()
    result = node.run("load", MODULES="nic\nnic_core")
    assert result.returncode == 1
    assert "Module nic not found" in result.stderr
    assert node.loaded == set()
    assert node.run("ready").returncode == 1


def test_an_image_without_kmod_is_said(node: Node) -> None:
    (node.root / "bin/modprobe").unlink()
    empty = {"PATH": f"{node.root}/bin"}
    for name in ("cat", "tr"):
        (node.root / "bin" / name).symlink_to(f"/bin/{name}")
    node.shell = [f"/bin/{node.shell[0]}", *node.shell[1:]]
    environment = node.environment
    node.environment = lambda settings: {**environment(settings), **empty}  # type: ignore[method-assign]
    result = node.run("load")
    assert result.returncode == 127
    assert "install kmod" in result.stderr


def test_on_another_kernel_it_waits_for_the_label_and_loads_nothing(node: Node) -> None:
    node.write("kernel", "5.14.0-503.11.1.el9_5.x86_64\n")
    process = node.start("load")
    assert process.stderr is not None
    assert f"this pod is for {KERNEL}" in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.communicate()
    assert (node.calls, node.loaded) == ([], set())


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_loads_leaves_nothing_behind(node: Node, name: signal.Signals) -> None:
    node.write("slow", "")
    process = node.start("load", MODULES="nic\nnic_core")
    eventually((node.root / "begun").exists)
    process.send_signal(name)
    (node.root / "slow").unlink()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped while loading" in errors
    assert node.loaded == set()


def test_raw_arguments_are_all_that_modprobe_gets(node: Node) -> None:
    settings = {"MODULES": "", "RAW": "yes", "LOAD_ARGS": "-d\n/opt\nnic\na=1", "UNLOAD_ARGS": "-d\n/opt\n-r\nnic"}
    assert node.run("load", **settings).returncode == 0
    assert node.run("ready", **settings).returncode == 0
    assert node.run("unload", **settings).returncode == 0
    assert node.calls == ["modprobe -d /opt nic a=1", "modprobe -d /opt -r nic"]
    assert node.loaded == set()


def test_firmware_is_copied_and_found_by_the_kernel(node: Node) -> None:
    node.write("image/fw/acme/nic.bin", "blob")
    node.write("sys/module/firmware_class/parameters/path", "")
    settings = {"FIRMWARE": str(node.root / "image/fw"), "FIRMWARE_HOST": "/var/lib/firmware"}
    assert node.run("load", **settings).returncode == 0
    assert (node.root / "firmware/acme/nic.bin").read_text() == "blob"
    assert (node.root / "sys/module/firmware_class/parameters/path").read_text() == "/var/lib/firmware"
    assert node.run("unload", **settings).returncode == 0
    assert not (node.root / "firmware/acme/nic.bin").exists()


def test_a_node_that_takes_firmware_from_elsewhere_is_not_turned_away_from_it(node: Node) -> None:
    node.write("image/fw/nic.bin", "blob")
    node.write("sys/module/firmware_class/parameters/path", "/srv/firmware")
    result = node.run("load", FIRMWARE=str(node.root / "image/fw"), FIRMWARE_HOST="/var/lib/firmware")
    assert result.returncode == 1
    assert "looks for firmware in /srv/firmware already" in result.stderr
    assert node.loaded == {"firmware_class"}
