"""Reviews that never end, on a real API server: whoever sends them holds up nobody but himself."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.bench.load.hostile import with_globs
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import module
from tests.e2e.protection.guarded import role_of
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook, in_force
from tests.webhook.program import workers

pytestmark = pytest.mark.timing

Json: TypeAlias = dict[str, Any]

SPACE = "drivers"
MODULES = f"/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{SPACE}/modules?dryRun=All"
PODS = f"/api/v1/namespaces/{SPACE}/pods?dryRun=All"
SENDERS = 4
CANARIES = 10
RIGHTS = [{"apiGroups": ["kmm.sigs.x-k8s.io"], "resources": ["modules"], "verbs": ["create"]}]
patiently = partial(eventually, seconds=300.0)

POLICY = """\
apiVersion: kmodgate.io/v1alpha1
kind: DriverPolicy
metadata: {name: strict}
spec:
  modes: {PRV: enforce}
"""


def costly() -> Json:
    """A Module of 36 KiB that belongs into the pool."""
    item = with_globs()
    item["metadata"] = {"name": "costly", "namespace": SPACE}
    return item


def privileged() -> Json:
    container = {"name": "main", "image": "registry.example.com/a:1", "securityContext": {"privileged": True}}
    metadata = {"name": "privileged", "namespace": SPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


@contextmanager
def nothing_ends(webhook: Webhook) -> Iterator[None]:
    """Stop each process of the pool as soon as it is there, until the block ends."""
    over = threading.Event()

    def stop() -> None:
        while not over.wait(0.01):
            signalled(webhook, signal.SIGSTOP)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        signalled(webhook, signal.SIGKILL)


def signalled(webhook: Webhook, number: signal.Signals) -> None:
    """Send a signal to the processes of the pool; not to one that is a copy of the server yet, which waits for it."""
    for pid in workers(webhook.process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def sent_again_and_again(control_plane: ControlPlane, user: str) -> Iterator[list[int]]:
    """Send costly Modules at once, each again as soon as it is answered; gives the statuses so far."""
    over, statuses = threading.Event(), []

    def send() -> None:
        while not over.is_set():
            statuses.append(control_plane.call("POST", MODULES, costly(), user=user).status)

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()


def in_flight(webhook: Webhook) -> float:
    lines = webhook.page("/metrics")[1].splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("kmodgate_reviews_in_flight "))


def allowed_module(control_plane: ControlPlane) -> bool:
    return control_plane.call("POST", MODULES, module("canary", SPACE)).status == 201


def refused_pod(control_plane: ControlPlane) -> bool:
    answer = control_plane.call("POST", PODS, privileged())
    return answer.status == 403 and "PRV105" in answer.body["message"]


def test_while_reviews_never_end_others_are_answered_and_privileged_pods_refused(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    control_plane.apply(*role_of("bob", "costly-modules", RIGHTS))
    with in_force(control_plane, tmp_path, [SPACE], "--policy", str(policy)) as webhook:
        with nothing_ends(webhook), sent_again_and_again(control_plane, "bob") as statuses:
            patiently(lambda: in_flight(webhook) >= 1, "a review is in the pool")
            for _ in range(CANARIES):  # on a busy machine the API server may give up, and is asked again
                patiently(lambda: allowed_module(control_plane), "another Module is answered")
                patiently(lambda: refused_pod(control_plane), "a privileged pod is refused")
            patiently(lambda: in_flight(webhook) >= 1, "a review is still in the pool")
            patiently(lambda: len(statuses) > SENDERS, "those who wait are told in time")
        assert 201 not in statuses
        patiently(lambda: "SGN101" in str(control_plane.call("POST", MODULES, costly()).body), "the pool judges again")
    control_plane.kubectl("delete", "clusterrole,clusterrolebinding", "costly-modules", check=True)


def test_a_glob_of_brackets_that_never_end_is_judged_in_time(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Python's re took half a minute for it, and meanwhile nobody was answered."""
    item = module("brackets", SPACE)
    item["spec"]["moduleLoader"]["container"]["sign"] = {
        "unsignedImage": "registry.example.com/raw:1",
        "keySecret": {"name": "key"},
        "certSecret": {"name": "cert"},
        "filesToSign": [f"/opt/lib/modules/${{KERNEL_FULL_VERSION}}/{'[' * 16_000}"],
    }

    def is_judged() -> bool:
        answer = control_plane.call("POST", MODULES, item)
        return answer.status == 201 or "failed calling webhook" not in str(answer.body)

    with in_force(control_plane, tmp_path, [SPACE]):
        eventually(is_judged, "the webhook answers", seconds=60.0)
        eventually(lambda: allowed_module(control_plane), "another Module is answered", seconds=60.0)
