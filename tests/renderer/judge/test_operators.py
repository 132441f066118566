"""The operator's own rules: one that leaves while it is needed, and one that somebody else has installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fleets import FleetFolder, git
from tests.renderer.compile.operator_install.fleet import CSV, REFERENCE, cluster, redhat, upstream

PACKAGE = "kernel-module-management"


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    folder = FleetFolder(tmp_path)
    folder.driver("nic")
    cluster(folder, redhat())
    return folder


def found(fleet: FleetFolder, *arguments: str, rules: tuple[str, ...] = ("OPC201", "OPC202")) -> list[dict[str, Any]]:
    result = fleet.run("check", *arguments, "--format", "json")
    assert result.stdout, result.stderr
    report = json.loads(result.stdout)
    return [item for item in report["findings"] if item["rule"] in rules]


def dump(fleet: FleetFolder, *objects: dict[str, Any], lists: tuple[str, ...] = ()) -> str:
    shutil.rmtree(fleet.root / "dump", ignore_errors=True)
    values = [*objects, *({"apiVersion": "v1", "kind": f"{kind}List", "items": []} for kind in lists)]
    for number, item in enumerate(values):
        fleet.write(f"dump/{number}.yaml", json.dumps(item))
    return "dump"


def value(kind: str, name: str, namespace: str = "", api: str = "v1", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def subscription(namespace: str, name: str = PACKAGE, package: str = PACKAGE) -> dict[str, Any]:
    spec = {"name": package, "source": "a", "sourceNamespace": "b"}
    return value("Subscription", name, namespace, "operators.coreos.com/v1alpha1", spec=spec)


def definition(**metadata: dict[str, str]) -> dict[str, Any]:
    return value(
        "CustomResourceDefinition", "modules.kmm.sigs.x-k8s.io", api="apiextensions.k8s.io/v1", metadata=metadata
    )


def deployment(namespace: str, image: str = "quay.io/a/kernel-module-management-operator:1") -> dict[str, Any]:
    pod = {"containers": [{"name": "manager", "image": image}], "serviceAccountName": "kmm-operator-controller"}
    return value("Deployment", "kmm", namespace, "apps/v1", spec={"template": {"spec": pod}})


HELM = {"meta.helm.sh/release-name": "amd-gpu-operator", "meta.helm.sh/release-namespace": "kube-amd-gpu"}
OTHERS = {
    "another Subscription": (subscription("openshift-operators"), "Subscription openshift-operators/kernel-module-management"),
    "a second one beside it": (subscription("openshift-kmm", "kmm"), "Subscription openshift-kmm/kmm"),
    "AMD's release": (definition(annotations=HELM), "Helm release kube-amd-gpu/amd-gpu-operator (AMD's GPU Operator"),
    "a release": (definition(annotations={"meta.helm.sh/release-name": "kmm"}), "Helm release ?/kmm"),
    "a label of Helm": (definition(labels={"app.kubernetes.io/managed-by": "Helm"}), "Helm release without a name"),
    "a chart": (definition(labels={"helm.sh/chart": "gpu-operator-charts-1.4.0"}), "Helm release gpu-operator-charts-1.4.0 (AMD's"),
    "a package of OLM": (definition(labels={"operators.coreos.com/kernel-module-management.operators": ""}), "package kernel-module-management in namespace operators"),
    "a Deployment": (deployment("kmm-operator-system"), "Deployment kmm-operator-system/kmm"),
}  # fmt: skip

OURS = {
    "nothing": value("ConfigMap", "a", "b"),
    "the rendered Subscription": subscription("openshift-kmm"),
    "another operator's": subscription("operators", package="gpu-operator"),
    "our package": definition(labels={"operators.coreos.com/kernel-module-management.openshift-kmm": "", "olm.managed": "true"}),
    "a definition of nobody": definition(),
    "the operator": deployment("openshift-kmm"),
    "another Deployment": deployment("kmm-operator-system", "quay.io/a/other:1"),
    "the hub's": deployment("openshift-kmm-hub", "quay.io/a/kernel-module-management-operator-hub:1"),
}  # fmt: skip
OURS["the hub's"]["spec"]["template"]["spec"]["serviceAccountName"] = "kmm-operator-hub-controller"


@pytest.mark.parametrize("case", OTHERS)
def test_an_operator_of_somebody_else_is_an_error(fleet: FleetFolder, case: str) -> None:
    shown, owner = OTHERS[case]

    (finding,) = found(fleet, "--facts", dump(fleet, shown))

    assert (finding["rule"], finding["mode"], finding["file"]) == ("OPC201", "enforce", "clusters/paris.yaml")
    assert owner in finding["message"]


@pytest.mark.parametrize("case", OURS)
def test_our_own_operator_is_none(fleet: FleetFolder, case: str) -> None:
    assert found(fleet, "--facts", dump(fleet, OURS[case])) == []


def test_by_kustomize_the_deployment_is_ours(fleet: FleetFolder) -> None:
    cluster(fleet, upstream(kustomize=REFERENCE), platform="kubernetes")

    assert found(fleet, "--facts", dump(fleet, deployment("kmm-operator-system"), definition())) == []
    assert len(found(fleet, "--facts", dump(fleet, subscription("operators")))) == 1


def test_who_installs_nothing_may_have_any_operator(fleet: FleetFolder) -> None:
    cluster(fleet, {"flavour": "redhat"})

    assert found(fleet, "--facts", dump(fleet, subscription("operators"))) == []


# -- an operator that leaves ------------------------------------------------------------------------------------------


def commit(fleet: FleetFolder) -> None:
    if not (fleet.root / ".git").exists():
        git(fleet.root, "init", "--quiet")
    git(fleet.root, "add", "--all")
    git(fleet.root, "commit", "--quiet", "--message", "a")


WITHOUT = {"flavour": "redhat"}


def test_an_operator_leaves_only_after_the_modules(fleet: FleetFolder) -> None:
    commit(fleet)
    cluster(fleet, WITHOUT)

    (finding,) = found(fleet)

    assert (finding["rule"], finding["mode"]) == ("OPC202", "enforce")
    assert "leaves paris while it has to unload Module kmm-tests/nic" in finding["message"]


@pytest.mark.parametrize(
    "wrong",
    [{"config": {"worker": {"firmwareHostPth": "/var/lib/firmware"}}}, {"version": "2.5"}],
    ids=["config", "version"],
)
def test_an_operator_that_an_error_of_the_spec_keeps_out_does_not_leave(
    fleet: FleetFolder, wrong: dict[str, Any]
) -> None:
    commit(fleet)
    cluster(fleet, {**redhat(), **wrong})
    findings = found(fleet, rules=("SCH104", "SCH106", "OPC202"))
    assert len(findings) == 1
    assert findings[0]["rule"] != "OPC202"


def test_modules_and_operator_do_not_leave_in_one_commit(fleet: FleetFolder) -> None:
    commit(fleet)
    fleet.driver("nic", "state: absent")
    cluster(fleet, WITHOUT)
    assert len(found(fleet)) == 1

    cluster(fleet, redhat())
    commit(fleet)
    cluster(fleet, WITHOUT)
    assert found(fleet) == []


def test_what_the_cluster_still_has_counts(fleet: FleetFolder) -> None:
    fleet.driver("nic", "state: absent")
    commit(fleet)
    cluster(fleet, WITHOUT)
    loaded = {"modules": [{"name": "nic", "namespace": "kmm-tests", "config": {}}]}
    nodes = value("NodeModulesConfig", "worker-1", api="kmm.sigs.x-k8s.io/v1beta1", status=loaded)
    lists = ("Module", "NodeModulesConfig")

    (finding,) = found(fleet, "--facts", dump(fleet, nodes, lists=lists))
    assert "nic on node worker-1" in finding["message"]
    assert found(fleet, "--facts", dump(fleet, lists=lists)) == []


def test_a_dump_without_anything_left_allows_one_commit(fleet: FleetFolder) -> None:
    commit(fleet)
    fleet.driver("nic", "state: absent")
    cluster(fleet, WITHOUT)

    assert found(fleet, "--facts", dump(fleet, lists=("Module", "NodeModulesConfig"))) == []


def test_another_way_to_install_it_is_no_removal(fleet: FleetFolder) -> None:
    cluster(fleet, {**upstream(csv=CSV), "namespace": "kmm-operator-system"}, platform="kubernetes")
    commit(fleet)
    cluster(fleet, upstream(kustomize=REFERENCE), platform="kubernetes")

    assert found(fleet) == []


def test_a_policy_may_allow_it(fleet: FleetFolder) -> None:
    fleet.write(
        "policies/p.yaml",
        "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {name: p}\n"
        "spec: {clusters: {names: [paris]}, modes: {OPC202: warn}}\n",
    )
    commit(fleet)
    cluster(fleet, WITHOUT)

    assert [item["mode"] for item in found(fleet)] == ["warn"]
