"""`kata.imsJobs: all`: every job of IMS that is not remote runs in Kata."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.config import Policy, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Mode
from kmodgate.policy.kata.ims_jobs import USER
from kmodgate.policy.kata.view import Reason
from kmodgate.policy.review import Review
from tests.policy.kata.kata_pods import FACTS, ID, dkms_pod, injection, parameters

ALL = parameters(imsJobs="all")
JOB_CONTROLLER = "system:serviceaccount:kube-system:job-controller"


def plain_pod(kind: str = "customize", **env: str) -> dict[str, Any]:
    """A pod of IMS without DKMS, as its Job has it: `prepare` is privileged all the same."""
    pod = dkms_pod(serviceAccountName="default")
    variables = [{"name": name, "value": value} for name, value in {"JOB_ENABLE_DKMS": "False", **env}.items()]
    prepare = {"name": "prepare", "env": variables, "securityContext": {"privileged": True}}
    pod["spec"] |= {"initContainers": [prepare], "containers": [{"name": "sshd", "env": variables}]}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": f"cray-ims-{ID}-{kind}", "uid": "1", "controller": True}
    pod["metadata"] |= {"labels": {"app": f"ims-{ID}-{kind}"}, "ownerReferences": [owner]}
    return pod


@pytest.mark.parametrize("kind", ["create", "customize"])
def test_a_job_without_dkms_runs_in_kata_only_if_the_policy_says_all(kind: str) -> None:
    pod = plain_pod(kind)
    assert injection(pod, user=JOB_CONTROLLER).reason is Reason.NOT_DKMS_WORK
    assert injection(pod, user=JOB_CONTROLLER, parameters=parameters(imsJobs="dkms")).reason is Reason.NOT_DKMS_WORK
    assert injection(pod, user=JOB_CONTROLLER, parameters=ALL).reason is Reason.INJECTED


def test_a_build_on_a_remote_node_is_left_alone() -> None:
    remote = plain_pod(REMOTE_BUILD_NODE="x3000c0s19b1n0")
    assert injection(remote, user=JOB_CONTROLLER, parameters=ALL).patch == []
    found = Engine(Policy(parameters=ALL), "admit").evaluate(Review(remote, facts=FACTS, user=JOB_CONTROLLER))
    assert [item.rule for item in found if item.mode is Mode.ENFORCE] == []


def test_who_is_not_ims_cannot_have_a_job_taken_for_a_remote_one() -> None:
    remote = plain_pod(REMOTE_BUILD_NODE="x3000c0s19b1n0")
    assert injection(remote, user="alice", parameters=ALL).reason is Reason.INJECTED
    template = {"metadata": {"labels": remote["metadata"]["labels"]}, "spec": remote["spec"]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "any", "namespace": "ims"}}
    job["spec"] = {"template": template}  # type: ignore[assignment]
    for user, rules in (("alice", {"KTA114"}), (USER, set())):
        found = Engine(Policy(parameters=ALL), "admit").evaluate(Review(job, facts=FACTS, user=user))
        assert {item.rule for item in found if item.mode is Mode.ENFORCE} == rules


def test_pods_of_cfs_are_left_alone() -> None:
    pod = plain_pod()
    labels = {"app.kubernetes.io/name": "cray-cfs-aee", "cfsession": "s"}
    pod["metadata"] |= {"namespace": "services", "labels": labels}
    assert injection(pod, user=JOB_CONTROLLER, parameters=ALL).reason is Reason.NOT_DKMS_WORK


def test_other_pods_of_the_namespace_are_none_of_its_jobs() -> None:
    pod = plain_pod()
    pod["metadata"]["labels"] = {"app": "ims-tools"}
    assert injection(pod, parameters=ALL).reason is Reason.NOT_DKMS_WORK


def test_a_pod_that_is_not_put_there_is_refused() -> None:
    found = Engine(Policy(parameters=ALL), "admit").evaluate(Review(plain_pod(), facts=FACTS, user=JOB_CONTROLLER))
    assert [item.rule for item in found if item.mode is Mode.ENFORCE] == ["KTA101"]


def test_a_policy_that_says_the_default_has_the_same_hash() -> None:
    assert read_policy({"parameters": {"kata": {"imsJobs": "dkms"}}}).digest == Policy().digest
    assert read_policy({"parameters": {"kata": {"imsJobs": "all"}}}).digest != Policy().digest
