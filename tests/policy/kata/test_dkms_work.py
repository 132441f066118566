"""Pods and Jobs that count as DKMS work."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy.kata.ims_jobs import ims_job
from kmodgate.policy.kata.view import Reason
from kmodgate.policy.mutations.kata_injection import Injection
from kmodgate.policy.review import Review
from kmodgate.policy.views.pod import PodView
from tests.command import run
from tests.oracle import lines
from tests.policy.kata.kata_pods import ID, dkms_pod, injection, parameters


def test_what_is_no_dkms_work_is_left_as_it_is() -> None:
    pod = dkms_pod()
    pod["metadata"]["namespace"] = "services"
    assert injection(pod) == Injection([], Reason.NOT_DKMS_WORK)
    assert injection(pod, parameters=parameters(imsNamespace="services")).reason is Reason.INJECTED


@pytest.mark.parametrize(
    ("work", "is_work"),
    [
        ({"namespaces": ["builds"]}, True),
        ({"namespaces": ["build"]}, False),
        ({"serviceAccounts": ["builds/default"]}, True),
        ({"serviceAccounts": ["builds/other", "other/default"]}, False),
        ({"podLabels": [{"a": "1", "b": "2"}]}, True),
        ({"podLabels": [{"a": "1", "b": "3"}, {"c": "1"}]}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_the_policy_names_more_by_namespace_service_account_or_labels(work: dict[str, Any], is_work: bool) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "b", "namespace": "builds", "labels": {"a": "1", "b": "2"}},
        "spec": {"containers": []},
    }
    assert bool(Review(pod, parameters=parameters(work=work)).kata.work) is is_work


def _recorded() -> list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """The pod and the Job of every recorded decision of IMS, with its outcome."""
    found = []
    for case in lines("ims-decisions"):
        outcome = case["outcome"]
        if "containers" not in outcome or "is_remote" not in outcome:
            continue  # no job, or one of which a later step failed
        spec = {"serviceAccountName": outcome["serviceAccountName"], "containers": [], "initContainers": []}
        for item in outcome["containers"]:
            env = [{"name": name, "value": value} for name, value in item["env"].items()]
            container = {"name": item["name"], "env": env, "securityContext": {"privileged": item["privileged"]}}
            spec["initContainers" if item["init"] else "containers"].append(container)
        template = {"metadata": {"labels": outcome["pod"]["labels"]}, "spec": spec}
        pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(template)}
        pod["metadata"]["namespace"] = outcome["job"]["namespace"]
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": outcome["job"], "spec": {"template": template}}
        found.append((*(json.loads(json.dumps(item).replace("<ID>", ID)) for item in (pod, job)), outcome))
    return found


@pytest.mark.shared
def test_pods_and_jobs_of_the_real_service_are_recognised_for_what_they_are() -> None:
    cases = _recorded()
    assert len(cases) > 300
    for pod, job, outcome in cases:
        for view in (PodView(pod, "Pod"), PodView(job, "batch/Job")):
            found = ims_job(view, view.namespace)
            assert found is not None
            assert (found.id, found.kind) == (ID, outcome["job"]["name"].rpartition("-")[2])
            assert found.recipe == ("kiwi-ng" if found.kind == "create" else "")
            assert found.is_dkms is (outcome["enable_dkms"] == "True")
            assert found.is_remote is outcome["is_remote"]
            assert found.is_emulated is (outcome["arch"] == "aarch64")
            assert ims_job(view, "other") is None


@pytest.mark.shared
def test_every_local_dkms_pod_that_the_real_service_leaves_without_a_class_is_put_into_kata() -> None:
    reasons = set()
    for pod, _, outcome in _recorded():
        found = injection(pod, parameters=parameters(imsNamespace=pod["metadata"]["namespace"]))
        reasons.add(found.reason)
        needs = outcome["enable_dkms"] == "True" and not outcome["is_remote"]
        assert (found.reason is Reason.INJECTED) is needs, outcome["job"]
    assert reasons == {Reason.INJECTED, Reason.REMOTE_BUILD, Reason.NOT_DKMS_WORK}


@pytest.mark.parametrize(
    "label", [f"ims-{ID}-create\n", f"ims-{ID}-build", f"ims-{ID[:-1]}-create", f"ims-{ID.upper()}-create", f"x-ims-{ID}-create"]
)  # fmt: skip
def test_a_label_that_is_not_quite_that_of_ims_is_another_pods(label: str) -> None:
    pod = dkms_pod()
    pod["metadata"]["labels"]["app"] = label
    assert ims_job(PodView(pod, "Pod"), "ims") is None


def test_check_judges_pods_and_workloads_of_a_tree_by_the_same_rules(tmp_path: Path) -> None:
    build = dkms_pod(hostNetwork=True)
    loader = dkms_pod(volumes=[{"name": "m", "hostPath": {"path": "/lib/modules"}}])
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"cray-ims-{ID}-create", "namespace": "ims"},
        "spec": {"template": {"spec": loader["spec"]}},
    }
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all([build, job]))
    report = json.loads(run("check", ".", "--format", "json", cwd=tmp_path).stdout)
    assert [(item["rule"], item["mode"], item["field"]) for item in report["findings"] if item["mode"] != "audit"] == [
        ("KTA101", "enforce", "spec.hostNetwork"),
        ("KTA103", "warn", "spec.template.spec.volumes[0].hostPath"),
    ]
    assert {item["rule"] for item in report["findings"]} >= {"PRV105"}
