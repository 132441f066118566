"""Pods that are left as they are, each with its reason."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Mode
from kmodgate.policy.kata.view import NOT_INJECTABLE, Reason
from kmodgate.policy.mutations.kata_injection import Injection
from kmodgate.policy.review import Review
from kmodgate.policy.views.pod import POD_KINDS, TEMPLATES, WORKLOAD_KINDS
from tests.policy.kata.kata_pods import FACTS, GVISOR, ID, dkms_pod, injection

NO_CLASS = SnapshotFacts([GVISOR], {"RuntimeClass"})
STALE = SnapshotFacts([])


def owned(group: str, kind: str) -> dict[str, Any]:
    pod = dkms_pod()
    pod["metadata"]["ownerReferences"] = [{"apiVersion": group, "kind": kind, "name": "x", "controller": True}]
    return pod


def annotated(**annotations: str) -> dict[str, Any]:
    pod = dkms_pod()
    pod["metadata"]["annotations"] = annotations
    return pod


def mounting(path: str, *, privileged: bool = True) -> dict[str, Any]:
    pod = dkms_pod(volumes=[{"name": "host", "hostPath": {"path": path}}])
    (container,) = pod["spec"]["containers"]
    container["volumeMounts"] = [{"name": "host", "mountPath": "/host"}]
    container["securityContext"]["privileged"] = privileged
    return pod


def mounted_at(path: str) -> dict[str, Any]:
    pod = dkms_pod(volumes=[{"name": "scratch", "emptyDir": {}}])
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "scratch", "mountPath": path}]
    return pod


def with_variable(name: str, value: str) -> dict[str, Any]:
    pod = dkms_pod()
    pod["spec"]["initContainers"] = [{"name": "prepare", "env": [{"name": name, "value": value}]}]
    return pod


NOT_INJECTED = [
    (dkms_pod(hostNetwork=True), Reason.HOST_NETWORK),
    (dkms_pod(hostPID=True), Reason.HOST_PID),
    (dkms_pod(hostIPC=True), Reason.HOST_IPC),
    (mounting("/usr/src"), Reason.HOST_PATH),
    (mounting("/dev/kvm"), Reason.HOST_DEVICES),
    (mounting("//dev/../dev/"), Reason.HOST_DEVICES),
    (mounting("/dev", privileged=False), Reason.HOST_DEVICES),
    (mounted_at("/dev/."), Reason.DEV_MOUNT),
    (mounted_at("//dev/kvm"), Reason.DEV_MOUNT),
    (owned("apps/v1", "DaemonSet"), Reason.DAEMONSET_POD),
    (owned("kmm.sigs.x-k8s.io/v1beta1", "NodeModulesConfig"), Reason.KMM_POD),
    (annotated(**{"kubernetes.io/config.mirror": "0f"}), Reason.MIRROR_POD),
    (with_variable("REMOTE_BUILD_NODE", "x3000c0s19b1n0"), Reason.REMOTE_BUILD),
    (dkms_pod(runtimeClassName="kata-qemu"), Reason.ALREADY_KATA),
    (dkms_pod(runtimeClassName="kata-site"), Reason.OTHER_CLASS),
    (dkms_pod(runtimeClassName="gvisor"), Reason.OTHER_CLASS),
    (dkms_pod(runtimeClassName=["kata"]), Reason.MALFORMED),
    (dkms_pod(nodeSelector={"katacontainers.io/kata-runtime": "false"}), Reason.NODE_SELECTOR),
]

IMS = "system:serviceaccount:services:ims-service-launch-job"
REMOTE = with_variable("REMOTE_BUILD_NODE", "x3000c0s19b1n0")
REMOTE["metadata"]["ownerReferences"] = [{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "controller": True}]


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("system:serviceaccount:kube-system:job-controller", Reason.REMOTE_BUILD),
        ("system:kube-controller-manager", Reason.REMOTE_BUILD),
        (IMS, Reason.REMOTE_BUILD),
        ("system:serviceaccount:ims:ims-service-job-mount", Reason.INJECTED),
        ("alice", Reason.INJECTED),
    ],
)
def test_a_build_elsewhere_is_believed_of_the_pods_of_ims_only(user: str, reason: Reason) -> None:
    assert injection(REMOTE, user=user).reason is reason


def test_a_build_elsewhere_is_not_believed_of_pods_of_other_workloads() -> None:
    pod = copy.deepcopy(REMOTE)
    pod["metadata"]["ownerReferences"][0] |= {"apiVersion": "apps/v1", "kind": "ReplicaSet"}
    assert injection(pod, user="system:kube-controller-manager").reason is Reason.INJECTED


def workload(kind: str, pod: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A workload of pods like one, in the namespace of IMS."""
    group, _, name = kind.rpartition("/")
    object: dict[str, Any] = {"apiVersion": f"{group}/v1" if group else "v1", "kind": name}
    object["metadata"] = {"name": "any", "namespace": "ims", **metadata}
    place = object
    for step in TEMPLATES[kind][:-1]:
        place = place.setdefault(str(step), {})
    place["template"] = {"metadata": {"labels": pod["metadata"]["labels"]}, "spec": pod["spec"]}
    return object


