"""What loads a driver at boot, on a real API server: admitted with the kinds' own definitions, field by field."""

from __future__ import annotations

import pytest
import yaml

from tests.conftest import CASES
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import Kind, definitions

TREE = CASES / "boot-driver"
MACHINE_CONFIGS = "machineconfiguration.openshift.io"
KMM = "kmm.sigs.x-k8s.io"


KINDS = (
    Kind("MachineConfig", MACHINE_CONFIGS, "machineconfigs", ("v1",)),
    Kind("BootModuleConfig", KMM, "bootmoduleconfigs", namespaced=True),
)


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with the kinds: OpenShift's own definition where it is at hand, and of our schemas else."""
    control_plane.install(*definitions(KINDS))
    return control_plane


@pytest.mark.parametrize("kind", ["MachineConfig", "BootModuleConfig", "ConfigMap"])
def test_the_objects_of_the_example_are_admitted_with_every_field(cluster: ControlPlane, kind: str) -> None:
    places = {"MachineConfig": f"{MACHINE_CONFIGS}/v1", "BootModuleConfig": f"{KMM}/v1beta1", "ConfigMap": "v1"}
    plurals = {"MachineConfig": "machineconfigs", "BootModuleConfig": "bootmoduleconfigs", "ConfigMap": "configmaps"}
    values = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(TREE.rglob(f"{kind.lower()}-*.yaml"))]
    values = [value for value in values if value["metadata"].get("namespace") != "kmodgate-system"]
    assert values
    for value in values:
        if "namespace" in value["metadata"]:
            value["metadata"]["namespace"] = "default"
        scope = "namespaces/default/" if "namespace" in value["metadata"] else ""
        root = "api" if kind == "ConfigMap" else "apis"
        path = f"/{root}/{places[kind]}/{scope}{plurals[kind]}?fieldValidation=Strict"

        made = cluster.call("POST", path, value)

        assert made.status == 201, made.body
        assert made.body.get("spec", made.body.get("data")) == value.get("spec", value.get("data"))
