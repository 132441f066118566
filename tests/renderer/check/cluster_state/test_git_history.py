"""`kmodgate check` compares with the last commit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.command import run
from tests.fleets import FleetFolder, git
from tests.renderer.checking import GOOD, findings


def test_a_deleted_module_and_one_that_moved_to_another_file_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    for name in ("gone", "moved"):
        module = yaml.safe_load(GOOD)
        module["metadata"]["name"] = name
        (folder / f"{name}.json").write_text(json.dumps(module))
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "two")
    (folder / "gone.json").unlink()
    moved = json.loads((folder / "moved.json").read_text())
    (folder / "moved.json").unlink()
    moved["spec"]["moduleLoader"]["container"]["version"] = "1"
    (folder / "elsewhere.json").write_text(json.dumps(moved))
    result = run("check", "plain", cwd=tmp_path)
    assert "warning[GIT001] Module drivers/gone: metadata.name: Module drivers/gone was deleted" in result.stdout
    assert "plain/elsewhere.json:1:389: error[KMM601] Module drivers/moved" in result.stdout
    assert result.stdout.count("GIT001") == 1


@pytest.fixture
def committed(fleet: FleetFolder) -> FleetFolder:
    fleet.write("drivers/Dockerfile", "FROM a:1\n")
    fleet.driver("nic", "version: '1.0'\nserviceAccountName: old\nbuild: {dockerfile: ./Dockerfile}")
    git(fleet.root.parent, "init", "-q")
    git(fleet.root.parent, "add", "-A")
    git(fleet.root.parent, "commit", "-qm", "first")
    return fleet


def rules(folder: Path, *arguments: str) -> list[tuple[str, str, int]]:
    return [
        (item["rule"], item["specField"], item["line"])
        for item in findings(run("check", *arguments, "--format", "json", cwd=folder))
        if item["mode"] in ("enforce", "warn")
    ]


def test_a_change_that_does_nothing_or_is_forbidden_is_found_before_the_commit(committed: FleetFolder) -> None:
    assert rules(committed.root) == []
    committed.write("drivers/Dockerfile", "FROM a:2\n")
    assert rules(committed.root) == [("GIT101", "spec.containerImage", 9)]
    committed.driver("nic", "serviceAccountName: new\nbuild: {dockerfile: ./Dockerfile}")
    assert {rule for rule, _, _ in rules(committed.root, "drivers/nic.yaml")} == {"GIT101", "GIT102", "KMM601"}
    assert run("check", cwd=committed.root).returncode == 1
    git(committed.root, "commit", "-qam", "second")
    assert rules(committed.root) == []
    assert {rule for rule, _, _ in rules(committed.root, "--against", "HEAD~1")} == {"GIT101", "GIT102", "KMM601"}


MAPPED = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: nic-dockerfile, namespace: drivers}
data: {dockerfile: "FROM quay.io/acme/base:1"}
"""

BUILT = GOOD.replace(
    "      kernelMappings:", "      build: {dockerfileConfigMap: {name: nic-dockerfile}}\n      kernelMappings:"
)


def test_a_dockerfile_that_changed_in_its_config_map_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "module.yaml").write_text(BUILT)
    (tmp_path / "dockerfile.yaml").write_text(MAPPED)
    (tmp_path / "both.yaml").write_text(f"{MAPPED}---\n{BUILT}".replace("namespace: drivers", "namespace: other"))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    assert rules(tmp_path) == []
    for name in ("both.yaml", "dockerfile.yaml"):
        path = tmp_path / name
        path.write_text(path.read_text().replace("base:1", "base:2"))
    report = findings(run("check", "--format", "json", cwd=tmp_path))
    told = [(item["rule"], item["file"], item["field"]) for item in report if item["mode"] == "warn"]
    image = "spec.moduleLoader.container.containerImage"
    assert told == [("GIT104", "both.yaml", image), ("GIT104", "module.yaml", image)]
    (tmp_path / "module.yaml").write_text(BUILT.replace("nic:1.0", "nic:1.1"))
    (tmp_path / "both.yaml").write_text((tmp_path / "both.yaml").read_text().replace("nic:1.0", "nic:1.1"))
    assert rules(tmp_path) == []


