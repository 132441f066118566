"""Our own job templates on a real API server: it takes every object, and admission leaves every pod as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from string import Template
from typing import Any, TypeAlias

import pytest
import yaml

from kmodgate.policy.ims.template_text import ACCOUNT, CLASS, STATES, State, dummy_values
from kmodgate.policy.ims.templates import XATTR, XATTR_VALUES
from kmodgate.policy.kata.ims_jobs import USER
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.objects import runtime_class
from tests.e2e.waiting import eventually
from tests.e2e.webhook import Webhook, in_force
from tests.objects.ims_templates import CUSTOMIZE, KIWI, PACKER, config_maps

Json: TypeAlias = dict[str, Any]

JOBS = [state for state in STATES if state.dkms or state.arch == "x86_64"]
"""IMS gives every job for aarch64 DKMS."""


@pytest.fixture(scope="module")
def webhook(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    folder = tmp_path_factory.mktemp("webhook")
    kata = {"runtimeClasses": [CLASS], "annotations": {XATTR: XATTR_VALUES["go"]}}
    policy = {
        "apiVersion": "kmodgate.io/v1alpha1",
        "kind": "DriverPolicy",
        "metadata": {"name": "fleet"},
        "spec": {"parameters": {"kata": kata}},
    }
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    control_plane.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ims"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": "ims"}},
        runtime_class(CLASS, memory="160Mi", node_selector={}),
        *rights_of_ims(),
    )
    with in_force(control_plane, folder, ["drivers"], "--policy", str(folder / "policy.yaml")) as running:
        yield running


def rights_of_ims() -> list[Json]:
    """What IMS may make."""
    kinds = [("", ["configmaps", "services", "persistentvolumeclaims"]), ("batch", ["jobs"])]
    rules = [{"apiGroups": [group], "resources": names, "verbs": ["create", "get"]} for group, names in kinds]
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": "ims"}, "rules": rules}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "ims"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "ims"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": USER}],
    }
    return [role, binding]


def objects(release: str, state: State, index: int) -> list[Json]:
    """What IMS makes of the templates of one ConfigMap for a kind of job, with names of its own."""
    values = dummy_values(state) | {"id": f"5c2ad2a5-0c58-4a3b-9a3c-{STATES.index(state):04d}{index:08d}"}
    texts = config_maps(release)[index]["data"].values()
    return [yaml.safe_load(Template(text).substitute(values)) for text in texts]


def is_taken(control_plane: ControlPlane, found: list[Json], *options: str) -> None:
    """Create objects as IMS, with strict validation: an unknown field is refused."""
    text = "\n---\n".join(map(json.dumps, found))
    done = control_plane.kubectl("create", "--filename=-", "--validate=strict", f"--as={USER}", *options, input=text)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("webhook")
@pytest.mark.parametrize("release", ["3.12.0", "3.15.0", "3.20.0"])
def test_the_objects_of_older_releases_are_taken(control_plane: ControlPlane, release: str) -> None:
    states = (State(dkms=True, arch="x86_64", remote=False), State(dkms=False, arch="x86_64", remote=True))
    found = [item for state in states for index in (KIWI, PACKER, CUSTOMIZE) for item in objects(release, state, index)]
    is_taken(control_plane, found, "--dry-run=server")


def test_every_object_is_taken_and_every_pod_is_left_as_it_is(controllers: ControlPlane, webhook: Webhook) -> None:
    made = {(state, index): objects("3.33.0", state, index) for state in JOBS for index in (KIWI, PACKER, CUSTOMIZE)}
    is_taken(controllers, [item for found in made.values() for item in found])
    jobs = {
        item["metadata"]["name"]: (key, item) for key, found in made.items() for item in found if item["kind"] == "Job"
    }

    def pods() -> dict[str, Json]:
        found = controllers.get("pods", "-n", "ims", "-l", "app.kubernetes.io/name=ims-job")["items"]
        return {item["metadata"]["labels"]["batch.kubernetes.io/job-name"]: item for item in found}

    eventually(lambda: jobs.keys() <= pods().keys(), "each Job has its pod")
    moved = set()
    for name, pod in pods().items():
        (state, index), job = jobs[name]
        assert pod["metadata"]["annotations"] == job["spec"]["template"]["metadata"]["annotations"]
        found = pod["spec"].get("runtimeClassName", "")
        assert ("overhead" in pod["spec"]) is bool(found)
        if found != state.runtime_class:
            moved.add((state.dkms, state.remote, index, found))
    # nothing in packer's builder works on a remote node: what IMS takes for remote builds on the worker, and is put into Kata
    assert moved == {(True, True, PACKER, CLASS)}
    notes = [line.get("note") for line in webhook.decisions()]
    assert notes.count("injected") == sum(state.dkms and state.remote for state in JOBS)
    assert "annotations-changed" not in notes
