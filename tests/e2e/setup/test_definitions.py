"""The generated definitions do for the tests what KMM's own do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import shared
from tests.e2e.api_server import definitions
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import KINDS, generated
from tests.e2e.conftest import NewControlPlane
from tests.e2e.objects import module, node_modules_config


@pytest.fixture(scope="module")
def other(new_control_plane: NewControlPlane) -> Iterator[ControlPlane]:
    """A control plane with generated definitions, and without controllers."""
    with new_control_plane(with_controllers=False) as running:
        running.install(*map(generated, KINDS))
        yield running


@pytest.mark.shared
def test_the_definitions_are_kmms_own_where_they_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = KINDS[1]
    file = tmp_path / nodes.file
    file.parent.mkdir()
    file.write_text("kind: CustomResourceDefinition\nspec: {}\n")
    monkeypatch.setattr(shared, "FOLDER", str(tmp_path))

    found = definitions.definitions()

    assert found == [
        generated(kind) if kind != nodes else {"kind": "CustomResourceDefinition", "spec": {}} for kind in KINDS
    ]


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_the_generated_definitions_have_no_problem(other: ControlPlane, kind: str) -> None:
    status = other.get("customresourcedefinition", kind)["status"]

    states = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert (states["NamesAccepted"], states["Established"]) == ("True", "True")
    assert "NonStructuralSchema" not in states


def test_generated_definitions_fill_in_defaults_and_refuse_what_they_do_not_know(other: ControlPlane) -> None:
    nic = module("nic", "default")
    path = "/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/default/modules"
    unknown = {**nic, "spec": {**nic["spec"], "nodeSelector": {}}}

    created = other.call("POST", path, nic)
    refused = other.call("POST", f"{path}?fieldValidation=Strict", {**unknown, "metadata": {"name": "b"}})

    assert created.body["spec"]["moduleLoader"]["container"]["modprobe"]["dirName"] == "/opt"
    assert refused.status == 400
    assert 'unknown field "spec.nodeSelector"' in refused.body["message"]


def test_parameters_of_a_dra_driver_are_stored_with_the_objects_in_them(other: ControlPlane) -> None:
    """Applies the same twice: what the API server dropped the first time would come back, and be a change."""
    parameters = {"kind": "CardConfig", "sharing": {"mode": "exclusive", "slices": [{"time": 0}]}}
    opaque = {"driver": "npu.acme.example", "parameters": parameters}
    npu = module("npu", "default")
    container = {"image": "registry.example.com/npu-dra:1"}
    classes = [{"name": "npu.acme.example", "config": [{"opaque": opaque}]}]
    npu["spec"]["dra"] = {"driverName": "npu.acme.example", "deviceClasses": classes, "container": container}

    other.apply(npu)
    other.apply(npu)

    stored = other.get("module", "npu", "--namespace=default")
    assert stored["spec"]["dra"]["deviceClasses"][0]["config"] == [{"opaque": opaque}]
    assert stored["metadata"]["generation"] == 1


def test_the_modules_of_a_node_are_stored(other: ControlPlane) -> None:
    wanted = node_modules_config("worker-1", module("nic", "default"))

    other.apply(wanted)
    loaded = [{**entry, "bootId": "b1"} for entry in wanted["spec"]["modules"]]
    patch = {"status": {"modules": loaded}}
    answer = other.call(
        "PATCH",
        "/apis/kmm.sigs.x-k8s.io/v1beta1/nodemodulesconfigs/worker-1/status",
        patch,
        content_type="application/merge-patch+json",
    )

    assert answer.status == 200
    assert answer.body["spec"]["modules"][0]["config"]["imagePullPolicy"] == "IfNotPresent"
    assert answer.body["status"]["modules"][0]["bootId"] == "b1"
