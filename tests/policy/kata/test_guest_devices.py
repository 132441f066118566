"""Whether a hostPath below /dev is the guest's in a pod of Kata, or the node's."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.kata.view import Reason
from kmodgate.policy.review import Review
from tests.policy.kata.kata_pods import FACTS, dkms_pod, injection

GUESTS = [
    ("/dev", "/dev", "Directory"),
    ("//dev/.", "/dev/", "Directory"),
    ("/dev/dri", "/dev/dri", "Directory"),
    ("/dev/vfio", "/dev/gpu", "Directory"),
    ("/dev/anything", "/dev/anything", "CharDevice"),
    ("/dev/kvm", "/dev/kvm", "CharDevice"),
    ("/dev/kvm", "/dev/kvm", ""),
    ("/dev/fuse", "/dev/fuse", ""),
    ("/dev/net/tun", "/dev/net/tun", ""),
    ("/dev/dri/renderD128", "/dev/dri/renderD128", ""),
    ("/dev/infiniband/uverbs0", "/dev/infiniband/uverbs0", ""),
]
"""Path on the node, path in the container, type."""

NODES = [
    ("/dev", "/dev", ""),
    ("/dev", "/host/dev", "Directory"),
    ("/dev", "/devices", "Directory"),
    ("/dev/kvm", "/kvm", "CharDevice"),
    ("/dev/../dev/kvm", "/dev/../kvm", "CharDevice"),
    ("/var/dev", "/dev", "Directory"),
    ("/dev/../etc", "/dev/etc", "Directory"),
    ("/dev/log", "/dev/log", ""),
    ("/dev/log", "/dev/log", "Socket"),
    ("/dev/notes", "/dev/notes", "File"),
    ("/dev/kvm", "/dev/kvm", "File"),
    ("/dev/kvm", "/dev/kvm", "FileOrCreate"),
    ("/dev/new", "/dev/new", "DirectoryOrCreate"),
    ("/dev/kvm", "/dev/kvm", "BlockDevice"),
    ("/dev/kvm2", "/dev/kvm2", ""),
    *((f"/dev/{name}", f"/dev/{name}", type) for type in ("", "BlockDevice", "CharDevice", "Directory") for name in (
        "sda", "sda1", "vdb", "xvda", "hda2", "nvme0n1p1", "dm-0", "mapper", "mapper/root", "disk", "disk/by-id/x", "block/8:0",
        "loop0", "md127", "mmcblk0", "nbd0", "rbd0", "sr0", "zram0",
    )),
]  # fmt: skip


def mounted(source: str, path: str, type: str, **mount: str) -> dict[str, Any]:
    pod = dkms_pod(volumes=[{"name": "dev", "hostPath": {"path": source, **({"type": type} if type else {})}}])
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "dev", "mountPath": path, **mount}]
    return pod


def ways_out(pod: dict[str, Any]) -> list[str]:
    """The fields that KTA106 finds in the pod, once it is in Kata."""
    inside = {**pod, "spec": {**pod["spec"], "runtimeClassName": "kata-qemu"}}
    found = Engine(Policy(), "admit").evaluate(Review(inside, facts=FACTS, user="alice"))
    return [finding.field for finding in found if finding.rule == "KTA106"]


@pytest.mark.parametrize(("source", "path", "type"), GUESTS)
def test_the_guests_own_device_is_no_way_out(source: str, path: str, type: str) -> None:
    pod = mounted(source, path, type)
    assert ways_out(pod) == []
    assert injection(pod).reason is Reason.INJECTED


@pytest.mark.parametrize(("source", "path", "type"), NODES)
def test_a_device_of_the_node_is_one(source: str, path: str, type: str) -> None:
    pod = mounted(source, path, type)
    assert ways_out(pod) == ["spec.volumes[0].hostPath"]
    assert injection(pod).reason in (Reason.HOST_DEVICES, Reason.HOST_PATH)


@pytest.mark.parametrize("key", ["subPath", "subPathExpr"])
def test_a_part_of_a_folder_is_the_nodes(key: str) -> None:
    assert ways_out(mounted("/dev", "/dev/kvm", "Directory", **{key: "kvm"})) == ["spec.volumes[0].hostPath"]


def test_one_container_that_has_it_elsewhere_is_enough() -> None:
    pod = mounted("/dev", "/dev", "Directory")
    mount = {"name": "dev", "mountPath": "/host/dev"}
    pod["spec"]["initContainers"] = [{"name": "prepare", "volumeMounts": [mount]}]
    assert ways_out(pod) == ["spec.volumes[0].hostPath"]


def test_what_no_container_mounts_is_taken_for_the_nodes() -> None:
    pod = mounted("/dev", "/dev", "Directory")
    pod["spec"]["containers"][0]["volumeMounts"] = []
    assert ways_out(pod) == ["spec.volumes[0].hostPath"]
