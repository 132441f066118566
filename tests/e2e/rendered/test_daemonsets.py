"""Drivers that DaemonSets load, on a real API server with its controllers: their pods pass Pod Security and our webhook."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.waiting import eventually
from tests.e2e.webhook import KMODGATE, Webhook, in_force
from tests.fleets import REPOSITORY

pytestmark = pytest.mark.timing

Json: TypeAlias = dict[str, Any]

SPACE = "kernel-drivers"
KERNEL = "5.14.0-503.11.1.el9_5.x86_64"
STRICT = """\
# yaml-language-server: $schema=./policy.json
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: strict}
spec: {clusters: {matchLabels: {}}, modes: {PRV: enforce}}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the example renders for antwerp, with a policy that refuses workloads which nobody has approved."""
    fleet = tmp_path_factory.mktemp("fleet") / "plain"
    shutil.copytree(REPOSITORY / "examples/plain-kubernetes", fleet)
    (fleet / "policies").mkdir()
    (fleet / "policies/strict.yaml").write_text(STRICT)
    subprocess.run([KMODGATE, "render", fleet], check=True, capture_output=True)
    return fleet / "rendered/antwerp"


def objects(tree: Path, kind: str) -> list[Json]:
    found = [yaml.safe_load(path.read_text()) for path in sorted(tree.rglob("*.yaml"))]
    return [item for item in found if item["kind"] == kind]


@pytest.fixture(scope="module")
def webhook(
    control_plane: ControlPlane, programs: Any, tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Webhook]:
    """The webhook with the rendered policy, a node of the kernel, and all objects of the tree but the DaemonSets."""
    if programs.controller_manager is None:
        pytest.skip(f"there is no kube-controller-manager in {programs.folder}")
    folder = tmp_path_factory.mktemp("webhook")
    [policy] = [item for item in objects(tree, "ConfigMap") if "policy.yaml" in item["data"]]
    (folder / "policy.yaml").write_text(policy["data"]["policy.yaml"])
    labels = {
        "node-role.kubernetes.io/worker": "",
        "feature.node.kubernetes.io/kernel-version.full": KERNEL,
        "example.com/kernel": KERNEL,
    }
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "antwerp-1", "labels": labels}}
    with in_force(control_plane, folder, [SPACE], "--policy", str(folder / "policy.yaml")) as running:
        control_plane.apply(*objects(tree, "Namespace"), *objects(tree, "ServiceAccount"))
        control_plane.apply(*(item for item in objects(tree, "ConfigMap") if item["metadata"]["namespace"] == SPACE))
        control_plane.apply(node)
        yield running
    for name in (f"namespace/{SPACE}", "node/antwerp-1"):
        control_plane.kubectl("delete", name, "--wait=false", "--ignore-not-found")


def pods(plane: ControlPlane, daemon_set: Json) -> list[Json]:
    label = f"kmodgate.io/daemonset={daemon_set['metadata']['name']}"
    return list(plane.get("pods", "-n", SPACE, "-l", label)["items"])


def test_the_pods_of_the_nodes_kernel_are_made_and_no_others(
    control_plane: ControlPlane, webhook: Webhook, tree: Path
) -> None:
    daemon_sets = objects(tree, "DaemonSet")
    for item in daemon_sets:  # the node has no kubelet, and the taint of one that is not ready
        item["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
    control_plane.apply(*daemon_sets)
    wanted = [item for item in daemon_sets if item["metadata"]["annotations"]["kmodgate.io/kernel"] == KERNEL]
    assert len(wanted) == 3
    for item in wanted:
        eventually(lambda item=item: pods(control_plane, item), f"{item['metadata']['name']} has a pod")  # type: ignore[misc]
    for item in daemon_sets:
        if item not in wanted:
            assert pods(control_plane, item) == []
    [pod] = pods(control_plane, next(item for item in wanted if item["metadata"]["name"].startswith("vnic")))
    assert [container["name"] for container in pod["spec"]["containers"]] == ["kernel-module", "device-plugin"]


def test_the_same_pods_by_another_account_are_refused(
    control_plane: ControlPlane, webhook: Webhook, tree: Path
) -> None:
    for item in objects(tree, "DaemonSet"):
        stranger = copy.deepcopy(item)
        stranger["metadata"]["name"] = f"stranger-{item['metadata']['name'][-20:]}"
        stranger["spec"]["template"]["spec"]["serviceAccountName"] = "stranger"
        assert "PRV1" in create(control_plane, stranger)


def test_pod_security_refuses_them_outside_of_the_rendered_namespace(
    control_plane: ControlPlane, webhook: Webhook, tree: Path
) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "guarded", "labels": labels}})
    control_plane.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "vnic", "namespace": "guarded"}}
    )
    item = next(item for item in objects(tree, "DaemonSet") if item["metadata"]["name"].startswith("vnic"))
    template = item["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "guarded"},
        "spec": template["spec"],
    }
    assert "violates PodSecurity" in create(control_plane, pod)
    control_plane.kubectl("delete", "namespace/guarded", "--wait=false")


def create(plane: ControlPlane, item: Json) -> str:
    """What kubectl says to an object that is created by a dry run; nothing where it is allowed."""
    done = plane.kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(item))
    return done.stderr if done.returncode else ""
