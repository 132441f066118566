"""Jobs of DKMS work whose pods are refused, and pods beside them while nobody answers, on a real API server."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.ims.ims_pods import CLASS, ims_job, pod_text, pods_of
from tests.e2e.waiting import eventually
from tests.e2e.webhook import in_force
from tests.fleets import FleetFolder

pytestmark = pytest.mark.timing

Json: TypeAlias = dict[str, Any]

OTHERS: list[dict[str, str]] = [{}, {"run": "shell"}, {"app": "cray-ims"}, {"app.kubernetes.io/name": "ims-job"}]
"""Labels of pods that are none of IMS's."""


@pytest.fixture
def ims(control_plane: ControlPlane) -> None:
    """The namespace of the jobs, and no RuntimeClass."""
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ims"}})
    control_plane.kubectl("delete", "runtimeclass", "kata-qemu", "--ignore-not-found", check=True)


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    """A fleet with a cluster that has no KMM."""
    folder = FleetFolder(tmp_path / "fleet")
    path = folder.cluster("csm")
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "kmm:" not in line))
    return folder


def told(control_plane: ControlPlane, job: Json) -> list[str]:
    """The messages of the webhook's Events on a Job."""
    found = control_plane.get("events", "-n", "ims", "--field-selector", "reason=KataPodRefused")["items"]
    return [item["message"] for item in found if item["involvedObject"]["name"] == job["metadata"]["name"]]


@pytest.mark.usefixtures("ims")
def test_a_job_whose_pod_is_refused_says_why_and_gets_one_once_that_is_mended(
    controllers: ControlPlane, tmp_path: Path
) -> None:
    job = ims_job(10)
    with in_force(controllers, tmp_path, ["drivers"]) as webhook:
        controllers.apply(job)
        (message,) = eventually(lambda: told(controllers, job), "an Event tells of the Job")
        assert message.startswith("the pod of this Job is refused: [KTA104] spec.runtimeClassName: ")
        assert "there is no RuntimeClass kata-qemu" in message
        name = job["metadata"]["name"]
        line = f'kmodgate_job_pods_refused{{job="{name}",namespace="ims",rules="KTA101,KTA104"}}'
        assert line in webhook.page("/metrics")[1]
        assert "failed" not in controllers.get("job", name, "-n", "ims")["status"]
        assert pods_of(controllers, job) == []
        controllers.apply(CLASS)
        eventually(lambda: pods_of(controllers, job), "the Job controller has made a pod", seconds=120)
        assert line not in webhook.page("/metrics")[1]
        assert len(told(controllers, job)) == 1


def other_pod(number: int, labels: dict[str, str]) -> Json:
    spec = {"containers": [{"name": "main", "image": "registry.example.com/main:1"}]}
    metadata = {"name": f"other-{number}", "namespace": "ims", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.usefixtures("ims")
def test_while_nobody_answers_only_pods_of_ims_wait(
    control_plane: ControlPlane, fleet: FleetFolder, tmp_path: Path
) -> None:
    with in_force(control_plane, tmp_path, [], registration=[str(fleet.root), "--cluster", "csm"]) as webhook:
        webhook.process.send_signal(signal.SIGSTOP)
        try:
            for number, labels in enumerate(OTHERS):
                control_plane.kubectl("create", "-f", "-", input=json.dumps(other_pod(number, labels)), check=True)
        finally:
            webhook.process.send_signal(signal.SIGCONT)
        for number, _ in enumerate(OTHERS):
            control_plane.kubectl("delete", "pod", f"other-{number}", "-n", "ims", "--force", check=True)
        webhook.process.terminate()
        webhook.process.wait(120)
        assert "failed calling webhook" in control_plane.kubectl("create", "-f", "-", input=pod_text(11)).stderr

    def asked() -> list[str]:
        """The notes of webhooks that were asked in vain about the others, once all are in the log."""
        found = control_plane.audited(verb="create", resource="pods", namespace="ims")
        ours = [event for event in found if event["objectRef"].get("name", "").startswith("other-")]
        assert len(ours) == len(OTHERS)
        return [key for event in ours for key in event["annotations"] if "webhook" in key]

    assert eventually(lambda: (asked(),), "all are logged") == ([],)
