"""What a driver with delivery `hub` becomes on the hub and on its spokes."""

from __future__ import annotations

import pytest

from tests.fleets import FleetFolder
from tests.renderer.deliveries.hub.hubs import DELIVERY, HUB, MODULE, hub, objects, on_spoke, spoke

BUILD = "imageRepoSecret: push\nbuild: {dockerfile: ./nic.Dockerfile, secrets: [git-token]}\n"
SECRETS = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: git-token}
spec: {}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: pull}
spec: {target: {name: push}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: plugin}
data: {a: b}
"""


def test_the_managed_cluster_module_wraps_the_module_that_kmm_would_get(fleet: FleetFolder) -> None:
    hub(fleet)
    value = objects(fleet)["ManagedClusterModule//nic"]

    fleet.write("clusters/alone.yaml", HUB.replace("name: hub", "name: alone").replace("  acm: {role: hub}\n", ""))
    fleet.driver("nic", clusters="{names: [alone]}")
    fleet.render("--allow-removal", "nic")

    module = fleet.object("alone/nic/module-nic.yaml")
    assert value["apiVersion"] == "hub.kmm.sigs.x-k8s.io/v1beta1"
    assert value["spec"] == {"moduleSpec": module["spec"], "spokeNamespace": "kmm-tests", "selector": {"tier": "edge"}}
    assert value["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=confirm,Delete=confirm"
    assert "namespace" not in value["metadata"]


def test_selected_spokes_get_a_manifest_work_and_the_hub_gets_no_namespace(fleet: FleetFolder) -> None:
    hub(fleet)
    found = objects(fleet)

    assert [name for name in found if name.startswith("ManifestWork")] == ["ManifestWork/paris/kmodgate-nic"]
    work = found["ManifestWork/paris/kmodgate-nic"]
    assert on_spoke(work) == [
        "ClusterRole kmodgate-work-agent-modules", "Namespace kmm-tests", "ServiceAccount nic",
        "RoleBinding nic-scc-privileged",
    ]  # fmt: skip
    assert "kmm.node.kubernetes.io/managedclustermodule.name" not in work["metadata"]["labels"]
    assert not [name for name in found if name.startswith("Namespace") and "kmm-tests" in name]


def test_the_work_agent_gets_its_right_on_modules_by_aggregation(fleet: FleetFolder) -> None:
    hub(fleet)
    role = objects(fleet)["ManifestWork/paris/kmodgate-nic"]["spec"]["workload"]["manifests"][0]

    assert role["metadata"]["labels"]["open-cluster-management.io/aggregate-to-work"] == "true"
    assert role["rules"][0]["apiGroups"] == ["kmm.sigs.x-k8s.io"]
    assert role["rules"][0]["resources"] == ["modules"]


def test_what_unloading_needs_stays_on_the_spoke(fleet: FleetFolder) -> None:
    fleet.write("drivers/secrets.yaml", SECRETS)
    hub(fleet, "imageRepoSecret: push\nattach: [./secrets.yaml]\n")
    option = objects(fleet)["ManifestWork/paris/kmodgate-nic"]["spec"]["deleteOption"]

    assert option["propagationPolicy"] == "SelectivelyOrphan"
    kept = {(rule["resource"], rule["name"]) for rule in option["selectivelyOrphans"]["orphaningRules"]}
    assert kept == {
        ("clusterroles", "kmodgate-work-agent-modules"), ("clusterroles", "kmodgate-work-agent-externalsecrets"),
        ("namespaces", "kmm-tests"), ("serviceaccounts", "nic"), ("rolebindings", "nic-scc-privileged"),
        ("externalsecrets", "git-token"), ("externalsecrets", "pull"),
    }  # fmt: skip


def test_objects_of_a_spoke_carry_nothing_for_argo_cd(fleet: FleetFolder) -> None:
    fleet.write("drivers/secrets.yaml", SECRETS)
    hub(fleet, "imageRepoSecret: push\nattach: [./secrets.yaml]\n")
    work = objects(fleet)["ManifestWork/paris/kmodgate-nic"]

    assert not [item for item in work["spec"]["workload"]["manifests"] if "annotations" in item["metadata"]]


def test_plain_kubernetes_needs_no_scc(fleet: FleetFolder) -> None:
    hub(fleet)
    spoke(fleet, "paris", platform="kubernetes")
    work = objects(fleet)["ManifestWork/paris/kmodgate-nic"]

    assert "RoleBinding" not in str(on_spoke(work))
    assert "podSecurityLabelSync" not in str(work)


def test_a_namespace_that_others_own_is_left_to_them(fleet: FleetFolder) -> None:
    hub(fleet, "serviceAccountName: theirs\n")
    path = fleet.root / "drivers/nic.yaml"
    path.write_text(path.read_text().replace("{name: kmm-tests}", "{name: kmm-tests, manage: false}"))

    assert on_spoke(objects(fleet)["ManifestWork/paris/kmodgate-nic"]) == ["ClusterRole kmodgate-work-agent-modules"]


@pytest.mark.parametrize(
    ("kmm", "namespace"),
    [
        ('{version: "2.6", flavour: redhat}', "openshift-kmm-hub"),
        ('{version: "2.6"}', "kmm-operator-system"),
        ('{version: "2.6", namespace: operators}', "operators"),
    ],
)
def test_what_builds_and_signs_is_in_the_namespace_of_the_hubs_operator(
    fleet: FleetFolder, kmm: str, namespace: str
) -> None:
    fleet.write("drivers/nic.Dockerfile", "ARG KERNEL_FULL_VERSION\nFROM quay.io/acme/base:1\n")
    fleet.write("drivers/secrets.yaml", SECRETS)
    hub(fleet, f"{BUILD}attach: [./secrets.yaml]\n")
    fleet.write("clusters/hub.yaml", HUB.replace('{version: "2.6", flavour: redhat}', kmm))
    found = objects(fleet)

    places = {name.split("/")[1] for name in found if name.startswith(("ConfigMap//", "ConfigMap/", "ExternalSecret"))}
    assert places - {"kmodgate-system"} == {namespace}
    assert [name.split("/")[2] for name in found if name.startswith("ExternalSecret")] == ["git-token", "pull"]
    assert on_spoke(found["ManifestWork/paris/kmodgate-nic"])[-2:] == ["ExternalSecret pull", "ConfigMap plugin"]


def test_a_namespace_in_an_attached_object_says_where_it_goes(fleet: FleetFolder) -> None:
    sealed = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: push, namespace: %s}\nspec: {}\n"
    fleet.write("drivers/secrets.yaml", sealed % "openshift-kmm-hub" + "---\n" + sealed % "kmm-tests")
    hub(fleet, "imageRepoSecret: push\nattach: [./secrets.yaml]\n")
    found = objects(fleet)

    assert "SealedSecret/openshift-kmm-hub/push" in found
    roles = on_spoke(found["ManifestWork/paris/kmodgate-nic"])
    assert roles[1] == "ClusterRole kmodgate-work-agent-sealedsecrets"
    assert roles[-1] == "SealedSecret push"


def test_a_policy_copies_the_pull_secret_by_a_hub_template(fleet: FleetFolder) -> None:
    hub(fleet, "imageRepoSecret: push\n", "delivery: hub\nhub: {selector: {tier: edge}, copyPullSecret: true}\n")
    found = objects(fleet)

    names = {name for name in found if "openshift-kmm-hub" in name}
    assert names == {
        "ManagedClusterSetBinding/openshift-kmm-hub/global", "Placement/openshift-kmm-hub/kmodgate-nic",
        "Policy/openshift-kmm-hub/kmodgate-nic", "PlacementBinding/openshift-kmm-hub/kmodgate-nic",
    }  # fmt: skip
    template = found["Policy/openshift-kmm-hub/kmodgate-nic"]["spec"]["policy-templates"][0]["objectDefinition"]
    secret = template["spec"]["object-templates"][0]["objectDefinition"]
    assert secret["metadata"] == {"name": "push", "namespace": "kmm-tests"}
    assert secret["data"] == {
        ".dockerconfigjson": '{{hub fromSecret "openshift-kmm-hub" "push" ".dockerconfigjson" hub}}'
    }
    placement = found["Placement/openshift-kmm-hub/kmodgate-nic"]["spec"]
    selector = placement["predicates"][0]["requiredClusterSelector"]["labelSelector"]
    assert selector == {"matchLabels": {"tier": "edge"}}


def test_an_empty_selector_is_every_spoke(fleet: FleetFolder) -> None:
    hub(fleet, delivery="delivery: hub\nhub: {selector: {}}\n")
    found = objects(fleet)

    assert sorted(name for name in found if name.startswith("ManifestWork")) == [
        "ManifestWork/lyon/kmodgate-nic",
        "ManifestWork/paris/kmodgate-nic",
    ]


def test_an_override_delivers_by_a_hub_on_some_clusters(fleet: FleetFolder) -> None:
    hub(fleet, delivery="")
    fleet.cluster("alone")
    override = "overrides:\n- clusters: {names: [hub]}\n  patch: {delivery: hub, hub: {selector: {tier: edge}}}\n"
    fleet.driver("nic", override, clusters="{names: [hub, alone]}")
    fleet.render()

    assert fleet.object(MODULE)["kind"] == "ManagedClusterModule"
    assert fleet.object("alone/nic/module-nic.yaml")["kind"] == "Module"


def test_the_mutating_gate_would_change_nothing(fleet: FleetFolder) -> None:
    from kmodgate.policy.kmm.defaults import defaulted

    hub(fleet)
    objects(fleet)
    value = fleet.object(MODULE)
    assert defaulted(value) == value
    assert DELIVERY
