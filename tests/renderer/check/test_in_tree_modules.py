"""A driver with the name of one that distributions ship: a warning, unless the nodes never load their own."""

from __future__ import annotations

import re

import pytest

from kmodgate.policy.kmm.in_tree_modules import NAMES
from tests.fleets import FleetFolder
from tests.renderer.checking import check, findings
from tools.list_in_tree_modules import names_in

GROUPS = "  nodeGroups:\n  - {{name: a, labels: {{node-role.kubernetes.io/worker: ''}}, count: 2{}}}\n"


@pytest.mark.parametrize(
    ("module", "blacklist", "is_found"),
    [
        ("mlx5_core", "", True),
        ("mlx5-core", ", blacklist: [ice]", True),
        ("mlx5_core", ", blacklist: [mlx5-core]", False),
        ("acme_nic", "", False),
    ],
)
def test_it_goes_by_the_name_and_by_the_blacklist_of_the_nodes(
    fleet: FleetFolder, module: str, blacklist: str, is_found: bool
) -> None:
    cluster = fleet.cluster("paris")
    text = cluster.read_text()
    head = text.partition("  nodeGroups:")[0]
    cluster.write_text(head + GROUPS.format(blacklist))
    driver = fleet.driver("nic")
    driver.write_text(re.sub("moduleName: [a-z_]+", f"moduleName: {module}", driver.read_text()))
    found = [item["rule"] for item in findings(check(fleet.root, ".", "--format", "json"))]
    assert ("LDR201" in found) == is_found, found


def test_names_are_taken_from_lists_of_any_packager() -> None:
    lists = (
        "./lib/modules/6.1.0-1-amd64/kernel/drivers/net/ethernet/intel/ice/ice.ko\n",
        "/lib/modules/5.14.0-1.el9.x86_64/kernel/drivers/net/mlx5/core/mlx5-core.ko.xz\n/lib/modules/5.14.0-1/extra/own.ko\n",
        "-rw-r--r-- root/root 1 2026-01-01 ./lib/modules/6.12.1/kernel/fs/nfs/nfs.ko.zst\n",
    )
    assert names_in(lists) == {"ice", "mlx5_core", "nfs"}


REPORTED = "ice i40e irdma i915 xe amdgpu sfc mlx5_core nfs sunrpc drbd habanalabs"
VENDORS = "nvidia nvidia_uvm gdrdrv zfs kvdo wekafsio mmfs26 lustre r8168 vboxdrv simple_kmod cxi_core onload"


def test_the_names_are_of_several_kernels_and_none_is_a_vendors_own() -> None:
    assert {*REPORTED.split(), "hns3", "xgene_enet", "qat_4xxx", "efa"} <= NAMES
    assert not {*VENDORS.split()} & NAMES
