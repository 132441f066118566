"""The script of the pods: whether what is loaded is ours, and how it is unloaded."""

from __future__ import annotations

import base64
import gzip
import shutil
import signal
import subprocess

import pytest

from tests.renderer.deliveries.daemonset.sandbox import KERNEL, SCRIPT, Node

pytestmark = pytest.mark.timing

NOTE = bytes.fromhex("0400000014000000030000 00474e5500".replace(" ", "")) + bytes(range(20))


def with_build_id(node: Node, content: bytes, name: str = "nic.ko") -> None:
    """Give the module a build id in place of its srcversion."""
    (node.root / "image/srcversion/nic").unlink()
    (node.root / f"image/lib/modules/{KERNEL}/extra/nic.ko").unlink()
    node.write(f"image/lib/modules/{KERNEL}/extra/{name}", content)
    node.write("image/build-id/nic", NOTE)


def test_nothing_is_ready_before_it_is_loaded(node: Node) -> None:
    result = node.run("ready")
    assert result.returncode == 1
    assert "nothing is loaded yet" in result.stderr


def test_a_module_that_others_have_taken_away_or_replaced_is_not_ready(node: Node) -> None:
    node.run("load")
    node.write("sys/module/nic/srcversion", "BBB\n")
    assert "another one than this pod has loaded" in node.run("ready").stderr
    subprocess.run(["rm", "-r", node.root / "sys/module/nic"], check=True)
    assert "not loaded" in node.run("ready").stderr


@pytest.mark.parametrize("name", ["nic.ko", "nic.ko.gz"])
def test_without_srcversion_the_build_id_tells(node: Node, name: str) -> None:
    content = b"\x7fELF" + bytes(1000) + NOTE + b"rest"
    with_build_id(node, gzip.compress(content) if name.endswith("gz") else content, name)
    result = node.run("load")
    assert (result.returncode, "not compared" in result.stderr) == (0, False)
    assert node.run("ready").returncode == 0
    node.write("sys/module/nic/notes/.note.gnu.build-id", NOTE[:-1] + b"\xff")
    assert node.run("ready").returncode == 1


@pytest.mark.parametrize("ending", ["xz", "zst"])
def test_a_compressed_file_is_read_by_the_program_for_it(node: Node, ending: str) -> None:
    program = node.write({"xz": "bin/xzcat", "zst": "bin/zstdcat"}[ending], '#!/bin/sh\nexec base64 -d "$1"\n')
    program.chmod(0o755)
    with_build_id(node, base64.b64encode(b"\x7fELF" + NOTE + b"rest"), f"nic.ko.{ending}")
    result = node.run("load")
    assert (result.returncode, "not compared" in result.stderr) == (0, False)
    assert node.run("ready").returncode == 0


