"""`kmodgate plan`: next kernels of mixed pools, pools that are paused, and release files of the driver toolkit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import run
from tests.renderer.plan.pools import (
    EL9,
    EL10,
    NEXT9,
    UBUNTU,
    WORKER,
    cluster,
    coming,
    fleet,
    group,
    inventory,
    node,
    plan,
)

# -- groups ---------------------------------------------------------------------------------------


def test_next_kernels_of_a_group_take_the_place_of_the_clusters(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    groups = group("plain"), group("new", nextKernels=[EL10]), group("old", nextKernels=[EL9.replace("427", "428")])
    cluster(folder, "lyon", *groups, nextKernels=[NEXT9])
    found = plan(folder, code=1)
    assert coming(found) == {"plain": {NEXT9}, "new": {EL10}, "old": {EL9.replace("427", "428")}}
    assert [item["next"]["nodes"] for item in found["lost"]] == [["new"]]


def test_pools_of_two_distributions_lose_nothing_by_each_others_kernels(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    el9, ubuntu = group("el9", nextKernels=[NEXT9]), group("ubuntu", UBUNTU, nextKernels=["6.8.0-60-generic"])
    cluster(folder, "lyon", el9, ubuntu)
    assert plan(folder)["lost"] == []


def test_an_empty_list_of_a_group_means_that_no_next_kernel_is_known_of_it(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("moving"), group("staying", nextKernels=[]), nextKernels=[NEXT9])
    found = plan(folder)
    assert coming(found) == {"moving": {NEXT9}}
    assert found["noNextKernels"] == [{"cluster": "lyon", "nodes": ["staying"]}]


def test_a_kernel_that_is_asked_for_takes_the_place_of_the_groups_too(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("a", nextKernels=[EL10]), nextKernels=[EL10])
    assert coming(plan(folder, "--kernel", NEXT9)) == {"a": {NEXT9}}


@pytest.mark.parametrize("asked", [(), ("--kernel", EL10)])
def test_a_paused_group_stays_on_its_kernels_and_is_listed(tmp_path: Path, asked: tuple[str, ...]) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("a", pause=True), nextKernels=[EL10])
    found = plan(folder, *asked)
    assert (found["lost"], coming(found), found["noNextKernels"]) == ([], {}, [])
    assert found["paused"] == [{"cluster": "lyon", "nodes": ["a"], "count": 3, "kernels": [EL9]}]


def test_a_group_with_pause_false_moves(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("a", pause=False), nextKernels=[EL10])
    found = plan(folder, code=1)
    assert (len(found["lost"]), found["paused"]) == (1, [])


# -- inventories ----------------------------------------------------------------------------------


def test_nodes_of_an_inventory_belong_to_the_group_whose_labels_they_carry(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    pools = [
        {"name": "workers", "labels": WORKER},
        {"name": "new", "labels": {**WORKER, "pool": "new"}, "nextKernels": [EL10]},
        {"name": "held", "labels": {**WORKER, "pool": "held"}, "pause": True},
        {"name": "elsewhere", "labels": {"pool": "elsewhere"}, "nextKernels": [EL10]},
    ]
    cluster(folder, "lyon", *pools, inventory="./n.json", nextKernels=[NEXT9])
    inventory(folder, "n.json", node("a"), node("b", pool="new"), node("c", pool="held"), node("d", pool="other"))
    found = plan(folder, code=1)
    assert coming(found) == {"a": {NEXT9}, "d": {NEXT9}, "b": {EL10}}
    assert [item["nodes"] for item in found["paused"]] == [["c"]]
    assert [item["next"]["nodes"] for item in found["lost"]] == [["b"]]


def test_a_node_of_two_groups_may_get_the_kernels_of_both(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    pools = [{"name": key, "labels": {key: ""}, "nextKernels": [kernel]} for key, kernel in (("x", NEXT9), ("y", EL10))]
    cluster(folder, "lyon", *pools, inventory="./n.json")
    inventory(folder, "n.json", node("a", x="", y=""))
    assert coming(plan(folder, code=1)) == {"a": {NEXT9, EL10}}


def test_nodes_of_a_file_belong_to_the_groups_of_the_spec(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    cluster(
        folder, "lyon", group("a"), group("b", labels={**WORKER, "pool": "b"}, nextKernels=[EL10]), nextKernels=[NEXT9]
    )
    inventory(folder, "seen.json", node("n"), node("m", pool="b"))
    assert coming(plan(folder, "--nodes", "clusters/seen.json", code=1)) == {"n": {NEXT9}, "m": {EL10}}


# -- the verdict ----------------------------------------------------------------------------------


def test_clusters_without_next_kernels_are_named_in_the_verdict(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("a"), nextKernels=[NEXT9])
    cluster(folder, "metz", group("a"))
    cluster(folder, "nice", group("a", nextKernels=[NEXT9]), group("b"))
    verdict = run("plan", cwd=folder.root).stderr
    assert "no next kernel is known of metz, nice (b); name them in nextKernels" in verdict
    assert "lyon" not in verdict


def test_the_page_names_them_beside_a_loss(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("a", nextKernels=[EL10]))
    cluster(folder, "metz", group("a"))
    page = run("plan", "--format", "html", cwd=folder.root).stdout
    assert f"3 nodes would lose a driver: 1 driver on {EL10}; no next kernel is known of metz" in page


def test_a_cluster_that_runs_its_next_kernel_has_one(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("a", NEXT9), nextKernels=[NEXT9])
    assert plan(folder)["noNextKernels"] == []


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_every_report_names_what_is_paused_and_what_has_no_next_kernel(tmp_path: Path, form: str) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("held", pause=True), group("moving"), nextKernels=[NEXT9])
    cluster(folder, "metz", group("a"))
    report = run("plan", "--format", form, cwd=folder.root).stdout
    assert "Paused: these nodes stay on their kernels" in report
    assert "held" in report
    assert {"text": "No next kernel is known of metz", "markdown": "No next kernel is known of metz"}.get(
        form, "Clusters without next kernels"
    ) in report


# -- architectures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kernel", [NEXT9.replace("x86_64", "aarch64"), NEXT9.replace("x86_64", "s390x"), "6.1.0-1-ppc64le"]
)
def test_a_kernel_of_an_architecture_that_no_node_has_is_a_mistake(tmp_path: Path, kernel: str) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("a"), nextKernels=[NEXT9])
    asked = run("plan", "--kernel", kernel, cwd=folder.root)
    assert (asked.returncode, "and the nodes are amd64" in asked.stderr) == (2, True)
    cluster(folder, "lyon", group("a", nextKernels=[kernel]), nextKernels=[NEXT9])
    of_group = run("plan", cwd=folder.root)
    assert (of_group.returncode, "spec.nodeGroups[0].nextKernels[0]" in of_group.stderr) == (2, True)
    cluster(folder, "lyon", group("a"), nextKernels=[NEXT9, kernel])
    of_cluster = run("plan", cwd=folder.root)
    assert (of_cluster.returncode, "spec.nextKernels[1]" in of_cluster.stderr) == (2, True)
    assert run("render", cwd=folder.root).returncode == 0  # a plan's mistake alone


@pytest.mark.parametrize(
    ("other", "kernel"),
    [
        (group("arm", NEXT9.replace("x86_64", "aarch64")), NEXT9.replace("x86_64", "aarch64")),
        ({"name": "b", "labels": WORKER}, NEXT9.replace("x86_64", "s390x")),  # may be of any architecture
        (group("b"), "6.8.0-60-generic"),  # names none
    ],
)
def test_a_kernel_that_some_node_may_get_is_none(tmp_path: Path, other: dict[str, object], kernel: str) -> None:
    folder = fleet(tmp_path)
    cluster(folder, "lyon", group("a"), other, nextKernels=[NEXT9, kernel])
    assert run("plan", cwd=folder.root).returncode in (0, 1)
    assert run("plan", "--kernel", kernel, cwd=folder.root).returncode in (0, 1)


# -- the driver toolkit ---------------------------------------------------------------------------


def release(kernel: str, real_time: str | None = None) -> str:
    value = {"KERNEL_VERSION": kernel, "RHEL_VERSION": "9.6"}
    return json.dumps(value if real_time is None else {**value, "RT_KERNEL_VERSION": real_time})


def test_a_release_file_names_the_next_kernels_of_both_flavours(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    folder.write("clusters/dtk.json", release(NEXT9, NEXT9))
    own = folder.write("clusters/own.json", release(EL10))
    groups = group("a"), group("rt", f"{EL9}+rt"), group("b", nextKernels=[{"dtk": "./own.json"}])
    cluster(folder, "lyon", *groups, nextKernels=[{"dtk": "./dtk.json"}])
    assert coming(plan(folder, code=1)) == {"a": {NEXT9}, "rt": {f"{NEXT9}+rt"}, "b": {EL10}}
    asked = plan(folder, "--dtk", str(own), code=1)
    assert coming(asked) == {"a": {EL10}, "rt": {EL10}, "b": {EL10}}


def test_an_older_real_time_kernel_is_only_for_nodes_that_run_one(tmp_path: Path) -> None:
    folder = fleet(tmp_path)
    old, new = "5.14.0-284.11.1.rt14.296.el9_2.x86_64", "5.14.0-284.30.1.rt14.315.el9_2.x86_64"
    folder.write("dtk.json", release(NEXT9, new))
    cluster(folder, "lyon", group("a"), group("rt", old))
    assert coming(plan(folder, "--dtk", "dtk.json")) == {"a": {NEXT9}, "rt": {new}}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("KERNEL_VERSION=1", "is not JSON"),
        ("[]", "has no KERNEL_VERSION"),
        ('{"RHEL_VERSION": "9.6"}', "has no KERNEL_VERSION"),
        ('{"KERNEL_VERSION": "package kernel-core is not installed"}', "is no kernel version"),
        (None, "there is no such file"),
    ],
)
def test_a_release_file_that_is_none_is_a_mistake(tmp_path: Path, text: str | None, complaint: str) -> None:
    folder = fleet(tmp_path)
    if text is not None:
        folder.write("dtk.json", text)
    cluster(folder, "lyon", group("a"))
    asked = run("plan", "--dtk", "dtk.json", cwd=folder.root)
    assert (asked.returncode, "--dtk dtk.json" in asked.stderr, complaint in asked.stderr) == (2, True, True)
    cluster(folder, "lyon", group("a", nextKernels=[{"dtk": "../dtk.json"}]))
    spec = run("plan", cwd=folder.root)
    assert (spec.returncode, "spec.nodeGroups[0].nextKernels[0].dtk" in spec.stderr) == (2, True)
    assert complaint in spec.stderr