def test_an_attached_dockerfile_that_changed_is_not_built(fleet: FleetFolder) -> None:
    fleet.write("drivers/df.yaml", MAPPED.replace(", namespace: drivers", ""))
    fleet.driver("nic", "attach: [./df.yaml]\nbuild: {dockerfileConfigMap: nic-dockerfile}")
    git(fleet.root.parent, "init", "-q")
    git(fleet.root.parent, "add", "-A")
    git(fleet.root.parent, "commit", "-qm", "first")
    assert rules(fleet.root) == []
    fleet.write("drivers/df.yaml", MAPPED.replace(", namespace: drivers", "").replace("base:1", "base:2"))
    assert [rule for rule, _, _ in rules(fleet.root)] == ["GIT104"]


def test_a_module_that_would_leave_is_found_before_the_commit(committed: FleetFolder) -> None:
    path = committed.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("{matchLabels: {tier: edge}}", "{names: [lyon]}"))
    committed.cluster("lyon")
    result = run("check", cwd=committed.root)
    assert result.returncode == 1
    assert (
        "drivers/nic.yaml:5:3: error[GIT001] spec.clusters: Module kmm-tests/nic would leave 1 cluster (paris)"
        in result.stdout
    )
    committed.driver("nic", "state: absent")
    assert rules(committed.root) == []


def test_a_rendered_tree_is_compared_file_by_file(committed: FleetFolder) -> None:
    committed.render()
    git(committed.root, "add", "-A")
    git(committed.root, "commit", "-qm", "tree")
    module = committed.root / "rendered/paris/nic/module-nic.yaml"
    module.write_text(module.read_text().replace('version: "1.0"', 'version: ""'))
    found = findings(run("check", "rendered", "--format", "json", cwd=committed.root))
    assert [(item["rule"], item["file"]) for item in found if item["mode"] == "enforce"] == [
        ("KMM601", "rendered/paris/nic/module-nic.yaml")
    ]


def test_a_revision_that_does_not_exist_is_unusable(committed: FleetFolder, tmp_path: Path) -> None:
    result = run("check", "--against", "nowhere", cwd=committed.root)
    assert result.returncode == 2
    assert "--against nowhere: no such revision" in result.stderr
    option = run("check", "--against", "--output=x", cwd=committed.root)
    assert option.returncode == 2


def test_a_managed_cluster_that_loses_a_drivers_label_is_compared_with_the_last_commit(tmp_path: Path) -> None:
    head = "apiVersion: cluster.open-cluster-management.io/v1\nkind: ManagedCluster\nmetadata: {name: paris, labels: "
    (tmp_path / "hub").mkdir()
    file = tmp_path / "hub/paris.yaml"
    file.write_text(head + "{tier: edge}}\n")
    selected = {"selector": {"tier": "edge"}, "spokeNamespace": "drivers", "moduleSpec": {"selector": {"a": "b"}}}
    module = {"apiVersion": "hub.kmm.sigs.x-k8s.io/v1beta1", "kind": "ManagedClusterModule", "spec": selected}
    (tmp_path / "hub/nic.json").write_text(json.dumps({**module, "metadata": {"name": "nic"}}))
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "selected")
    assert "unloads" not in run("check", "hub", cwd=tmp_path).stdout
    file.write_text(head + "{tier: core}}\n")
    result = run("check", "hub", cwd=tmp_path)
    assert "hub/paris.yaml:3:" in result.stdout
    assert "warning[HUB201] ManagedCluster paris: metadata.labels.tier: unloads nic on cluster paris" in result.stdout