def test_a_compressed_file_that_no_program_of_the_image_reads_is_not_compared(node: Node) -> None:
    for name in ("cat", "od", "tr", "grep", "find", "cp", "mkdir", "rm", "printf", "sh"):
        if found := shutil.which(name):
            (node.root / "bin" / name).symlink_to(found)
    with_build_id(node, base64.b64encode(NOTE), "nic.ko.zst")
    result = subprocess.run(
        [shutil.which("sh") or "sh", str(SCRIPT), "load"],
        env={**node.environment({}), "PATH": str(node.root / "bin")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "loaded, not compared" in result.stderr


def test_another_build_id_is_another_module(node: Node) -> None:
    with_build_id(node, b"\x7fELF without it")
    node.in_kernel("nic")
    node.write("sys/module/nic/notes/.note.gnu.build-id", NOTE)
    result = node.run("load")
    assert result.returncode == 1
    assert "the kernel's own" in result.stderr


def test_what_nobody_can_compare_is_loaded_and_said(node: Node) -> None:
    (node.root / "image/srcversion/nic").unlink()
    result = node.run("load")
    assert result.returncode == 0
    assert "loaded, not compared" in result.stderr
    assert node.run("ready").returncode == 0


def test_it_holds_until_it_is_told_to_end(node: Node) -> None:
    process = node.start("hold")
    assert process.stderr is not None
    assert "holding nic" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.communicate()


def test_it_unloads_in_the_order_of_the_spec(node: Node) -> None:
    node.run("load", MODULES="nic\nnic_core")
    result = node.run("unload", MODULES="nic\nnic_core", UNLOAD_ARGS="-v")
    assert result.returncode == 0, result.stderr
    assert node.calls[2:] == [f"modprobe -d {node.root}/image -r -v {name}" for name in ("nic", "nic_core")]
    assert node.loaded == set()
    assert "unloaded nic" in (node.root / "log").read_text()


def test_what_is_in_use_is_tried_again_until_the_grace_period_ends(node: Node) -> None:
    node.run("load")
    node.write("sys/module/nic/refcnt", "3")
    result = node.run("unload", GRACE="10")
    assert result.returncode == 1
    assert len(node.calls) > 2
    assert "nic stays loaded: in use (3 references)" in (node.root / "log").read_text()
    assert node.loaded == {"nic"}


def test_it_never_unloads_on_another_kernel_than_its_own(node: Node) -> None:
    node.run("load")
    node.write("kernel", "5.14.0-503.11.1.el9_5.x86_64\n")
    result = node.run("unload")
    assert result.returncode == 0
    assert node.loaded == {"nic"}
    assert len(node.calls) == 1


def test_it_unloads_nothing_that_this_pod_has_not_loaded(node: Node) -> None:
    node.in_kernel("nic", srcversion="AAAnic")
    assert node.run("unload").returncode == 0
    node.run("load")
    node.write("sys/module/nic/srcversion", "BBB\n")
    assert node.run("unload").returncode == 0
    assert node.loaded == {"nic"}


def test_an_upgrade_whose_label_comes_late_ends_with_the_new_kernels_module(node: Node) -> None:
    """The old kernel's pod starts first on the new kernel: it waits, ends with the label, and touches nothing."""
    node.run("load")
    subprocess.run(["rm", "-r", node.root / "sys/module/nic", node.root / "state"], check=True)  # the node boots
    (node.root / "state").mkdir()
    new = "5.14.0-503.11.1.el9_5.x86_64"
    node.write("kernel", f"{new}\n")
    node.write(f"image/lib/modules/{new}/extra/nic.ko", "ELF")
    old_pod = node.start("load")
    assert old_pod.stderr is not None
    assert "goes once the label is right" in old_pod.stderr.readline()
    assert node.run("load", KERNEL=new).returncode == 0
    old_pod.send_signal(signal.SIGTERM)
    assert old_pod.wait(60) == 0
    old_pod.communicate()
    assert node.run("unload").returncode == 0
    assert node.run("ready", KERNEL=new).returncode == 0


def test_a_plugin_of_its_own_waits_until_the_module_is_the_images(node: Node) -> None:
    node.in_kernel("nic", srcversion="BBB")
    process = node.start("wait")
    assert process.poll() is None
    node.write("sys/module/nic/srcversion", "AAAnic\n")
    assert process.wait(60) == 0
    process.communicate()


def test_a_plugin_of_its_own_waits_while_the_module_that_cannot_be_compared_is_the_kernels(node: Node) -> None:
    node.in_kernel("nic")
    process = node.start("wait")
    assert process.poll() is None
    node.write("sys/module/nic/taint", "OE\n")
    assert process.wait(60) == 0
    process.communicate()


@pytest.mark.parametrize(
    ("modules", "said"),
    [("nic", "nic"), ("nic\nnic_core", "nic nic_core"), ("", "what rawArgs loaded")],
)
def test_what_is_held_is_said_word_by_word(node: Node, modules: str, said: str) -> None:
    process = node.start("hold", MODULES=modules)
    assert process.stderr is not None
    assert process.stderr.readline() == f"kmodgate: holding {said} on kernel {KERNEL}\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.communicate()


def test_an_unknown_command_is_refused(node: Node) -> None:
    result = node.run("sleep")
    assert result.returncode == 2
    assert "usage" in result.stderr
