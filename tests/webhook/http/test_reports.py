"""Events and metrics about what hangs on an answer: Jobs whose pods are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.kata import refused_jobs
from kmodgate.policy.review import Review
from kmodgate.webhook.admission.reported import JobPod, job_pod
from kmodgate.webhook.http.reports import Reports
from kmodgate.webhook.telemetry.metrics import Metrics
from tests.policy.kata.kata_pods import FACTS, dkms_pod

JOB_CONTROLLER = "system:serviceaccount:kube-system:job-controller"


def pod_of_job(number: int = 1, **spec: Any) -> dict[str, Any]:
    pod = dkms_pod(**spec)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": f"job-{number}", "uid": f"u{number}", "controller": True}
    pod["metadata"]["ownerReferences"] = [owner]
    return pod


def reported(pod: dict[str, Any], user: str = JOB_CONTROLLER, **more: Any) -> JobPod | None:
    review = Review(pod, facts=FACTS, user=user, **more)
    return job_pod(review, Engine(Policy(), "admit").evaluate(review))


class Cluster:
    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.metrics = Metrics()
        self.reports = Reports(self._post)
        self.reports.expose(self.metrics)

    async def _post(self, namespace: str, event: Mapping[str, Any]) -> None:
        assert namespace == event["metadata"]["namespace"] == "ims"
        self.events.append(event)

    def tell(self, *pods: dict[str, Any]) -> None:
        for pod in pods:
            report = reported(pod)
            assert report is not None
            asyncio.run(self.reports.tell(report))

    def shown(self) -> list[str]:
        lines = self.metrics.page().decode().splitlines()
        return [line for line in lines if line.startswith("kmodgate_job_pods_refused{")]


def test_a_job_whose_pod_is_refused_gets_one_event_and_is_counted() -> None:
    cluster = Cluster()
    cluster.tell(pod_of_job(hostNetwork=True), pod_of_job(hostNetwork=True))
    (event,) = cluster.events
    assert event["reason"] == "KataPodRefused" == refused_jobs.REASON
    assert event["message"].startswith("the pod of this Job is refused: [KTA101] spec.hostNetwork: ")
    involved = {"apiVersion": "batch/v1", "kind": "Job", "namespace": "ims", "name": "job-1", "uid": "u1"}
    assert event["involvedObject"] == involved
    assert cluster.shown() == ['kmodgate_job_pods_refused{job="job-1",namespace="ims",rules="KTA101"} 2.0']


def test_another_reason_is_told_again() -> None:
    cluster = Cluster()
    cluster.tell(pod_of_job(hostNetwork=True), pod_of_job(runtimeClassName="kata-site"))
    assert len(cluster.events) == 1  # both are KTA101
    cluster.tell(pod_of_job(runtimeClassName="kata-qemu", hostNetwork=True))
    assert "[KTA106]" in cluster.events[-1]["message"]


def test_a_pod_that_passes_ends_it() -> None:
    cluster = Cluster()
    cluster.tell(
        pod_of_job(hostNetwork=True), pod_of_job(2, hostNetwork=True), pod_of_job(runtimeClassName="kata-qemu")
    )
    assert cluster.shown() == ['kmodgate_job_pods_refused{job="job-2",namespace="ims",rules="KTA101"} 1.0']


def test_the_names_of_a_hundred_jobs_are_kept() -> None:
    cluster = Cluster()
    cluster.tell(*(pod_of_job(number, hostNetwork=True) for number in range(150)))
    assert len(cluster.shown()) == 100
    assert not any('job="job-49"' in line for line in cluster.shown())


@pytest.mark.parametrize("user", ["alice", "system:serviceaccount:ims:default", ""])
def test_who_is_not_the_job_controller_is_not_believed_about_the_job(user: str) -> None:
    assert reported(pod_of_job(hostNetwork=True), user) is None


def test_nothing_is_told_of_other_pods() -> None:
    assert reported(dkms_pod(hostNetwork=True)) is None
    assert reported(pod_of_job(hostNetwork=True), operation="UPDATE", subresource="ephemeralcontainers") is None
    other = pod_of_job(hostNetwork=True)
    other["metadata"]["labels"] = {}
    other["spec"] |= {"containers": []}
    assert reported(other) is None


def test_a_message_is_no_longer_than_an_event_may_hold() -> None:
    volumes = [{"name": f"v{number}", "hostPath": {"path": f"/usr/{number}"}} for number in range(500)]
    found = reported(pod_of_job(volumes=volumes))
    assert found is not None
    (notice,) = found.notices
    assert len(notice.message) < 1024
