"""`kmodgate diff`: effects of a change of the three sites on their nodes, with numbers worked out by hand.

oslo has 4 nodes and lima 1, on 9.4; rome has 3 workers on 9.4 and 9.6, and 2 GPU nodes on 9.6. The image of nic is
rome's own, so a new one elsewhere reloads 5 nodes; all that is gpu's is on 2 nodes of one cluster.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import run
from tests.fleets import FleetFolder, git
from tests.renderer.diff.three_sites import diff, edit, sentences
from tests.renderer.plan.test_plan import EL9_4, node


def test_without_a_change_there_is_nothing_to_tell(sites: Path) -> None:
    assert diff(sites) == {"version": 1, "consequences": [], "objects": []}
    assert run("diff", cwd=sites).stderr == "against HEAD: nothing differs\n"


def test_a_new_image_reloads_where_it_is_used_and_is_made_again(sites: Path) -> None:
    edit(sites / "drivers/nic.yaml", ("registry.example.com/nic:1.0", "registry.example.com/nic:1.1"))
    assert sentences(sites) == [
        "unloads and reloads nic on 5 nodes in 2 clusters, all at once (not ordered)",
        "signs 1 image of nic in 2 clusters",
    ]
    (first, _) = diff(sites)["consequences"]
    assert (first["clusters"], first["nodes"], first["because"]) == (["lima", "oslo"], 5, ["containerImage"])
    assert (first["file"], first["severity"]) == ("drivers/nic.yaml", "warning")


def test_a_new_dockerfile_under_the_same_tag_is_not_built(sites: Path) -> None:
    with (sites / "drivers/gpu.Dockerfile").open("a") as file:
        file.write("RUN true\n")
    assert sentences(sites) == [
        "nothing of gpu is rebuilt in 1 cluster: the image reference did not change (one whose build or signing failed "
        "or is still running is made again)"
    ]
    objects = diff(sites)["objects"]
    (dockerfile,) = [item for item in objects if item["kind"] == "ConfigMap"]
    assert dockerfile["change"] == "changed"
    assert [field["field"] for field in dockerfile["fields"]] == ["metadata.name", "data.dockerfile"]


def test_a_content_tag_makes_the_same_change_a_build_and_a_reload(sites: Path) -> None:
    edit(sites / "drivers/gpu.yaml", ("  build:", "  contentTag: true\n  build:"))
    git(sites, "commit", "-am", "second")
    with (sites / "drivers/gpu.Dockerfile").open("a") as file:
        file.write("RUN true\n")
    assert sentences(sites) == [
        "unloads and reloads gpu on 2 nodes in 1 cluster, all at once (not ordered)",
        "builds 1 image of gpu in 1 cluster",
    ]


def test_a_first_version_needs_the_module_to_be_made_anew(sites: Path) -> None:
    edit(sites / "drivers/probe.yaml", ("  modprobe:", '  version: "2"\n  modprobe:'))
    (text,) = sentences(sites)
    assert text == (
        "probe gets its first version: KMM refuses that for a Module that exists; delete it and create it again in "
        "2 clusters"
    )


def test_a_new_version_waits_for_the_labels_of_the_nodes(sites: Path) -> None:
    edit(sites / "drivers/probe.yaml", ("  modprobe:", '  version: "2"\n  modprobe:'))
    git(sites, "commit", "-am", "second")
    edit(sites / "drivers/probe.yaml", ('"2"', '"3"'), ("probe:2.0", "probe:3.0"))
    assert sentences(sites) == [
        "probe 3 waits on 5 nodes in 2 clusters: each node changes when its version label does",
        "signs 1 image of probe in 2 clusters",
    ]


def test_a_mapping_that_goes_unloads_the_driver(sites: Path) -> None:
    edit(sites / "drivers/probe.yaml", (r"'^5\.14\.0-427\..+$'", r"'^5\.14\.0-428\..+$'"))
    first = diff(sites)["consequences"][0]
    assert first["text"] == "unloads probe from 5 nodes in 2 clusters: no mapping for this kernel"
    assert first["severity"] == "error"


def test_a_selector_that_narrows_unloads_from_the_other_nodes_only(sites: Path) -> None:
    edit(sites / "drivers/nic.yaml", ('{node-role.kubernetes.io/worker: ""}', "{gpu: fitted}"))
    (first, *rest) = sentences(sites)
    assert first.startswith("unloads nic from 8 nodes in 3 clusters: selector gpu=fitted: the node has no such label")
    assert rest == []


def test_a_driver_that_goes_leaves_the_modules_of_the_kernel_away(sites: Path) -> None:
    (sites / "drivers/gpu.yaml").unlink()
    assert sentences(sites) == [
        "unloads gpu from 2 nodes in 1 cluster: the Module goes, once its removal is confirmed",
        "in-tree module nouveau is not loaded again on unload of gpu: it stays away until a reboot, on 2 nodes in "
        "1 cluster",
        "device-plugin pods of gpu stop on 2 nodes in 1 cluster; no new workload gets a device",
    ]


def test_a_new_driver_is_loaded(sites: Path) -> None:
    FleetFolder(sites).driver("extra", clusters="{names: [oslo]}")
    assert sentences(sites) == ["loads extra on 4 nodes in 1 cluster"]
    assert {item["change"] for item in diff(sites)["objects"]} == {"added"}


def test_a_new_plugin_restarts_its_pods_and_a_job_runs_again(sites: Path) -> None:
    edit(sites / "drivers/gpu.yaml", ("gpu-plugin:3.0", "gpu-plugin:3.1"))
    edit(sites / "drivers/gpu-check.yaml", ("gpu-check:1", "gpu-check:2"))
    assert sentences(sites) == [
        "device-plugin pods of gpu restart on 2 nodes in 1 cluster; running workloads keep their devices",
        "re-runs the Job gpu-check in 1 cluster",
    ]


def test_names_that_only_the_next_load_uses_reload_nothing(sites: Path) -> None:
    edit(sites / "drivers/gpu.yaml", ("  modprobe:", "  serviceAccountName: other\n  modprobe:"))
    assert sentences(sites) == [
        "ServiceAccount gpu is still needed to unload gpu in 1 cluster; the new one takes effect at the next load"
    ]


def test_nodes_that_are_not_known_are_not_counted(sites: Path) -> None:
    edit(sites / "clusters/oslo.yaml", ("    kernels: [5.14.0-427.13.1.el9_4.x86_64]\n", ""))
    git(sites, "commit", "-am", "second")
    edit(sites / "drivers/nic.yaml", ("registry.example.com/nic:1.0", "registry.example.com/nic:1.1"))
    assert sentences(sites)[0] == (
        "unloads and reloads nic on 1 node in 2 clusters, and an unknown number of nodes in oslo, all at once "
        "(not ordered)"
    )


def test_a_group_whose_kernels_nobody_has_said_is_not_forgotten(sites: Path) -> None:
    edit(sites / "clusters/rome.yaml", ("    kernels: [5.14.0-570.12.1.el9_6.x86_64]\n", ""))
    git(sites, "commit", "-am", "second")
    edit(sites / "drivers/nic.yaml", ("mirror.rome.example.com/nic:1.0", "mirror.rome.example.com/nic:1.1"))
    assert sentences(sites)[0] == (
        "unloads and reloads nic on 3 nodes in 1 cluster, and an unknown number of nodes in rome, all at once "
        "(not ordered)"
    )


def test_a_module_without_a_loader_starts_and_stops_its_plugin_only(sites: Path) -> None:
    path = sites / "drivers/gpu.yaml"
    text = path.read_text()
    plain = "\n".join(
        line
        for line in text.split("\n")
        if not line.startswith(("  modprobe", "  inTree", "  containerI", "  build", "  kernelM", "  - {name"))
    )
    path.write_text(plain)
    first, *rest = sentences(sites)
    assert first.startswith("gpu stays loaded on 2 nodes in 1 cluster, also over reboots, until the Module is deleted")
    assert not [text for text in rest if "nouveau" in text]  # nothing is unloaded
    git(sites, "commit", "-am", "second")
    path.unlink()
    assert sentences(sites) == ["device-plugin pods of gpu stop on 2 nodes in 1 cluster; no new workload gets a device"]


def test_a_node_of_an_inventory_waits_for_its_label(sites: Path) -> None:
    labels = {"kmm.node.kubernetes.io/version-module.drivers.probe": "2"}
    (sites / "oslo.json").write_text(
        json.dumps({"kind": "List", "items": [node("n", EL9_4, **labels), node("m", EL9_4)]})
    )
    text = (sites / "clusters/oslo.yaml").read_text()
    (sites / "clusters/oslo.yaml").write_text(text[: text.index("  nodeGroups")] + "  inventory: ../oslo.json\n")
    edit(sites / "drivers/probe.yaml", ("  modprobe:", '  version: "2"\n  modprobe:'), ("[oslo, lima]", "[oslo]"))
    git(sites, "add", "-A")
    git(sites, "commit", "-m", "second")
    edit(sites / "drivers/probe.yaml", ('"2"', '"3"'), ("probe:2.0", "probe:3.0"))
    assert sentences(sites) == [
        "probe 3 waits on 1 node in 1 cluster: each node changes when its version label does",
        "signs 1 image of probe in 1 cluster",
    ]


def test_items_of_a_list_are_compared_by_what_they_are(sites: Path) -> None:
    edit(
        sites / "drivers/nic.yaml",
        ("  - {name: el9, ", "  - {name: el8, regexp: '^4\\.18\\..+$'}\n  - {name: el9, "),
    )
    (changed,) = diff(sites)["objects"]
    assert changed["clusters"] == ["lima", "oslo", "rome"]
    fields = [field["field"] for field in changed["fields"]]
    assert fields == ["spec.moduleLoader.container.kernelMappings[^4\\.18\\..+$]"]
    assert sentences(sites) == [
        "nothing happens to nic on the nodes of 3 clusters: KMM does not reload for what changes"
    ]


def test_a_cluster_that_goes_takes_its_modules_along(sites: Path) -> None:
    (sites / "clusters/lima.yaml").unlink()
    edit(sites / "drivers/probe.yaml", ("names: [oslo, lima]", "names: [oslo]"))
    assert sentences(sites) == [
        "unloads nic from 1 node in 1 cluster: the Module goes, once its removal is confirmed",
        "unloads probe from 1 node in 1 cluster: the Module goes, once its removal is confirmed",
    ]


def test_a_module_that_is_retained_stays_loaded(sites: Path) -> None:
    edit(sites / "drivers/probe.yaml", ("  modprobe:", "  removal: retain\n  modprobe:"))
    git(sites, "commit", "-am", "second")
    (sites / "drivers/probe.yaml").unlink()
    assert sentences(sites) == [
        "Argo CD leaves probe behind in 2 clusters: its removal is retain, and nothing is unloaded"
    ]


def test_a_job_that_may_not_be_replaced_cannot_be_changed(sites: Path) -> None:
    edit(sites / "drivers/gpu-check.yaml", ("  annotations: {argocd.argoproj.io/sync-options: Replace=true}\n", ""))
    assert sentences(sites) == []
    git(sites, "commit", "-am", "second")
    edit(sites / "drivers/gpu-check.yaml", ("gpu-check:1", "gpu-check:2"))
    (item,) = diff(sites)["consequences"]
    assert item["severity"] == "error"
    assert item["text"].startswith("Job gpu-check cannot be changed in 1 cluster")


def test_what_reloads_nothing_is_said_to_do_nothing(sites: Path) -> None:
    edit(sites / "drivers/nic.yaml", ("  modprobe:", "  tolerations: [{key: a, operator: Exists}]\n  modprobe:"))
    (item,) = diff(sites)["consequences"]
    assert item["text"] == "nothing happens to nic on the nodes of 3 clusters: KMM does not reload for what changes"
    assert item["because"] == ["spec.tolerations"]


def test_an_image_that_other_nodes_have_is_not_made_again(sites: Path) -> None:
    edit(sites / "drivers/nic.yaml", ('{node-role.kubernetes.io/worker: ""}', "{gpu: fitted}"))
    git(sites, "commit", "-am", "second")
    edit(sites / "drivers/nic.yaml", ("{gpu: fitted}", '{node-role.kubernetes.io/worker: ""}'))
    assert sentences(sites) == [
        "loads nic on 8 nodes in 3 clusters",
        "signs 2 images of nic in 3 clusters",  # that of 9.6 is on rome's GPU nodes
    ]


def test_another_selector_where_nodes_are_not_known_may_mean_other_nodes(sites: Path) -> None:
    edit(sites / "clusters/oslo.yaml", ("    kernels: [5.14.0-427.13.1.el9_4.x86_64]\n", ""))
    git(sites, "commit", "-am", "second")
    edit(
        sites / "drivers/nic.yaml",
        ('{node-role.kubernetes.io/worker: ""}', '{node-role.kubernetes.io/worker: "", a: b}'),
    )
    assert "other nodes may load nic in 1 cluster, whose nodes or kernels are not known" in sentences(sites)
