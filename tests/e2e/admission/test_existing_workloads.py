"""Turning PRV to enforce on a real API server with real controllers: what was there before goes on, what is new does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import module
from tests.e2e.protection.guarded import role_of
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook, in_force

pytestmark = pytest.mark.timing

Json: TypeAlias = dict[str, Any]

SPACE = "workloads"
ACCOUNT = "system:serviceaccount:kube-system:{}"
REFUSED = "PRV105"


def policy(folder: Path, access: str = "{}") -> Path:
    path = folder / "policy.yaml"
    path.write_text(
        "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: strict}\nspec:\n"
        f"  modes: {{PRV: enforce}}\n  parameters: {{kernelAccess: {access}}}\n"
    )
    return path


def workload(kind: str, name: str, *, privileged: bool = True, **spec: Any) -> Json:
    """A workload of one container, of `apps/v1`."""
    container = {"name": "main", "image": "registry.example.com/main:1", "securityContext": {"privileged": privileged}}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def cron_job(name: str) -> Json:
    template = workload("DaemonSet", name)["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    spec = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": template}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name, "namespace": SPACE}, "spec": spec}


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane, programs: Any) -> Iterator[ControlPlane]:
    """Workloads from before: nobody asks the webhook yet."""
    if programs.controller_manager is None:
        pytest.skip(f"there is no kube-controller-manager in {programs.folder}")
    control_plane.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "agents-1", "labels": {"agents": ""}}},
    )
    agents = workload("DaemonSet", "agent")
    agents["spec"]["template"]["spec"] |= {"nodeSelector": {"agents": ""}, "tolerations": [{"operator": "Exists"}]}
    control_plane.apply(
        workload("Deployment", "old", replicas=1),
        workload("Deployment", "mended", replicas=1),
        agents,
        cron_job("nightly"),
    )
    for name in ("old", "mended", "agent"):
        eventually(lambda name=name: pods(control_plane, name), f"{name} has a pod")  # type: ignore[misc]
    yield control_plane
    for name in (
        f"namespace/{SPACE}",
        "node/agents-1",
        "clusterrolebinding/debug-bob",
        "clusterrolebinding/debug-alice",
    ):
        control_plane.kubectl("delete", name, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="module")
def webhook(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    folder = tmp_path_factory.mktemp("webhook")
    with in_force(plane, folder, ["drivers"], "--policy", str(policy(folder))) as running:
        yield running


def pods(plane: ControlPlane, app: str) -> list[Json]:
    found: list[Json] = plane.get("pods", "-n", SPACE, "-l", f"app={app}")["items"]
    return [item for item in found if "deletionTimestamp" not in item["metadata"]]


def replica_sets(plane: ControlPlane, app: str) -> list[Json]:
    return list(plane.get("replicasets", "-n", SPACE, "-l", f"app={app}")["items"])


def uid_of(plane: ControlPlane, kind: str, name: str) -> str:
    return str(plane.get(kind, name, "-n", SPACE)["metadata"]["uid"])


def made_again(plane: ControlPlane, app: str) -> None:
    """Delete the pods of a workload, as a reboot does, and wait for others."""
    before = {item["metadata"]["uid"] for item in pods(plane, app)}
    plane.kubectl("delete", "pods", "-n", SPACE, "-l", f"app={app}", "--force", "--grace-period=0", check=True)

    def others() -> bool:
        now = {item["metadata"]["uid"] for item in pods(plane, app)}
        return bool(now - before)

    eventually(others, f"{app} has another pod")


def create(plane: ControlPlane, item: Json, **who: Any) -> str:
    """What kubectl says to an object that is created by a dry run; nothing where it is allowed."""
    done = plane.kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(item), **who)
    return done.stderr if done.returncode else ""


def forged(plane: ControlPlane, uid: str) -> Json:
    """A copy of the ReplicaSet of `old` under another name, which says that a Deployment of that uid owns it."""
    item = copy.deepcopy(replica_sets(plane, "old")[0])
    owner = item["metadata"]["ownerReferences"][0] | {"uid": uid}
    item["metadata"] = {"name": "forged", "namespace": SPACE, "labels": {"app": "old"}, "ownerReferences": [owner]}
    return item


def test_what_is_new_is_refused(plane: ControlPlane, webhook: Webhook) -> None:
    for kind in ("Deployment", "DaemonSet", "ReplicaSet"):
        assert REFUSED in create(plane, workload(kind, "new"))
    assert REFUSED in create(plane, cron_job("new"))


def test_an_old_privileged_deployment_is_scaled_to_nothing_and_back(plane: ControlPlane, webhook: Webhook) -> None:
    plane.kubectl("scale", "deployment/old", "-n", SPACE, "--replicas=0", check=True)
    eventually(lambda: not pods(plane, "old"), "no pod is left")
    plane.kubectl("scale", "deployment/old", "-n", SPACE, "--replicas=1", check=True)
    eventually(lambda: pods(plane, "old"), "there is one again")
    plane.kubectl("annotate", "deployment/old", "-n", SPACE, "a=b", check=True)


def test_an_old_privileged_deployment_is_mended(plane: ControlPlane, webhook: Webhook) -> None:
    evil = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil.example.com/a:1"}]
    done = plane.kubectl("patch", "deployment/mended", "-n", SPACE, "--type=json", "-p", json.dumps(evil))
    assert REFUSED in done.stderr
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/securityContext/privileged", "value": False}]
    plane.kubectl("patch", "deployment/mended", "-n", SPACE, "--type=json", "-p", json.dumps(patch), check=True)

    def is_mended() -> bool:
        found = [item["spec"]["containers"][0]["securityContext"].get("privileged") for item in pods(plane, "mended")]
        return bool(found) and False in found

    eventually(is_mended, "a pod without the right runs")


def test_a_replica_set_that_a_user_writes_is_judged_whatever_it_says(plane: ControlPlane, webhook: Webhook) -> None:
    live = uid_of(plane, "deployment", "old")
    assert REFUSED in create(plane, forged(plane, live))
    controller = ACCOUNT.format("deployment-controller")
    assert REFUSED in create(plane, forged(plane, "00000000-0000-4000-8000-000000000000"), as_=controller)
    assert REFUSED in create(
        plane, forged(plane, live), as_=ACCOUNT.format("job-controller"), as_groups=["system:masters"]
    )
    assert create(plane, forged(plane, live), as_=controller) == ""


def test_the_deployment_controller_writes_its_replica_set_again(plane: ControlPlane, webhook: Webhook) -> None:
    before = {item["metadata"]["uid"] for item in replica_sets(plane, "old")}
    plane.kubectl("delete", "replicasets", "-n", SPACE, "-l", "app=old", check=True)
    eventually(lambda: {item["metadata"]["uid"] for item in replica_sets(plane, "old")} - before, "it is there again")
    eventually(lambda: pods(plane, "old"), "and has a pod")
    line = next(
        line for line in webhook.decisions()
        if line["kind"] == "apps/ReplicaSet" and line["name"].startswith("old-") and line["operation"] == "CREATE"
    )  # fmt: skip
    assert (line["allowed"], line["noted"]) == (True, [REFUSED])


def test_a_job_is_made_by_its_cron_jobs_controller_and_by_nobody_else(plane: ControlPlane, webhook: Webhook) -> None:
    done = plane.kubectl("create", "job", "by-hand", "--from=cronjob/nightly", "-n", SPACE, "--dry-run=server")
    assert REFUSED in done.stderr
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "controller": True}
    spec = cron_job("nightly")["spec"]["jobTemplate"]["spec"]
    item = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "night-1", "namespace": SPACE}, "spec": spec}
    item["metadata"]["ownerReferences"] = [owner | {"uid": uid_of(plane, "cronjob", "nightly")}]
    assert create(plane, item, as_=ACCOUNT.format("cronjob-controller")) == ""
    assert REFUSED in create(plane, item)


def test_a_pod_of_an_old_daemon_set_passes_with_a_warning_after_a_reboot(plane: ControlPlane, webhook: Webhook) -> None:
    made_again(plane, "agent")
    line = next(
        line for line in reversed(webhook.decisions())
        if line["kind"] == "Pod" and line.get("letThrough") == f"DaemonSet {SPACE}/agent"
    )  # fmt: skip
    assert (line["allowed"], line["warned"]) == (True, [REFUSED])
    assert 'kmodgate_pods_let_through_total{dry_run="false"} 0.0' not in webhook.page("/metrics")[1]

    def annotated() -> bool:
        events = plane.audited(verb="create", resource="pods", namespace=SPACE)
        values = (event.get("annotations", {}) for event in events)
        return any(
            key.endswith("/let-through") and value == f"DaemonSet {SPACE}/agent"
            for annotations in values
            for key, value in annotations.items()
        )

    eventually(annotated, "the annotation is written")


def test_a_pod_that_a_user_writes_for_an_old_daemon_set_is_refused(plane: ControlPlane, webhook: Webhook) -> None:
    (item,) = pods(plane, "agent")
    metadata = {"name": "forged", "namespace": SPACE, "ownerReferences": item["metadata"]["ownerReferences"]}
    spec = workload("DaemonSet", "agent")["spec"]["template"]["spec"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    assert REFUSED in create(plane, pod)
    metadata["ownerReferences"][0]["uid"] = "00000000-0000-4000-8000-000000000000"
    assert REFUSED in create(plane, pod, as_=ACCOUNT.format("daemon-set-controller"), as_groups=["system:masters"])


def test_debugging_a_node_is_for_who_may_override(plane: ControlPlane, webhook: Webhook) -> None:
    rights = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    ]
    override = {"apiGroups": ["kmodgate.io"], "resources": ["namespaces"], "verbs": ["override"]}
    plane.apply(*role_of("bob", "debug-bob", rights), *role_of("alice", "debug-alice", [*rights, override]))
    command = ("debug", "node/agents-1", "--image=registry.example.com/debug:1", "--profile=sysadmin", "-n", SPACE)
    refused = plane.kubectl(*command, user="bob")
    assert REFUSED in refused.stderr
    plane.kubectl(*command, user="alice", check=True)
    line = next(line for line in reversed(webhook.decisions()) if line["user"] == "alice" and line["kind"] == "Pod")
    assert (line["allowed"], REFUSED in line["noted"]) == (True, True)


@pytest.mark.parametrize("access", ["{existing: refuse}", '{enforcedSince: "2020-01-01T00:00:00Z"}'])
def test_the_existing_is_refused_where_the_policy_says_so_or_it_is_newer(
    plane: ControlPlane, tmp_path: Path, access: str
) -> None:
    with in_force(plane, tmp_path, ["drivers"], "--policy", str(policy(tmp_path, access))) as running:
        plane.kubectl("delete", "pods", "-n", SPACE, "-l", "app=agent", "--force", "--grace-period=0", check=True)
        eventually(
            lambda: any(
                line["kind"] == "Pod"
                and not line["allowed"]
                and line["user"] == ACCOUNT.format("daemon-set-controller")
                for line in running.decisions()
            ),
            "the pod is refused",
        )
    eventually(lambda: pods(plane, "agent"), "without the policy it is there again", seconds=300)


def test_with_all_replicas_down_none_of_it_waits(plane: ControlPlane, tmp_path: Path) -> None:
    with in_force(plane, tmp_path, ["drivers"], "--policy", str(policy(tmp_path))) as running:
        running.process.terminate()
        running.process.wait(20)
        guarded = create(plane, module("nic", "drivers"))
        assert "failed calling webhook" in guarded  # the configurations are in force, and nobody answers
        plane.kubectl("scale", "deployment/old", "-n", SPACE, "--replicas=2", check=True)
        made_again(plane, "agent")
        eventually(lambda: len(pods(plane, "old")) == 2, "the Deployment has another pod")
        for item in (workload("Deployment", "new"), workload("DaemonSet", "new"), cron_job("new")):
            assert create(plane, item) == ""
        assert create(plane, forged(plane, uid_of(plane, "deployment", "old"))) == ""
