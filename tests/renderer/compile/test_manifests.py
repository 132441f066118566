"""Manifests of one driver on one cluster."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder
from tests.renderer.rendering import IMAGE, container, module


def test_a_plain_driver_is_a_namespace_an_account_and_a_module_beside_the_policy(fleet: FleetFolder) -> None:
    module(fleet)
    assert set(fleet.files()) == {
        "paris/.index",
        "paris/cluster/configmap-kmodgate-policy.yaml",
        "paris/cluster/namespace-kmm-tests.yaml",
        "paris/cluster/namespace-kmodgate-system.yaml",
        "paris/nic/module-nic.yaml",
        "paris/nic/serviceaccount-nic.yaml",
    }


def test_the_namespace_is_privileged_and_never_removed(fleet: FleetFolder) -> None:
    module(fleet)
    metadata = fleet.object("paris/cluster/namespace-kmm-tests.yaml")["metadata"]
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert metadata["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    assert "security.openshift.io/scc.podSecurityLabelSync" not in metadata["labels"]


def test_openshift_gets_an_scc_binding_in_the_modules_namespace_and_no_label_sync(fleet: FleetFolder) -> None:
    fleet.cluster("paris", platform="openshift", flavour="redhat")
    module(fleet)
    binding = fleet.object("paris/nic/rolebinding-nic-scc-privileged.yaml")
    assert binding["metadata"]["namespace"] == "kmm-tests"
    assert binding["roleRef"]["name"] == "system:openshift:scc:privileged"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "nic", "namespace": "kmm-tests"}]
    labels = fleet.object("paris/cluster/namespace-kmm-tests.yaml")["metadata"]["labels"]
    assert labels["security.openshift.io/scc.podSecurityLabelSync"] == "false"


@pytest.mark.parametrize(("scc", "bindings"), [("kmm", ["paris/nic/rolebinding-nic-scc-kmm.yaml"]), ('""', [])])
def test_another_scc_can_be_named_or_none(fleet: FleetFolder, scc: str, bindings: list[str]) -> None:
    fleet.cluster("paris", platform="openshift")
    module(fleet, f"scc: {scc}")
    assert [path for path in fleet.files() if "rolebinding" in path] == bindings


@pytest.mark.parametrize(
    ("removal", "options"),
    [("confirm", "Prune=confirm,Delete=confirm"), ("auto", None), ("retain", "Prune=false,Delete=false")],
)
def test_removal_decides_what_argo_cd_may_do(fleet: FleetFolder, removal: str, options: str | None) -> None:
    annotations = module(fleet, f"removal: {removal}")["metadata"]["annotations"]
    assert annotations.get("argocd.argoproj.io/sync-options") == options


def test_sync_waves_apply_what_unloading_needs_before_the_module(fleet: FleetFolder) -> None:
    module(fleet, "build: {dockerfile: ./Dockerfile}")
    waves = {}
    for path in fleet.files():
        if path.endswith(".yaml"):
            value = fleet.object(path)
            waves[value["kind"]] = int(value["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
    assert waves == {"Namespace": -20, "ServiceAccount": -15, "ConfigMap": -5, "Module": 5}


def test_defaults_that_argo_cd_would_see_as_drift_are_written_out(fleet: FleetFolder) -> None:
    volumes = "devicePlugin: {container: {image: a:1}, volumes: [{name: r, rbd: {image: i, monitors: [m]}}]}"
    spec = module(fleet, volumes)["spec"]
    assert spec["moduleLoader"]["container"]["modprobe"]["dirName"] == "/opt"
    assert spec["moduleLoader"]["container"]["kernelMappings"][0]["containerImage"] == ""
    assert spec["devicePlugin"]["volumes"][0]["rbd"]["pool"] == "rbd"


def test_an_override_applies_to_its_clusters_only(fleet: FleetFolder) -> None:
    fleet.cluster("lab", labels={"tier": "edge", "site": "lab"})
    fleet.driver(
        "nic", "overrides:\n- clusters: {matchLabels: {site: lab}}\n  patch: {containerImage: 'registry.lab/nic:1.0'}"
    )
    fleet.render()
    images = [
        fleet.object(f"{name}/nic/module-nic.yaml")["spec"]["moduleLoader"]["container"]["containerImage"]
        for name in ("lab", "paris")
    ]
    assert images == ["registry.lab/nic:1.0", IMAGE]


def test_shared_objects_are_rendered_once_in_the_folder_of_the_cluster(fleet: FleetFolder) -> None:
    for name in ("nic", "gpu"):
        fleet.driver(name, "serviceAccountName: loader")
    fleet.render()
    assert [path for path in fleet.files() if "serviceaccount" in path] == ["paris/cluster/serviceaccount-loader.yaml"]
    assert len([path for path in fleet.files() if "namespace-kmm" in path]) == 1


def test_an_absent_driver_is_not_rendered_but_its_cluster_keeps_the_policy(fleet: FleetFolder) -> None:
    fleet.driver("nic", "state: absent")
    fleet.render()
    assert set(fleet.files()) == {
        "paris/.index",
        "paris/cluster/configmap-kmodgate-policy.yaml",  # what unloads is still guarded
        "paris/cluster/namespace-kmodgate-system.yaml",
    }


def test_what_null_empties_is_not_rendered(fleet: FleetFolder) -> None:
    more = "registryTLS: {insecure: true}\noverrides: [{clusters: {matchLabels: {}}, patch: {registryTLS: {insecure: null}}}]"
    assert "registryTLS" not in container(fleet, more)


@pytest.mark.parametrize(("kmm", "field"), [("1.1", "inTreeModuleToRemove"), ("2.0.2", "inTreeModuleToRemove")])
def test_kmm_before_2_1_removes_one_module_by_the_deprecated_field(fleet: FleetFolder, kmm: str, field: str) -> None:
    fleet.cluster("rome")
    fleet.cluster("paris", kmm=kmm)
    found = module(fleet, "inTreeModulesToRemove: [ice]")["spec"]["moduleLoader"]["container"]
    assert found[field] == "ice"
    assert "inTreeModulesToRemove" not in found
    rome = fleet.object("rome/nic/module-nic.yaml")["spec"]["moduleLoader"]["container"]
    assert rome["inTreeModulesToRemove"] == ["ice"]
    explained = fleet.run("explain", "rendered/paris/nic/module-nic.yaml", f"spec.moduleLoader.container.{field}")
    assert "inTreeModulesToRemove" in explained.stdout


def test_kmm_before_2_1_cannot_remove_two_modules(fleet: FleetFolder) -> None:
    fleet.cluster("paris", kmm="2.0")
    fleet.driver("nic", "inTreeModulesToRemove: [ice, irdma]")
    result = fleet.run("render")
    assert result.returncode == 2
    assert "error[SCH106] spec.inTreeModulesToRemove: a list of modules to remove came with KMM 2.1" in result.stderr


def test_what_red_hat_ignores_is_rendered_with_a_warning(fleet: FleetFolder) -> None:
    fleet.cluster("paris", platform="openshift", flavour="redhat")
    module(fleet, "registryTLS: {insecure: true}")
    result = fleet.run("check")
    assert result.returncode == 0
    assert "warning[SCH106] spec.registryTLS: Red Hat's build of KMM ignores it" in result.stdout
    module(fleet, "registryTLS: {}")
    assert "SCH106" not in fleet.run("check").stdout
