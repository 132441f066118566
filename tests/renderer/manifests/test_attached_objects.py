"""Objects that a driver attaches."""

from __future__ import annotations

from tests.fleets import FleetFolder
from tests.renderer.rendering import errors, module

ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: plugin}}\nrules: []\n"


def test_attached_objects_get_the_drivers_namespace_and_a_wave(fleet: FleetFolder) -> None:
    fleet.write("drivers/rbac.yaml", ROLE.format(kind="Role") + "---\n" + ROLE.format(kind="ClusterRole"))
    module(fleet, "attach: [./rbac.yaml]")
    role, cluster_role = fleet.object("paris/nic/role-plugin.yaml"), fleet.object("paris/nic/clusterrole-plugin.yaml")
    assert role["metadata"]["namespace"] == "kmm-tests"
    assert "namespace" not in cluster_role["metadata"]
    assert role["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] == "-15"


def test_two_drivers_that_attach_one_object_are_an_error_that_names_both(fleet: FleetFolder) -> None:
    for name in ("nic", "gpu"):
        fleet.write(f"drivers/{name}-rbac.yaml", ROLE.format(kind="Role"))
        fleet.driver(name, f"attach: [./{name}-rbac.yaml]")
    found = errors(fleet)
    assert len(found) == 1
    assert "REF005" in found[0]
    for name in ("nic", "gpu"):
        assert f"drivers/{name}.yaml (attached drivers/{name}-rbac.yaml:3)" in found[0]


def test_an_attached_namespace_is_never_pruned_and_an_unknown_kind_lives_in_the_drivers_namespace(
    fleet: FleetFolder,
) -> None:
    monitor = "apiVersion: monitoring.example.com/v1\nkind: PodProbe\nmetadata: {name: plugin}\n"
    fleet.write("drivers/rbac.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: extra}\n---\n" + monitor)
    module(fleet, "attach: [./rbac.yaml]")
    annotations = fleet.object("paris/cluster/namespace-extra.yaml")["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    assert fleet.object("paris/nic/podprobe-plugin.yaml")["metadata"]["namespace"] == "kmm-tests"


def test_objects_that_differ_by_namespace_or_letter_case_get_files_of_their_own(fleet: FleetFolder) -> None:
    texts = [
        ROLE.format(kind="Role").replace("name: plugin", f"name: {name}, namespace: {space}")
        for name, space in (("a:b", "one"), ("A.B", "one"), ("a-b", "two"))
    ]
    fleet.write("drivers/rbac.yaml", "---\n".join(texts))
    module(fleet, "attach: [./rbac.yaml]")
    assert len([path for path in fleet.files() if "/role-" in path]) == 3
