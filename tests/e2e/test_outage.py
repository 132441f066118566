"""The webhook on a real API server under another profile, too early for its kinds, hanging, and down."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import NewControlPlane
from tests.e2e.control_plane import ControlPlane
from tests.e2e.definitions import definitions
from tests.e2e.objects import module
from tests.e2e.waiting import eventually
from tests.e2e.webhook import in_force
from tests.oracle import lines

pytestmark = pytest.mark.timing

ORACLE_SPACES = ("default", "drivers", "edge-prod", "kmm-tests", "n", "openshift-kmm")


def test_what_kmm_refuses_is_refused_and_what_it_allows_is_not(control_plane: ControlPlane, tmp_path: Path) -> None:
    cases = list(lines("modules-create"))
    control_plane.apply(
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ORACLE_SPACES)
    )
    with in_force(control_plane, tmp_path, ["drivers"], "--profile", "parity"):
        connection = control_plane.connection()
        for case in cases:
            item = case["object"]
            path = f"/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/{item['metadata']['namespace']}/modules?dryRun=All&fieldValidation=Strict"
            connection.send("POST", path, item)
            answer = connection.answer()
            # that there is one of this name already is found out after admission
            assert (answer.status in (201, 409)) is case["allowed"], (case, answer.body)


def test_a_kind_that_is_installed_later_is_found(new_control_plane: NewControlPlane, tmp_path: Path) -> None:
    with new_control_plane() as own, in_force(own, tmp_path, ["drivers"]):
        done = own.kubectl("delete", "namespace", "drivers", "--dry-run=server")
        assert done.returncode == 0, done.stderr  # no Modules can be where there is no such kind
        own.install(*definitions())
        own.apply(module("nic", "drivers"))
        eventually(
            lambda: "REF201" in own.kubectl("delete", "namespace", "drivers", "--dry-run=server").stderr,
            "the new kind is watched",
        )


def test_without_the_webhook_only_what_it_guards_is_held_up(control_plane: ControlPlane, tmp_path: Path) -> None:
    with in_force(control_plane, tmp_path, ["drivers"]) as webhook:
        control_plane.apply(module("nic", "drivers"))
        webhook.process.terminate()
        webhook.process.wait(20)
        denied = [
            ("delete", "namespace", "drivers"),
            ("delete", "secret", "any", "-n", "drivers"),
        ]
        control_plane.kubectl("create", "secret", "generic", "any", "-n", "drivers", check=True)
        for arguments in denied:
            assert "failed calling webhook" in control_plane.kubectl(*arguments).stderr
        assert (
            "failed calling webhook"
            in control_plane.kubectl("apply", "-f", "-", input=json.dumps(module("other", "default"))).stderr
        )
        pod = {"containers": [{"name": "main", "image": "registry.example.com/main:1"}]}
        for namespace in ("default", "kube-system", "drivers"):
            item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": pod}
            control_plane.apply(item)
            control_plane.kubectl("delete", "pod", "p", "-n", namespace, "--force", check=True)
        control_plane.kubectl("create", "namespace", "bystander", check=True)
        control_plane.kubectl("delete", "namespace", "bystander", "--wait=false", check=True)
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "fresh"}}
        control_plane.apply(node)
        control_plane.kubectl("delete", "node", "fresh", check=True)


def test_a_webhook_that_hangs_is_as_one_that_is_down(control_plane: ControlPlane, tmp_path: Path) -> None:
    with in_force(control_plane, tmp_path, ["drivers"]) as webhook:
        webhook.process.send_signal(signal.SIGSTOP)
        try:
            done = control_plane.kubectl("apply", "-f", "-", input=json.dumps(module("hung", "drivers")))
            assert "failed calling webhook" in done.stderr
        finally:
            webhook.process.send_signal(signal.SIGCONT)
        eventually(
            lambda: (
                control_plane.kubectl("apply", "-f", "-", input=json.dumps(module("hung", "drivers"))).returncode == 0
            ),
            "it answers again",
        )
