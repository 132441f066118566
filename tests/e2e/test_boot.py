"""What loads a driver at boot, on a real API server: admitted with the kinds' own definitions, field by field."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests import shared
from tests.conftest import CASES
from tests.e2e.control_plane import ControlPlane
from tests.e2e.definitions import read

TREE = CASES / "boot-driver"
MACHINE_CONFIGS = "machineconfiguration.openshift.io"
KMM = "kmm.sigs.x-k8s.io"
BOOT_FIELDS = (
    "firmwareFilesPath", "kernelModuleImage", "kernelModuleName", "machineConfigName", "machineConfigPoolName", "workerImage",
)  # fmt: skip


def definition(group: str, kind: str, plural: str, version: str, scope: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The definition of a kind of which only `spec` matters."""
    schema = {"type": "object", "properties": {"spec": spec}}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}},
        "spec": {"group": group, "scope": scope, "names": names, "versions": [served]},
    }


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with the kinds: OpenShift's own definition where it is at hand."""
    file = shared.find(f"crds/{MACHINE_CONFIGS}_machineconfigs.yaml")
    config = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = {"type": "object", "properties": {"config": config}}
    machine = definition(MACHINE_CONFIGS, "MachineConfig", "machineconfigs", "v1", "Cluster", spec)
    text: dict[str, Any] = {"type": "string"}
    fields = {**dict.fromkeys(BOOT_FIELDS, text), "inTreeModulesToRemove": {"type": "array", "items": text}}
    boot = {"type": "object", "properties": fields, "required": list(BOOT_FIELDS[1:5])}
    control_plane.install(
        read(file) if file else machine,
        definition(KMM, "BootModuleConfig", "bootmoduleconfigs", "v1beta1", "Namespaced", boot),
    )
    return control_plane


@pytest.mark.shared
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
