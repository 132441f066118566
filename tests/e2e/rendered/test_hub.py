"""A hub on a real API server: what the example renders for it, and the labels of its ManagedClusters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import shared
from tests.conftest import CASES
from tests.e2e.api_server import definitions
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import Kind
from tests.e2e.waiting import eventually
from tests.e2e.webhook import in_force
from tests.fleets import REPOSITORY

TREE = CASES / "hub/hub-1"
CLUSTERS, POLICIES = "cluster.open-cluster-management.io", "policy.open-cluster-management.io"
KINDS = (
    Kind("ManifestWork", "work.open-cluster-management.io", "manifestworks", ("v1",), namespaced=True),
    Kind("Placement", CLUSTERS, "placements", namespaced=True),
    Kind("ManagedClusterSetBinding", CLUSTERS, "managedclustersetbindings", ("v1beta2",), namespaced=True),
    Kind("Policy", POLICIES, "policies", ("v1",), namespaced=True),
    Kind("PlacementBinding", POLICIES, "placementbindings", ("v1",), namespaced=True),
    Kind("ExternalSecret", "external-secrets.io", "externalsecrets", ("v1",), namespaced=True),
)
MANAGED_CLUSTER = Kind("ManagedCluster", CLUSTERS, "managedclusters", ("v1",))


def namespace(name: str) -> Any:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_every_object_of_the_example_is_admitted_with_every_field(control_plane: ControlPlane) -> None:
    control_plane.install(*definitions.definitions(KINDS))
    values = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(TREE.rglob("*.yaml"))]
    values = [value for value in values if "kmodgate-system" not in value["metadata"].values()]
    assert {value["kind"] for value in values} == {kind.kind for kind in KINDS} | {"ConfigMap", "ManagedClusterModule"}
    spaces = {value["metadata"]["namespace"] for value in values if "namespace" in value["metadata"]}
    control_plane.apply(*map(namespace, sorted(spaces)))

    for value in values:
        flags = ("--server-side", "--validate=strict", "--filename=-")
        control_plane.kubectl("apply", *flags, input=json.dumps(value), check=True)


@pytest.mark.timing
@pytest.mark.shared
def test_a_label_that_takes_a_driver_away_is_a_warning(control_plane: ControlPlane, tmp_path: Path) -> None:
    control_plane.install(definitions.read(shared.need(MANAGED_CLUSTER.file)))
    head = {"apiVersion": f"{CLUSTERS}/v1", "kind": "ManagedCluster"}
    paris = {**head, "metadata": {"name": "paris", "labels": {"tier": "edge"}}, "spec": {"hubAcceptsClient": True}}
    module = {"selector": {"tier": "edge"}, "spokeNamespace": "drivers", "moduleSpec": {"selector": {"a": "b"}}}
    nic = {
        "apiVersion": "hub.kmm.sigs.x-k8s.io/v1beta1",
        "kind": "ManagedClusterModule",
        "metadata": {"name": "warned"},
    }
    control_plane.apply(namespace("openshift-kmm-hub"), paris, {**nic, "spec": module})
    label = ("label", "managedcluster", "paris")
    message = "unloads warned on cluster paris"
    registration = (str(REPOSITORY / "examples/hub"), "--cluster", "hub-1")
    with in_force(control_plane, tmp_path, [], registration=registration) as webhook:
        eventually(
            lambda: message in control_plane.kubectl(*label, "tier-", "--dry-run=server").stderr, "the hub is watched"
        )
        assert "HUB201" not in control_plane.kubectl(*label, "zone=north", check=True).stderr
        done = control_plane.kubectl(*label, "tier-", check=True)
        assert "Warning: " in done.stderr
        assert message in done.stderr
        webhook.process.terminate()
        webhook.process.wait(60)
        control_plane.kubectl(*label, "tier=edge", check=True)
    control_plane.kubectl("delete", "managedclustermodule", "warned", check=True)


@pytest.mark.timing
def test_what_a_hub_signs_with_stays_while_it_has_modules(control_plane: ControlPlane, tmp_path: Path) -> None:
    place = "openshift-kmm-hub"
    sign = {"keySecret": {"name": "held-key"}, "certSecret": {"name": "held-cert"}, "filesToSign": ["/opt/lib/nic.ko"]}
    mapping = {"literal": "5.14.0-427.el9.x86_64", "containerImage": "quay.io/acme/nic:1", "sign": sign}
    container = {"modprobe": {"moduleName": "nic"}, "kernelMappings": [mapping]}
    spec = {"selector": {"a": "b"}, "moduleLoader": {"container": container}}
    nic = {
        "apiVersion": "hub.kmm.sigs.x-k8s.io/v1beta1",
        "kind": "ManagedClusterModule",
        "metadata": {"name": "held"},
        "spec": {"selector": {"tier": "edge"}, "spokeNamespace": "drivers", "moduleSpec": spec},
    }
    key = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "held-key", "namespace": place}}
    other = {**key, "metadata": {"name": "other-key", "namespace": place}}
    control_plane.apply(namespace(place), nic, {**key, "stringData": {"key": "abcdefghijklmnopqrstuvwxyz"}}, other)
    registration = (str(REPOSITORY / "examples/hub"), "--cluster", "hub-1")
    with in_force(control_plane, tmp_path, [], registration=registration):
        delete = ("delete", "secret", "held-key", "-n", place, "--dry-run=server")
        eventually(lambda: "REF204" in control_plane.kubectl(*delete).stderr, "the hub's module is seen")
        empty = ("patch", "secret", "held-key", "-n", place, "--type=merge", "-p", '{"data":{"key":""}}')
        done = control_plane.kubectl(*empty)
        assert "REF212" in done.stderr
        assert "ManagedClusterModule held" in done.stderr
        control_plane.kubectl("delete", "secret", "other-key", "-n", place, check=True)
        control_plane.kubectl("delete", "managedclustermodule", "held", check=True)
        eventually(lambda: control_plane.kubectl(*delete).returncode == 0, "the Secret may go with the module")
