"""`kmodgate policy approve`: the approvals that a cluster needs before its policy refuses workloads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy.findings import Mode
from tests.command import run
from tests.policy.node_access.pods import Json, container, modes, mounting, pod, privileged, template

ALL = ("DaemonSet", "Deployment", "StatefulSet", "ReplicaSet", "Job", "CronJob", "Pod")


def placed(item: Json, namespace: str, account: str = "", **metadata: Any) -> Json:
    """The workload in another namespace, under another account."""
    item["metadata"] |= {"namespace": namespace, **metadata}
    spec = item["spec"]
    spec = spec.get("jobTemplate", {"spec": spec})["spec"]
    spec = spec.get("template", {"spec": spec})["spec"]
    if account:
        spec["serviceAccountName"] = account
    return item


def agent(
    kind: str = "apps/DaemonSet", *, name: str = "agent", namespace: str = "agents", account: str = "agent"
) -> Json:
    return placed(template(kind, pod(containers=[privileged()]), name=name), namespace, account)


def dump(folder: Path, *items: Json) -> Path:
    path = folder / "dump.json"
    lists = [{"apiVersion": "v1", "kind": f"{kind}List", "items": []} for kind in ALL]
    path.write_text("\n".join(json.dumps(item) for item in (*lists, *items)))
    return path


def approve(folder: Path, *items: Json, arguments: tuple[str, ...] = ()) -> tuple[list[tuple[str, str]], str]:
    """The accounts that are printed, and the text."""
    done = run("policy", "approve", "--from", str(dump(folder, *items)), *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    approved = yaml.safe_load(done.stdout)["parameters"]["kernelAccess"]["approved"]
    assert all(set(item) == {"namespace", "serviceAccount"} for item in approved)
    return [(item["namespace"], item["serviceAccount"]) for item in approved], done.stdout


@pytest.mark.parametrize(
    "kind", ["apps/DaemonSet", "apps/Deployment", "apps/StatefulSet", "apps/ReplicaSet", "ReplicationController", "batch/Job", "batch/CronJob"]
)  # fmt: skip
def test_each_kind_of_controller_that_would_be_refused_is_printed(tmp_path: Path, kind: str) -> None:
    found, text = approve(tmp_path, agent(kind))
    assert found == [("agents", "agent")]
    assert f"# {kind.rpartition('/')[2]} agents/agent" in text
    assert "needs PRV105: a privileged container can load kernel modules (spec." in text


def test_what_is_printed_makes_the_policy_let_it_through(tmp_path: Path) -> None:
    items = [agent(), agent("apps/Deployment", name="other", account="other"), placed(mounting("/etc/cron.d"), "x")]
    items[2] = placed(template("apps/StatefulSet", mounting("/etc/cron.d")), "cron", "")
    _, text = approve(tmp_path, *items)
    policy = {"modes": {"PRV": "enforce"}, **yaml.safe_load(text)}
    for item in items:
        assert modes(item) == {Mode.ENFORCE}
        assert modes(item, policy) == set()


def test_an_account_is_printed_once_with_all_that_needs_it(tmp_path: Path) -> None:
    first, second = agent(name="one"), agent("apps/Deployment", name="two")
    first["metadata"]["creationTimestamp"] = "2025-01-02T03:04:05Z"
    found, text = approve(tmp_path, first, second)
    assert found == [("agents", "agent")]
    assert "# DaemonSet agents/one, since 2025-01-02T03:04:05Z" in text
    assert "# Deployment agents/two" in text


def test_accounts_without_a_name_and_those_that_need_nothing(tmp_path: Path) -> None:
    harmless = placed(template("apps/Deployment", pod()), "shop")
    found, _ = approve(tmp_path, harmless, agent(account=""))
    assert found == [("agents", "default")]
    assert approve(tmp_path, harmless)[0] == []


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"deletionTimestamp": "2025-01-02T03:04:05Z"}},
        {"spec": {"replicas": 0}},
        {"spec": {"suspend": True}},
        {"status": {"desiredNumberScheduled": 0}},
    ],
)
def test_what_does_not_run_needs_nothing(tmp_path: Path, change: Json) -> None:
    item = agent()
    for key, value in change.items():
        item[key] = {**item.get(key, {}), **value}
    assert approve(tmp_path, item)[0] == []


def test_a_job_that_is_over_and_a_pod_of_nobody_need_nothing(tmp_path: Path) -> None:
    over = agent("batch/Job") | {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    mirror = placed(pod(containers=[privileged()]), "agents")
    mirror["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": "n", "controller": True}]
    assert approve(tmp_path, over, placed(pod(containers=[privileged()]), "agents"), mirror)[0] == []


def test_pods_that_a_controller_of_another_kind_makes_are_printed(tmp_path: Path) -> None:
    item = placed(pod(containers=[privileged()]), "vendor", "node")
    item["metadata"]["ownerReferences"] = [
        {"apiVersion": "vendor.example.com/v1", "kind": "NodeAgent", "name": "a", "controller": True}
    ]
    found, text = approve(tmp_path, item)
    assert found == [("vendor", "node")]
    assert "of NodeAgent a" in text


def test_what_another_object_of_the_dump_makes_is_told_of_that_alone(tmp_path: Path) -> None:
    child = agent("apps/ReplicaSet", name="agent-1", account="old")
    child["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "agent", "uid": "u", "controller": True}
    ]
    assert approve(tmp_path, agent("apps/Deployment"), child)[0] == [("agents", "agent")]
    assert approve(tmp_path, child)[0] == [("agents", "old")]


def test_what_is_approved_already_or_never_asked_about_is_left_out(tmp_path: Path) -> None:
    known = [
        agent(namespace="kube-system", account="own"),
        agent(namespace="kmodgate-system"),
        agent(namespace="longhorn-system", account="longhorn-service-account"),
    ]
    assert approve(tmp_path, *known)[0] == []
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\nspec:\n"
        "  parameters: {kernelAccess: {approved: [{namespace: agents, serviceAccount: agent}]}}\n"
    )
    assert approve(tmp_path, agent(), arguments=("--policy", "policy.yaml"))[0] == []
    platform = agent(namespace="openshift-own")
    assert approve(tmp_path, platform)[0] == [("openshift-own", "agent")]
    assert approve(tmp_path, platform, arguments=("--platform", "openshift"))[0] == []


def test_only_what_the_policy_will_refuse_counts(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\nspec:\n"
        "  modes: {PRV101: enforce, PRV105: audit}\n"
    )
    assert approve(tmp_path, agent(), arguments=("--policy", "policy.yaml"))[0] == []


def test_pods_in_kata_need_no_approval_for_their_guest(tmp_path: Path) -> None:
    item = placed(template("apps/Deployment", pod(containers=[privileged()], runtimeClassName="vm")), "vms")
    kata = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "vm"}, "handler": "kata-qemu"}
    assert approve(tmp_path, item, kata)[0] == []
    assert approve(tmp_path, item, kata | {"handler": "runc"})[0] == [("vms", "default")]


def test_nothing_in_a_dump_adds_an_entry_of_its_own(tmp_path: Path) -> None:
    evil = "/etc\n    - namespace: evil\n      serviceAccount: evil\n"
    item = placed(template("apps/DaemonSet", mounting(evil)), "agents", "agent", creationTimestamp="x\n- y")
    item["metadata"]["name"] = "a\n    - namespace: evil\n      serviceAccount: evil"
    assert approve(tmp_path, item)[0] == [("agents", "agent")]


def test_a_name_that_yaml_would_read_as_another_type_is_text(tmp_path: Path) -> None:
    assert approve(tmp_path, agent(namespace="1e3", account="no"))[0] == [("1e3", "no")]


def test_a_dump_without_workloads_is_no_dump_for_this(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "NodeList", "items": []}))
    done = run("policy", "approve", "--from", str(path), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "kubectl get daemonsets" in done.stderr
    assert run("policy", "approve", "--from", str(tmp_path / "none"), cwd=tmp_path).returncode == 2


def test_it_writes_no_file(tmp_path: Path) -> None:
    path = dump(tmp_path, agent(), placed(template("apps/Deployment", pod(containers=[container()])), "shop"))
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    done = run("policy", "approve", "--from", str(path), cwd=tmp_path)
    assert "1 ServiceAccount for 1 workload; nothing was written" in done.stderr
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before
