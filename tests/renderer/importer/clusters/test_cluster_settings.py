"""Objects of a cluster's own in the input: they become fields of its Cluster spec, or are listed with their line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import run
from tests.conftest import CASES
from tests.renderer.importer.import_runs import imported, module, spec

Object = dict[str, Any]
OLM = "operators.coreos.com"
CSV = "kernel-module-management.v2.4.1"


def subscription(name: str = "kernel-module-management", status: Object | None = None, **more: Any) -> Object:
    fields = {"name": name, "channel": "stable", "source": "redhat-operators", "installPlanApproval": "Manual"}
    return {
        "apiVersion": f"{OLM}/v1alpha1",
        "kind": "Subscription",
        "metadata": {"name": name, "namespace": "openshift-kmm-hub" if name.endswith("hub") else "openshift-kmm"},
        "spec": {**fields, "sourceNamespace": "openshift-marketplace", **more},
        "status": {"installedCSV": CSV} if status is None else status,
    }


def mirror_set(kind: str, field: str, *entries: Object, name: str = "a", **metadata: Any) -> Object:
    version = "operator.openshift.io/v1alpha1" if "Policy" in kind else "config.openshift.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": {field: [*entries]}}


def taken(here: Path, *objects: Object, code: int = 0) -> tuple[Any, list[str]]:
    """The Cluster spec of a dump with a driver and these objects, and the lines about what is lost."""
    text = "---\n".join([module(), *map(json.dumps, objects)])
    (here / "dump.yaml").write_text(text.replace("}---", "}\n---"))
    result = imported(here, "dump.yaml", "--cluster=paris", "--output=fleet", code=code)
    return spec(here / "fleet/clusters/paris.yaml"), [line for line in result.stderr.splitlines() if "[IMP" in line]


def test_a_subscription_is_an_installation_pinned_to_what_is_installed(tmp_path: Path) -> None:
    found, lost = taken(tmp_path, subscription(startingCSV="kernel-module-management.v2.3.0"))
    assert (found["platform"], lost) == ("openshift", [])
    assert found["kmm"] == {
        "flavour": "redhat",
        "namespace": "openshift-kmm",
        "install": {
            "channel": "stable",
            "source": "redhat-operators",
            "sourceNamespace": "openshift-marketplace",
            "csv": CSV,
            "approve": "byHand",
        },
    }
    assert run("render", "fleet", cwd=tmp_path).returncode == 0


def test_a_hub_is_one_by_its_package(tmp_path: Path) -> None:
    hub = subscription("kernel-module-management-hub", {"installedCSV": "kernel-module-management-hub.v2.4.1"})
    found, lost = taken(tmp_path, subscription(), hub, code=1)
    assert found["acm"] == {"role": "hub"}
    assert found["kmm"]["namespace"] == "openshift-kmm-hub"
    assert len(lost) == 1
    assert "Subscription openshift-kmm-hub/kernel-module-management-hub says how KMM is installed" in lost[0]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"installPlanApproval": "Automatic"}, "spec.installPlanApproval"),
        ({"config": {"nodeSelector": {"a": "b"}}}, "spec.config.nodeSelector"),
        ({"config": {"env": [{"name": "KMM_MANAGED", "value": "1"}]}}, "spec.config.env[0]"),
        ({"config": {"env": [{"name": "HTTPS_PROXY", "value": "a"}]}}, "spec.config.env[0]"),
    ],
)
def test_what_no_spec_says_of_a_subscription_is_listed_with_its_line(
    tmp_path: Path, changes: Object, field: str
) -> None:
    _, (line,) = taken(tmp_path, subscription(**changes), code=1)
    assert line.startswith("dump.yaml:15:")
    assert f"Subscription openshift-kmm/kernel-module-management: {field}: not carried over" in line


def test_a_subscription_without_a_version_installs_nothing(tmp_path: Path) -> None:
    found, (line,) = taken(tmp_path, subscription(status={}), code=1)
    assert "install" not in found["kmm"]
    assert "it says no version" in line


def test_a_group_of_another_name_and_for_some_namespaces_is_listed(tmp_path: Path) -> None:
    group = {
        "apiVersion": f"{OLM}/v1",
        "kind": "OperatorGroup",
        "metadata": {"name": "mine", "namespace": "openshift-kmm"},
        "spec": {"targetNamespaces": ["a"]},
    }
    _, lost = taken(tmp_path, subscription(), group, code=1)
    assert ["metadata.name" in lost[0], "spec.targetNamespaces" in lost[1], len(lost)] == [True, True, 2]


def test_the_operators_configuration_comes_along(tmp_path: Path) -> None:
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kmm-operator-manager-config", "namespace": "openshift-kmm"},
        "data": {"controller_config.yaml": "worker: {runAsUser: 0}\n"},
    }
    assert taken(tmp_path, subscription(), settings)[0]["kmm"]["config"] == {"worker": {"runAsUser": 0}}


@pytest.mark.parametrize(
    ("kind", "field", "type_"),
    [
        ("ImageDigestMirrorSet", "imageDigestMirrors", "digest"),
        ("ImageTagMirrorSet", "imageTagMirrors", "tag"),
        ("ImageContentSourcePolicy", "repositoryDigestMirrors", "digest"),
    ],
)
def test_mirrors_are_those_of_the_spec(tmp_path: Path, kind: str, field: str, type_: str) -> None:
    entry = {"source": "registry.redhat.io", "mirrors": ["m.example:5000/redhat", "n.example/redhat"]}
    found, (line,) = taken(tmp_path, mirror_set(kind, field, entry), code=1)
    assert found["mirrors"] == [{"source": "registry.redhat.io", "mirror": "m.example:5000/redhat", "type": type_}]
    assert "mirrorObjects" not in found
    assert f"{kind} a: spec.{field}[0].mirrors[1]: not carried over: a spec has one mirror of a source" in line


def test_a_mirror_that_would_rename_an_image_of_a_driver_is_left_out(tmp_path: Path) -> None:
    entry = {"source": "quay.io/acme", "mirrors": ["m.example/acme"]}
    found, (line,) = taken(tmp_path, mirror_set("ImageTagMirrorSet", "imageTagMirrors", entry), code=1)
    assert "mirrors" not in found
    assert "it would give quay.io/acme/nic:1.0 another name" in line


def test_values_that_no_cluster_may_have_are_listed_with_their_line(tmp_path: Path) -> None:
    entry = {"source": "registry.redhat.io/", "mirrors": [None]}
    mirrors = mirror_set(
        "ImageDigestMirrorSet", "imageDigestMirrors", entry, {"source": "ghcr.io", "mirrors": ["m.example"]}
    )
    found, lost = taken(tmp_path, subscription(source="", config=7), mirrors, code=1)
    assert found["mirrors"] == [{"source": "ghcr.io", "mirror": "m.example", "type": "digest"}]
    assert "install" not in found["kmm"]
    assert [line.partition(": ")[2].partition(": not")[0].partition("] ")[2] for line in lost] == [
        "Subscription openshift-kmm/kernel-module-management: spec",
        "ImageDigestMirrorSet a: spec.imageDigestMirrors[0].mirrors",
    ]


def test_an_application_of_others_that_applies_a_module_is_listed(tmp_path: Path) -> None:
    resources = [{"group": "kmm.sigs.x-k8s.io", "kind": "Module", "name": "nic"}]
    application = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "old", "namespace": "argocd"},
        "spec": {"source": {"repoURL": "https://git.example/a", "path": "b"}},
        "status": {"resources": resources},
    }
    found, (line,) = taken(tmp_path, application, code=1)
    assert "argocd" not in found
    assert "Application argocd/old: spec.source: not carried over" in line


def test_what_render_makes_of_a_cluster_comes_back(tmp_path: Path) -> None:
    tree, argocd = CASES / "sno-from-nothing/sno-7", CASES.parent / "handovers/full-module/shift/argocd"
    arguments = ["--output=fleet", f"--cluster=sno-7={tree}", f"--cluster=sno-7={argocd}"]
    run("import", *arguments, cwd=tmp_path)
    found = spec(tmp_path / "fleet/clusters/sno-7.yaml")
    rendered = yaml.safe_load((tree / "kmm-operator/subscription-kernel-module-management.yaml").read_text())["spec"]
    assert found["kmm"]["install"]["csv"] == rendered["startingCSV"]
    assert found["kmm"]["install"]["approve"] == "job"
    assert found["tools"]["kubectl"]
    assert found["argocd"]["repoURL"].startswith(("https://", "git@", "ssh://"))
