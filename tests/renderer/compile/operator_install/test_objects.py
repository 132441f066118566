"""The objects that install, configure and watch the operator."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from tests.fleets import FleetFolder
from tests.renderer.compile.operator_install.fleet import CSV, KUBECTL, cluster, objects, redhat, upstream

PACKAGE = "kernel-module-management"
CONFIRMED = "Prune=confirm,Delete=confirm"


def annotations(value: Any) -> dict[str, str]:
    return value["metadata"]["annotations"]


def options(value: Any) -> str:
    return annotations(value).get("argocd.argoproj.io/sync-options", "")


def wave(value: Any) -> int:
    return int(annotations(value)["argocd.argoproj.io/sync-wave"])


def test_a_pinned_operator_of_red_hat_is_a_namespace_a_group_and_a_manual_subscription(fleet: FleetFolder) -> None:
    cluster(fleet, redhat())

    found = objects(fleet)

    assert found[f"Subscription/{PACKAGE}"]["spec"] == {
        "channel": "stable",
        "installPlanApproval": "Manual",
        "name": PACKAGE,
        "source": "redhat-operators",
        "sourceNamespace": "openshift-marketplace",
        "startingCSV": CSV,
    }
    assert found[f"OperatorGroup/{PACKAGE}"]["spec"] == {"upgradeStrategy": "Default"}
    of_operator = [found[f"{kind}/{PACKAGE}"] for kind in ("Subscription", "OperatorGroup")]
    assert {item["metadata"]["namespace"] for item in of_operator} == {"openshift-kmm"}
    assert {options(item) for item in (*of_operator, found["Namespace/openshift-kmm"])} == {CONFIRMED}


def test_what_the_spec_leaves_out_is_that_of_the_flavour(fleet: FleetFolder) -> None:
    cluster(fleet, redhat(channel=None, source=None, approve=None))
    of_redhat = objects(fleet)[f"Subscription/{PACKAGE}"]
    cluster(fleet, upstream(csv=CSV), platform="kubernetes")
    of_upstream = objects(fleet)[f"Subscription/{PACKAGE}"]

    assert [of_redhat["spec"][key] for key in ("channel", "source", "sourceNamespace")] == [
        "stable", "redhat-operators", "openshift-marketplace",
    ]  # fmt: skip
    assert [of_upstream["spec"][key] for key in ("channel", "source", "sourceNamespace")] == [
        "alpha", "operatorhubio-catalog", "olm",
    ]  # fmt: skip
    assert of_upstream["metadata"]["namespace"] == "operators"


def test_in_a_namespace_of_olm_the_group_that_is_there_stays_the_only_one(fleet: FleetFolder) -> None:
    cluster(fleet, upstream(csv=CSV), platform="kubernetes")

    found = objects(fleet)

    groups = [value for key, value in found.items() if key.startswith("OperatorGroup/")]
    assert [group["metadata"]["name"] for group in groups] == ["global-operators"]
    assert {options(item) for item in (*groups, found["Namespace/operators"])} == {"Prune=false,Delete=false"}


def test_upstream_may_have_a_namespace_and_a_catalog_of_its_own(fleet: FleetFolder) -> None:
    kmm = {**upstream(csv=CSV, source="mirror", sourceNamespace="olm-mirror", channel="stable"), "namespace": "kmm"}
    cluster(fleet, kmm, platform="kubernetes")

    found = objects(fleet)

    spec = found[f"Subscription/{PACKAGE}"]["spec"]
    assert (spec["source"], spec["sourceNamespace"], spec["channel"]) == ("mirror", "olm-mirror", "stable")
    assert found[f"OperatorGroup/{PACKAGE}"]["metadata"]["namespace"] == "kmm"
    assert options(found["Namespace/kmm"]) == CONFIRMED


def test_the_job_that_approves_runs_beside_the_subscription_with_rights_by_name(fleet: FleetFolder) -> None:
    cluster(fleet, redhat())

    found = objects(fleet)

    name = f"kmodgate-approve-{PACKAGE}"
    job, role = found[f"Job/{name}"], found[f"Role/{name}"]
    assert annotations(job)["argocd.argoproj.io/hook"] == "Sync"
    assert wave(job) == wave(found[f"Subscription/{PACKAGE}"]), "a Subscription that waits holds up the next wave"
    assert wave(role) < wave(job) < wave(found["Module/nic"])
    assert role["rules"] == [
        {
            "apiGroups": ["operators.coreos.com"],
            "resources": ["subscriptions"],
            "resourceNames": [PACKAGE],
            "verbs": ["get"],
        },
        {
            "apiGroups": ["operators.coreos.com"],
            "resources": ["clusterserviceversions"],
            "resourceNames": [CSV],
            "verbs": ["get"],
        },
        {"apiGroups": ["operators.coreos.com"], "resources": ["installplans"], "verbs": ["get", "patch"]},
    ]
    assert found[f"RoleBinding/{name}"]["subjects"] == [
        {"kind": "ServiceAccount", "name": name, "namespace": "openshift-kmm"}
    ]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == KUBECTL
    assert {item["name"]: item["value"] for item in container["env"]}["CSV"] == CSV
    assert job["spec"]["activeDeadlineSeconds"] > int(
        {item["name"]: item["value"] for item in container["env"]}["TIMEOUT"]
    )


@pytest.mark.parametrize("platform", ["openshift", "kubernetes"])
def test_the_pod_of_a_job_is_restricted(fleet: FleetFolder, platform: str) -> None:
    cluster(fleet, redhat() if platform == "openshift" else upstream(csv=CSV), platform=platform)

    pod = objects(fleet)[f"Job/kmodgate-approve-{PACKAGE}"]["spec"]["template"]["spec"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert ("runAsUser" in pod["securityContext"]) is (platform == "kubernetes"), "OpenShift gives a user of the range"
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_by_hand_leaves_the_job_and_its_rights_out(fleet: FleetFolder) -> None:
    cluster(fleet, redhat(approve="byHand"), kubectl="")

    found = objects(fleet)

    assert f"Subscription/{PACKAGE}" in found
    assert not [key for key in found if key.startswith("Job/") or "approve" in key]


def test_kinds_of_kmm_skip_the_dry_run_only_where_the_specs_install_it(fleet: FleetFolder) -> None:
    fleet.write(
        "drivers/preflight.yaml",
        "apiVersion: kmm.sigs.x-k8s.io/v1beta2\nkind: PreflightValidation\nmetadata: {name: next}\n"
        "spec: {kernelVersion: 5.14.0-1.el9.x86_64}\n",
    )
    fleet.driver("nic", "attach: [./preflight.yaml]")
    cluster(fleet, redhat())
    ours = objects(fleet)
    cluster(fleet, {"flavour": "redhat"})
    others = objects(fleet)

    kinds = ("Module/nic", "PreflightValidation/next")
    assert [options(ours[key]) for key in kinds] == [
        f"{CONFIRMED},SkipDryRunOnMissingResource=true", "SkipDryRunOnMissingResource=true",
    ]  # fmt: skip
    assert not any("SkipDryRun" in options(value) for value in others.values())
    assert not any("SkipDryRun" in options(value) for key, value in ours.items() if key not in kinds)


def test_a_cordon_is_tolerated_where_the_operator_runs_on_the_nodes_that_it_serves(fleet: FleetFolder) -> None:
    cordon = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}
    own = {"key": "infra", "operator": "Exists"}
    found = []
    for topology, install in (
        ("sno", {}),
        ("compact", {}),
        ("ha", {}),
        ("ha", {"tolerations": [own]}),
        ("sno", {"tolerations": []}),
    ):
        cluster(fleet, redhat(**install), topology=topology)
        here = objects(fleet)
        config = here[f"Subscription/{PACKAGE}"]["spec"].get("config", {})
        assert config.get("tolerations") == here[f"Job/kmodgate-approve-{PACKAGE}"]["spec"]["template"]["spec"].get(
            "tolerations"
        )
        found.append(config.get("tolerations"))

    assert found == [[cordon], [cordon], None, [own], None]


def test_a_namespace_that_a_driver_makes_is_the_drivers(fleet: FleetFolder) -> None:
    fleet.write("drivers/nic.yaml", (fleet.root / "drivers/nic.yaml").read_text().replace("kmm-tests", "openshift-kmm"))
    cluster(fleet, redhat())

    namespace = objects(fleet)["Namespace/openshift-kmm"]

    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert options(namespace) == "Prune=false,Delete=false"


def test_the_configuration_is_a_config_map_and_a_job_that_restarts_what_is_older(fleet: FleetFolder) -> None:
    cluster(
        fleet, {**redhat(), "config": {"worker": {"firmwareHostPath": "/var/lib/firmware"}, "job": {"gcDelay": "1h"}}}
    )

    found = objects(fleet)

    settings = found["ConfigMap/kmm-operator-manager-config"]
    job = found[f"Job/kmodgate-restart-{PACKAGE}"]
    assert yaml.safe_load(settings["data"]["controller_config.yaml"]) == {
        "worker": {"firmwareHostPath": "/var/lib/firmware"}, "job": {"gcDelay": "1h"},
    }  # fmt: skip
    assert wave(found[f"Subscription/{PACKAGE}"]) < wave(settings) < wave(job) < wave(found["Module/nic"])
    rules = found[f"Role/kmodgate-restart-{PACKAGE}"]["rules"]
    assert rules[-1]["resourceNames"] == ["kmm-operator-controller", "kmm-operator-webhook"]


def test_the_configuration_of_an_operator_that_others_install_is_rendered_too(fleet: FleetFolder) -> None:
    cluster(fleet, {"version": "1.1", "namespace": "kmm", "config": {"webhookPort": 9443}}, platform="kubernetes")

    found = objects(fleet)

    assert found["ConfigMap/kmm-operator-manager-config"]["data"] == {
        "controller_manager_config.yaml": "webhookPort: 9443\n"
    }
    assert "Namespace/kmm" not in found
    assert not any(key.startswith("Subscription/") for key in found)


def test_without_a_version_the_pinned_one_is_the_clusters(fleet: FleetFolder) -> None:
    fleet.driver("nic", "tolerations: [{key: a, operator: Exists}]")
    cluster(fleet, redhat(csv="kernel-module-management.v2.2.1"))

    result = fleet.run("render")

    assert "came with Red Hat KMM 2.3, and the cluster has Red Hat KMM 2.2.1" in result.stderr


@pytest.mark.parametrize("script", ["approve", "restart"])
def test_the_script_in_a_job_is_the_file(fleet: FleetFolder, script: str) -> None:
    cluster(fleet, {**redhat(), "config": {"webhook": {"port": 9443}}})

    (container,) = objects(fleet)[f"Job/kmodgate-{script}-{PACKAGE}"]["spec"]["template"]["spec"]["containers"]

    *command, text = container["command"]
    assert command == ["sh", "-c"]
    assert text.startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("spec.startingCSV", "spec.kmm.install.csv (driver)"),
        ("spec.sourceNamespace", "where catalogs are on this platform"),
        ("spec.installPlanApproval", "nothing is installed or upgraded that the spec does not name"),
        ("metadata.annotations", "without the operator nothing is unloaded"),
        ("spec.name", "what installs, configures or watches KMM's operator"),
    ],
)
def test_explain_names_the_field_of_the_cluster_or_the_reason(fleet: FleetFolder, field: str, said: str) -> None:
    cluster(fleet, redhat())

    result = fleet.run("explain", f"Subscription/{PACKAGE}", field)

    assert result.returncode == 0
    assert said in result.stdout
