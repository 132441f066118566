"""`kmodgate plan`: taints that come and go keep no loss out of the plan, and `resolve` answers for this moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import run
from tests.renderer.plan.pools import EL10, NEXT9, cluster, fleet, group, inventory, node, plan

TEMPORARY = [
    f"node.kubernetes.io/{name}"
    for name in ("unschedulable", "not-ready", "unreachable", "network-unavailable", "out-of-service", "disk-pressure")
]


@pytest.mark.parametrize("key", TEMPORARY)
def test_a_loss_counts_once_a_temporary_taint_is_gone(tmp_path: Path, key: str) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", inventory="./n.json", nextKernels=[EL10])
    path = folder.root / "clusters/lyon.yaml"
    path.write_text(path.read_text().replace('"nodeGroups": [], ', ""))
    inventory(folder, "n.json", node("a", taints=(key,)), node("b"))
    found = plan(folder, code=1)
    assert sorted(name for item in found["lost"] for name in item["next"]["nodes"]) == ["a", "b"]
    tolerated = key.endswith("-pressure")  # by KMM itself
    assert {item["next"]["waitsFor"] for item in found["lost"]} == {"", *([] if tolerated else [f"{key}:NoSchedule"])}


@pytest.mark.parametrize(
    "keys", [("dedicated",), ("node.kubernetes.io/unschedulable", "example.com/gpu"), ("unschedulable",)]
)
def test_a_taint_that_stays_keeps_the_driver_off_for_good(tmp_path: Path, keys: tuple[str, ...]) -> None:
    folder = fleet(tmp_path)
    taints = [{"key": key, "effect": "NoSchedule"} for key in keys]
    cluster(folder, "lyon", group("a", taints=taints), nextKernels=[EL10])
    found = plan(folder)
    assert found["lost"] == []
    assert all("is not tolerated" in cell["reason"] for cell in found["cells"])


def test_a_cordoned_node_whose_next_kernel_has_a_mapping_loses_nothing(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    taints = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    cluster(folder, "lyon", group("a", taints=taints), nextKernels=[NEXT9])
    assert plan(folder)["lost"] == []


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_every_report_says_that_the_taint_goes_first(tmp_path: Path, form: str) -> None:
    folder = fleet(tmp_path)
    taints = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]
    cluster(folder, "lyon", group("a", taints=taints), nextKernels=[EL10])
    report = run("plan", "--format", form, cwd=folder.root).stdout
    assert "once taint node.kubernetes.io/unreachable:NoExecute is gone" in report
    explained = run("explain", "a", "--cluster", "lyon", cwd=folder.root).stdout
    assert explained.count("once taint node.kubernetes.io/unreachable:NoExecute is gone") == 2
