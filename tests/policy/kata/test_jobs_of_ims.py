"""A Job of the Image Management Service is never refused for Kata: it would wait for ever, and its pods are looked at."""

from __future__ import annotations

from typing import Any

import pytest

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import Gate, Profile, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Mode
from kmodgate.policy.kata.ims_jobs import USER
from kmodgate.policy.review import Review
from kmodgate.policy.rule import RULES, load_rules
from kmodgate.policy.views.pod import WORKLOAD_KINDS
from tests.policy.kata.kata_pods import dkms_pod

JOB = "cray-ims-0d1e2f3a-1111-2222-3333-444455556666-customize"
NO_CLASSES = SnapshotFacts([], {"RuntimeClass"})


def job(name: str = JOB) -> dict[str, Any]:
    """A job with everything that a rule about Kata refuses in a pod."""
    pod = dkms_pod()
    pod["metadata"]["annotations"] = {"io.katacontainers.config_path": "/opt/own.toml"}
    pod["spec"] |= {"hostNetwork": True, "volumes": [{"name": "dev", "hostPath": {"path": "/dev/sda"}}]}
    pod["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "56"}}
    template = {"metadata": pod["metadata"], "spec": pod["spec"]}
    metadata = {"name": name, "namespace": "ims"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}


def refused(item: dict[str, Any], profile: Profile, gate: Gate, user: str = "") -> set[str]:
    policy = read_policy({"profile": profile, "modes": {"KTA": "enforce"}})
    found = Engine(policy, gate).evaluate(Review(item, facts=NO_CLASSES, user=user))
    return {finding.rule for finding in found if finding.mode is Mode.ENFORCE and finding.rule.startswith("KTA")}


@pytest.mark.parametrize("profile", ["default", "strict"])
def test_admission_only_warns_of_a_job_of_ims(profile: Profile) -> None:
    assert refused(job(), profile, "admit", USER) == set()
    assert {"KTA103", "KTA115"} <= refused(job(), profile, "check")


def test_every_rule_that_may_refuse_a_workload_for_kata_spares_the_jobs_of_ims() -> None:
    load_rules()
    review = Review(job(), facts=NO_CLASSES, user=USER)
    rules = [item for item in RULES.values() if item.id.startswith("KTA") and set(item.kinds) & set(WORKLOAD_KINDS)]
    assert rules
    assert [item.id for item in rules if not (item.spares and item.spares(review))] == []


def test_a_job_of_anybody_else_is_refused_where_the_policy_says_so() -> None:
    item = job("build")
    item["metadata"]["namespace"] = "dkms"
    policy = read_policy({"modes": {"KTA": "enforce"}, "parameters": {"kata": {"work": {"namespaces": ["dkms"]}}}})
    found = Engine(policy, "admit").evaluate(Review(item, facts=NO_CLASSES, user="alice"))
    assert "KTA103" in {finding.rule for finding in found if finding.mode is Mode.ENFORCE}


def test_the_sum_of_cpus_refuses_no_pod_of_ims() -> None:
    pod = dkms_pod(runtimeClassName="kata-qemu")
    pod["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "56"}}
    assert "KTA110" not in refused(pod, "strict", "admit", "system:serviceaccount:kube-system:job-controller")
