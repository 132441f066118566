"""A ManagedClusterModule becomes a driver that a hub delivers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.command import run
from tests.conftest import CASES

MODULE = """\
apiVersion: hub.kmm.sigs.x-k8s.io/v1beta1
kind: ManagedClusterModule
metadata: {name: nic, labels: {team: radio}}
spec:
  spokeNamespace: drivers
  selector: {tier: edge}
  moduleSpec:
    selector: {node-role.kubernetes.io/worker: ""}
    moduleLoader:
      container:
        modprobe: {moduleName: nic}
        kernelMappings:
        - regexp: '^5\\.14\\..+$'
          containerImage: quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}
          build: {dockerfileConfigMap: {name: nic-build}}
"""

DOCKERFILE = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: nic-build, namespace: operators}
data: {dockerfile: "FROM quay.io/acme/base:1\\n"}
"""


def imported(tmp_path: Path, text: str, *options: str) -> dict[str, dict]:
    (tmp_path / "hub.yaml").write_text(text)
    fleet = tmp_path / "fleet"
    result = run("import", "--output", str(fleet), "--cluster", f"hub={tmp_path / 'hub.yaml'}", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    return {
        value["kind"]: value
        for path in sorted(fleet.glob("*/*.yaml"))
        for value in yaml.safe_load_all(path.read_text())
    }


def test_the_driver_is_delivered_by_the_hub(tmp_path: Path) -> None:
    found = imported(tmp_path, MODULE)

    driver, cluster = found["KernelDriver"], found["Cluster"]
    assert driver["metadata"]["labels"] == {"team": "radio"}
    assert driver["spec"]["delivery"] == "hub"
    assert driver["spec"]["hub"] == {"selector": {"tier": "edge"}}
    assert driver["spec"]["namespace"] == {"name": "drivers", "manage": False}
    assert driver["spec"]["modprobe"] == {"moduleName": "nic"}
    assert cluster["spec"]["acm"] == {"role": "hub"}


def test_render_makes_the_same_object(tmp_path: Path) -> None:
    imported(tmp_path, MODULE)

    assert run("render", cwd=tmp_path / "fleet").returncode == 0
    made = yaml.safe_load((tmp_path / "fleet/rendered/hub/nic/managedclustermodule-nic.yaml").read_text())
    given = yaml.safe_load(MODULE)
    given["spec"]["moduleSpec"]["moduleLoader"]["container"]["modprobe"]["dirName"] = "/opt"
    assert made["spec"] == given["spec"]


def test_dockerfiles_of_the_hubs_operator_become_files(tmp_path: Path) -> None:
    found = imported(tmp_path, MODULE + DOCKERFILE, "--dockerfiles")

    assert found["Cluster"]["spec"]["kmm"] == {"namespace": "operators"}
    (mapping,) = found["KernelDriver"]["spec"]["kernelMappings"]
    assert (tmp_path / "fleet/drivers" / mapping["build"]["dockerfile"]).read_text() == "FROM quay.io/acme/base:1\n"


@pytest.mark.parametrize("key", ["spokeNamespace: drivers", "selector: {tier: edge}"])
def test_one_without_a_field_that_it_needs_is_told_of(tmp_path: Path, key: str) -> None:
    (tmp_path / "hub.yaml").write_text(MODULE.replace(f"  {key}\n", "", 1))

    result = run(
        "import", "--output", str(tmp_path / "fleet"), "--cluster", f"hub={tmp_path / 'hub.yaml'}", cwd=tmp_path
    )

    assert result.returncode != 0
    assert f"not imported: spec.{key.partition(':')[0]} is missing" in result.stderr


def test_a_rendered_hub_brings_its_spokes_and_what_they_get(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    tree = CASES / "hub/hub-1"
    assert run("import", "--output", str(fleet), "--cluster", f"hub-1={tree}", cwd=tmp_path).returncode == 0

    clusters = {path.stem: yaml.safe_load(path.read_text()) for path in (fleet / "clusters").iterdir()}
    assert clusters.keys() == {"hub-1", "lyon", "nantes", "oslo"}
    assert clusters["hub-1"]["spec"]["kmm"] == {"flavour": "redhat"}
    assert clusters["oslo"]["spec"] == {"platform": "kubernetes", "kmm": {}, "acm": {"role": "spoke", "hub": "hub-1"}}
    assert clusters["lyon"]["metadata"]["labels"] == {"gps": "fitted", "vendor": "OpenShift"}
    assert clusters["lyon"]["spec"]["platform"] == "openshift"
    gps = yaml.safe_load((fleet / "drivers/acme-gps.yaml").read_text())["spec"]
    assert (gps["namespace"], gps["hub"]["copyPullSecret"]) == ({"name": "timing"}, True)
    assert "attach" not in gps
    assert run("render", cwd=fleet).returncode == 0
    made, given = ({path.name: path.read_text() for path in root.rglob("manifestwork-*.yaml")}
                   for root in (fleet / "rendered/hub-1", tree))  # fmt: skip
    assert made == given


WORK_OF_KMM = """\
---
apiVersion: work.open-cluster-management.io/v1
kind: ManifestWork
metadata: {name: nic, namespace: paris, labels: {kmm.node.kubernetes.io/managedclustermodule.name: nic}}
spec: {workload: {manifests: []}}
---
apiVersion: cluster.open-cluster-management.io/v1
kind: ManagedCluster
metadata: {name: paris, labels: {tier: edge, vendor: OpenShift}}
spec: {hubAcceptsClient: true}
---
apiVersion: cluster.open-cluster-management.io/v1
kind: ManagedCluster
metadata: {name: rome, labels: {tier: core}}
spec: {hubAcceptsClient: true}
"""


def test_spokes_have_the_labels_of_their_managed_clusters(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text(MODULE + WORK_OF_KMM)
    fleet = tmp_path / "fleet"
    result = run("import", "--output", str(fleet), "--cluster", f"hub={tmp_path / 'hub.yaml'}", cwd=tmp_path)

    assert result.returncode == 0, result.stderr
    assert "ManifestWork" not in result.stderr
    assert "used by no imported Module, and left where it is: ManagedCluster: rome\n" in result.stderr
    assert {path.stem for path in (fleet / "clusters").iterdir()} == {"hub", "paris"}
    paris = yaml.safe_load((fleet / "clusters/paris.yaml").read_text())
    assert paris["metadata"]["labels"] == {"tier": "edge", "vendor": "OpenShift"}
    assert paris["spec"] == {
        "platform": "openshift",
        "kmm": {"flavour": "redhat"},
        "acm": {"role": "spoke", "hub": "hub"},
    }


ON_SPOKE = """\
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata:
  name: nic
  namespace: drivers
  ownerReferences: [{apiVersion: work.open-cluster-management.io/v1, kind: AppliedManifestWork, name: h-nic, uid: u}]
spec: {selector: {a: b}, moduleLoader: {container: {modprobe: {moduleName: nic},
  kernelMappings: [{literal: 5.14.0-1.x86_64, containerImage: "quay.io/acme/nic:1"}]}}}
"""


def test_the_module_of_a_spoke_is_its_hubs(tmp_path: Path) -> None:
    (tmp_path / "paris.yaml").write_text(ON_SPOKE)
    spoke = f"paris={tmp_path / 'paris.yaml'}"

    alone = run("import", "--output", str(tmp_path / "alone"), "--cluster", spoke, cwd=tmp_path)

    assert alone.returncode == 2
    assert "give the objects of the hub, which makes Module drivers/nic" in alone.stderr


def test_a_dump_of_a_hub_brings_the_same_as_its_tree(tmp_path: Path) -> None:
    tree = CASES / "hub/hub-1"
    items = [yaml.safe_load(path.read_text()) for path in sorted(tree.rglob("*.yaml"))]
    for item in items:
        item["metadata"] |= {"uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"}
        item["status"] = {}
    (tmp_path / "dump.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    fleet = tmp_path / "fleet"

    run("import", "--output", str(fleet), "--cluster", f"hub-1={tmp_path / 'dump.yaml'}", cwd=tmp_path)

    assert run("render", cwd=fleet).returncode == 0
    made, given = ({path.name: yaml.safe_load(path.read_text()) for path in root.rglob("manifestwork-*.yaml")}
                   for root in (fleet / "rendered/hub-1", tree))  # fmt: skip
    assert made == given


def test_a_spoke_with_a_name_that_none_has_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text(MODULE + WORK_OF_KMM.replace("name: paris", "name: ../../paris"))
    fleet = tmp_path / "fleet"

    run("import", "--output", str(fleet), "--cluster", f"hub={tmp_path / 'hub.yaml'}", cwd=tmp_path)

    assert {path.name for path in tmp_path.rglob("paris*")} == {"paris.yaml"}
    assert (fleet / "clusters/paris.yaml").exists()  # by the ManifestWork
