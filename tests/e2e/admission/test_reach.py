"""With nobody behind the webhook configurations that kmodgate generates, a cluster still comes up and works."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.e2e.api_server import definitions
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.conftest import NewControlPlane
from tests.e2e.objects import module
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.timing

LABEL = "kmm.node.k8s.io/contains-modules"
REFUSED = "kmodgate.io"
"""What the API server names when it refuses because an entry of ours got no answer."""


@pytest.fixture(scope="module")
def abandoned(new_control_plane: NewControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the configurations for the driver namespace `drivers`, and no webhook."""
    with new_control_plane() as running:
        running.install(*definitions.definitions())
        for name, labels in (
            ("drivers", {}),
            ("ims", {}),
            ("foreign", {LABEL: ""}),
            ("bystander", {}),
            ("kmodgate-system", {}),
            ("openshift-sdn", {}),
        ):
            running.apply(named("v1", "Namespace", name, labels=labels))
        for namespace in ("drivers", "foreign", "bystander", "kube-system"):
            running.apply({**named("v1", "Secret", "key", namespace), "stringData": {"a": "b"}})
        register(running, tmp_path_factory.mktemp("configurations"))
        eventually(lambda: not created(running, module("nic", "drivers")), "the configurations are in force")
        yield running


def register(plane: ControlPlane, folder: Path) -> None:
    with socket.socket() as free:  # a port at which nobody listens
        free.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{free.getsockname()[1]}"
    made = run("webhook-config", "--namespace", "drivers", "--url", url, cwd=folder)
    assert made.returncode == 0, made.stderr
    plane.kubectl("apply", "--filename=-", input=made.stdout, check=True)


def named(version: str, kind: str, name: str, namespace: str = "", **metadata: Any) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place, **metadata}}


OF_IMS = {"app": "ims-0d1e2f3a-1111-2222-3333-444455556666-create"}


def pod(namespace: str, **labels: str) -> dict[str, Any]:
    return {
        **named("v1", "Pod", "a", namespace, labels=labels),
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/main:1"}], "hostNetwork": True},
    }


def created(plane: ControlPlane, item: dict[str, Any]) -> bool:
    """Whether the API server lets an object be made, by a dry run; it must not refuse for another reason."""
    done = plane.kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(item))
    assert done.returncode == 0 or REFUSED in done.stderr, done.stderr
    return done.returncode == 0


def passes(plane: ControlPlane, *arguments: str) -> bool:
    """Whether the API server lets a command of kubectl pass, by a dry run."""
    done = plane.kubectl(*arguments, "--dry-run=server")
    assert done.returncode == 0 or REFUSED in done.stderr, done.stderr
    return done.returncode == 0


LEASE = named("coordination.k8s.io/v1", "Lease", "node-1", "kube-node-lease")


@pytest.mark.parametrize(
    "item",
    [
        named("v1", "Node", "node-1"),
        LEASE,
        named("coordination.k8s.io/v1", "Lease", "a", "drivers"),
        named("v1", "ConfigMap", "a", "drivers"),
        named("v1", "Secret", "a", "drivers"),
        named("v1", "Namespace", "new"),
        pod("kube-system"),
        pod("kmodgate-system"),
        pod("openshift-sdn"),
        pod("bystander"),
        pod("drivers"),
        pod("ims"),
        pod("ims", app="shell"),
    ],
    ids=lambda item: f"{item['kind']} {item['metadata'].get('namespace', '')}",
)  # fmt: skip
def test_what_a_cluster_needs_to_come_up_is_made_without_the_webhook(
    abandoned: ControlPlane, item: dict[str, Any]
) -> None:
    assert created(abandoned, item)


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", "secret", "key", "-n", "bystander"),
        ("delete", "secret", "key", "-n", "kube-system"),
        ("delete", "namespace", "bystander"),
        ("label", "namespace", "bystander", "a=b"),
        ("label", "namespace", "kube-system", f"{LABEL}="),
        ("label", "secret", "key", "a=b", "-n", "drivers"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_bystanders_are_not_blocked_without_the_webhook(abandoned: ControlPlane, arguments: tuple[str, ...]) -> None:
    assert passes(abandoned, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", "secret", "key", "-n", "drivers"),
        ("delete", "namespace", "drivers"),
        ("label", "namespace", "drivers", "a=b"),
        ("delete", "secret", "key", "-n", "foreign"),
        ("delete", "namespace", "foreign"),
        ("label", "namespace", "foreign", f"{LABEL}-"),
        ("label", "--overwrite", "namespace", "foreign", f"{LABEL}=true"),
        ("label", "namespace", "bystander", f"{LABEL}="),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_protected_waits_for_the_webhook(abandoned: ControlPlane, arguments: tuple[str, ...]) -> None:
    assert not passes(abandoned, *arguments)


@pytest.mark.parametrize(
    "item", [module("nic", "bystander"), module("nic", "kube-system"), pod("ims", **OF_IMS)], ids=str
)
def test_modules_everywhere_and_dkms_pods_wait_for_the_webhook(abandoned: ControlPlane, item: dict[str, Any]) -> None:
    assert not created(abandoned, item)


def test_finalizing_waits_for_the_webhook_where_it_protects_and_nowhere_else(abandoned: ControlPlane) -> None:
    answers = {}
    for name in ("drivers", "foreign", "bystander"):
        body = abandoned.get("namespace", name)
        path = f"/api/v1/namespaces/{name}/finalize?dryRun=All"
        answers[name] = abandoned.call("PUT", path, body).status
    assert answers == {"drivers": 500, "foreign": 500, "bystander": 200}