def rules_about(object: dict[str, Any], **known: Any) -> dict[str, Mode]:
    found = Engine(read_policy({}), "admit").evaluate(Review(object, facts=FACTS, **known))
    return {finding.rule: finding.mode for finding in found}


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
@pytest.mark.parametrize("name", ["any", f"cray-ims-{ID}-create"])
@pytest.mark.parametrize("app", ["any", f"ims-{ID}-create"])
def test_a_build_elsewhere_is_refused_of_the_workloads_of_others(kind: str, name: str, app: str) -> None:
    pod = copy.deepcopy(REMOTE)
    pod["metadata"]["labels"]["app"] = app
    object = workload(kind, pod, name=name)
    users = ("alice", "system:serviceaccount:kube-system:cronjob-controller", "system:kube-controller-manager")
    for user in users:
        assert rules_about(object, user=user)["KTA114"] is Mode.ENFORCE
    assert "KTA114" not in rules_about(object, user=IMS)


def test_a_job_of_ims_that_directs_a_build_elsewhere_is_only_noted() -> None:
    found = rules_about(workload("batch/Job", REMOTE, name=f"cray-ims-{ID}-create"), user=IMS)
    assert (found["KTA102"], "KTA114" in found) == (Mode.AUDIT, False)


def test_a_job_of_another_that_needs_no_kata_may_say_what_it_wants() -> None:
    pod = with_variable("REMOTE_BUILD_NODE", "x")
    pod["spec"] |= {"serviceAccountName": "other"}
    pod["spec"]["containers"][0]["env"][0]["value"] = "False"
    pod["spec"]["containers"][0].pop("securityContext")
    assert "KTA114" not in rules_about(workload("batch/Job", pod), user="alice")


def test_who_changes_a_workload_but_not_its_spec_is_not_asked_who_made_it() -> None:
    object = workload("batch/Job", REMOTE)
    changed = workload("batch/Job", REMOTE, annotations={"a": "b"})
    assert "KTA114" not in rules_about(changed, old=object, operation="UPDATE", user="alice")
    other = workload("batch/Job", dkms_pod())
    assert "KTA114" in rules_about(changed, old=other, operation="UPDATE", user="alice")


def test_a_build_elsewhere_names_a_node() -> None:
    assert injection(with_variable("REMOTE_BUILD_NODE", " ")).reason is Reason.INJECTED


def test_shared_memory_of_its_own_is_no_device() -> None:
    assert injection(mounted_at("/dev/shm")).reason is Reason.INJECTED


@pytest.mark.parametrize(("pod", "reason"), NOT_INJECTED, ids=[str(reason) for _, reason in NOT_INJECTED])
def test_what_kata_cannot_take_is_left_as_it_is_with_a_reason(pod: dict[str, Any], reason: Reason) -> None:
    assert injection(pod) == Injection([], reason)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [(NO_CLASS, Reason.CLASS_MISSING), (STALE, Reason.CLASS_UNKNOWN), (None, Reason.CLASS_UNKNOWN)],
)
def test_no_pod_is_sent_to_a_class_that_is_not_known_to_be_there(facts: SnapshotFacts | None, reason: Reason) -> None:
    assert injection(dkms_pod(), facts) == Injection([], reason)


def test_every_reason_not_to_inject_has_words_and_a_case() -> None:
    told = {reason for _, reason in NOT_INJECTED}
    told |= {Reason.CLASS_MISSING, Reason.CLASS_UNKNOWN, Reason.CLASS_NOT_KATA}  # of which facts tell
    assert told - {Reason.ALREADY_KATA} == set(NOT_INJECTABLE)


def test_pods_that_kmm_makes_are_never_touched() -> None:
    found = injection(dkms_pod(), user="system:serviceaccount:openshift-kmm:kmm-operator-controller")
    assert found == Injection([], Reason.KMM_POD)
    named = read_policy({"parameters": {"controllers": ["system:serviceaccount:kmm:c"]}}).parameters
    assert injection(dkms_pod(), user="system:serviceaccount:kmm:c", parameters=named).reason is Reason.KMM_POD


@pytest.mark.parametrize(
    "more",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE"},
        {"subresource": "ephemeralcontainers"},
        {"subresource": "status"},
    ],
)
def test_only_new_pods_are_changed(more: dict[str, str]) -> None:
    assert injection(dkms_pod(), **more) == Injection([], Reason.NOT_A_NEW_POD)


@pytest.mark.parametrize("kind", sorted(set(POD_KINDS) - {"Pod"}))
def test_workloads_are_never_changed(kind: str) -> None:
    group, _, name = kind.rpartition("/")
    workload = {**dkms_pod(), "kind": name, "apiVersion": f"{group}/v1" if group else "v1"}
    assert injection(workload) == Injection([], Reason.NOT_A_NEW_POD)
