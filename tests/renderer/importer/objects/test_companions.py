"""Objects around a Module: ConfigMaps, namespaces and accounts of a dump go into the specs of their drivers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.command import run
from tests.renderer.importer.import_runs import imported, module, rendered, spec

CLUSTER_DUMP = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: kmm-tests, labels: {kubernetes.io/metadata.name: kmm-tests}, uid: 1-2}
  spec: {finalizers: [kubernetes]}
  status: {phase: Active}
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: loader, namespace: kmm-tests, resourceVersion: "7"}
  secrets: [{name: loader-dockercfg-x}]
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: nic-source, namespace: kmm-tests}
  data: {dockerfile: "FROM scratch\\n"}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: RoleBinding
  metadata: {name: loaders, namespace: kmm-tests, creationTimestamp: "2026-01-01T00:00:00Z"}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: loaders}
  subjects: [{kind: ServiceAccount, name: loader, namespace: kmm-tests}]
- apiVersion: rbac.authorization.k8s.io/v1
  kind: Role
  metadata: {name: loaders, namespace: kmm-tests}
  rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
- apiVersion: v1
  kind: Secret
  metadata: {name: push, namespace: kmm-tests}
  data: {.dockerconfigjson: c2VjcmV0LXZhbHVl}
- apiVersion: v1
  kind: Pod
  metadata: {name: other, namespace: kmm-tests}
- apiVersion: kmm.sigs.x-k8s.io/v1beta1
  kind: Module
  metadata:
    name: nic
    namespace: kmm-tests
    uid: 7-8
    generation: 3
    finalizers: [kmm.node.kubernetes.io/module-finalizer]
    managedFields: [{manager: kubectl}]
    labels: {team: network, app.kubernetes.io/instance: nics}
    annotations:
      argocd.argoproj.io/tracking-id: nics:kmm.sigs.x-k8s.io/Module:kmm-tests/nic
      kubectl.kubernetes.io/last-applied-configuration: "{}"
  spec:
    selector: {}
    moduleLoader:
      serviceAccountName: loader
      container:
        modprobe: {moduleName: nic, dirName: /opt}
        containerImage: "quay.io/acme/nic:1-${KERNEL_FULL_VERSION}"
        inTreeModuleToRemove: old
        kernelMappings: [{regexp: "^.+$", containerImage: "", build: {dockerfileConfigMap: {name: nic-source}}}]
    imageRepoSecret: {name: push}
  status: {moduleLoader: {availableNumber: 1}}
"""


def test_a_dump_of_a_cluster_becomes_a_driver_with_what_belongs_to_it(tmp_path: Path) -> None:
    (tmp_path / "dump.yaml").write_text(CLUSTER_DUMP)
    result = imported(tmp_path, "--cluster=paris=dump.yaml", "--output=fleet")
    found = spec(tmp_path / "fleet/drivers/nic.yaml")
    assert found["namespace"] == {"name": "kmm-tests"}
    assert found["serviceAccountName"] == "loader"
    assert found["inTreeModulesToRemove"] == ["old"]
    assert found["attach"] == ["./nic-configmap.yaml", "./nic-rbac.yaml"]
    assert found["kernelMappings"][0]["build"] == {"dockerfileConfigMap": "nic-source"}
    assert "Secret: push; a Secret is never written to a file" in result.stderr
    assert "Pod: other" in result.stderr
    written = "".join(path.read_text() for path in (tmp_path / "fleet").rglob("*.yaml"))
    for word in ("c2VjcmV0", "uid", "managedFields", "tracking-id", "last-applied", "status", "creationTimestamp"):
        assert word not in written
    result = run("render", "fleet", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    kinds = [name.partition("-")[0] for name in rendered(tmp_path / "fleet/rendered")]
    assert kinds == ["configmap", "module", "namespace", "role", "rolebinding", "serviceaccount"]


def test_dockerfiles_of_any_name_become_files_when_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "dump.yaml").write_text(CLUSTER_DUMP)
    result = imported(tmp_path, "--cluster=paris=dump.yaml", "--output=fleet", "--dockerfiles")
    assert (tmp_path / "fleet/drivers/nic-any.Dockerfile").read_text() == "FROM scratch\n"
    assert re.search(r"note: ConfigMap nic-source becomes nic-dockerfile-[0-9a-f]{10}\n", result.stderr)
    build = spec(tmp_path / "fleet/drivers/nic.yaml")["kernelMappings"][0]["build"]
    assert build == {"dockerfile": "./nic-any.Dockerfile"}


def test_a_name_that_a_spec_needs_is_not_given_to_an_attached_file(tmp_path: Path) -> None:
    (tmp_path / "dump.yaml").write_text(CLUSTER_DUMP + "---\n" + module("nic-rbac"))
    imported(tmp_path, "--cluster=paris=dump.yaml", "--output=fleet")
    names = sorted(path.name for path in (tmp_path / "fleet/drivers").iterdir())
    assert names == ["nic-configmap.yaml", "nic-rbac-2.yaml", "nic-rbac.yaml", "nic.yaml"]
    assert run("render", "fleet", cwd=tmp_path).returncode == 0


def test_a_dockerfile_that_two_drivers_share_becomes_a_file_of_each(tmp_path: Path) -> None:
    second = yaml.safe_load(CLUSTER_DUMP)["items"][-1]
    second["metadata"]["name"] = "gpu"
    (tmp_path / "dump.yaml").write_text(CLUSTER_DUMP)
    (tmp_path / "gpu.json").write_text(json.dumps(second))
    imported(tmp_path, "dump.yaml", "gpu.json", "--cluster=paris", "--output=fleet", "--dockerfiles")
    files = sorted(path.name for path in (tmp_path / "fleet/drivers").glob("*.Dockerfile"))
    assert files == ["gpu-any.Dockerfile", "nic-any.Dockerfile"]


def test_a_namespace_and_an_account_that_were_not_given_are_left_to_others(here: Path) -> None:
    with_account = module().replace("  moduleLoader:\n", "  moduleLoader:\n    serviceAccountName: nic\n")
    (here / "module.yaml").write_text(with_account)
    imported(here, "--cluster=paris=module.yaml", "--output=fleet")
    found = spec(here / "fleet/drivers/nic.yaml")
    assert found["namespace"] == {"name": "kmm-tests", "manage": False}
    assert found["serviceAccountName"] == "nic"
    run("render", "fleet", cwd=here)
    assert rendered(here / "fleet/rendered") == ["module-nic.yaml"]


def test_a_module_without_an_account_stays_without_one(here: Path) -> None:
    imported(here, "--cluster=paris=module.yaml", "--output=fleet")
    assert spec(here / "fleet/drivers/nic.yaml")["serviceAccountName"] == ""


def config_map(name: str, text: str) -> str:
    data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kmm-tests"}}
    return json.dumps({**data, "data": {"dockerfile": text}})


def building(name: str, version: str = "") -> str:
    """A Module that builds from the ConfigMap `df`."""
    value = yaml.safe_load(module())
    value["metadata"]["name"] = name
    container = value["spec"]["moduleLoader"]["container"]
    container["build"] = {"dockerfileConfigMap": {"name": "df"}}
    container |= {"version": version} if version else {}
    return json.dumps(value)


def test_what_a_refused_module_uses_still_serves_the_others(here: Path) -> None:
    (here / "all.yaml").write_text(
        "\n".join([building("aa", "1.0 beta"), building("bb"), config_map("df", "FROM a:1\n")])
    )
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet", code=1)
    assert "Module kmm-tests/aa" in result.stderr
    assert "used by no imported Module" not in result.stderr
    (attached,) = yaml.safe_load((here / "fleet/drivers/bb.yaml").read_text())["spec"]["attach"]
    assert "FROM a:1" in (here / "fleet/drivers" / attached).read_text()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (config_map("df", "FROM a:1\n"), config_map("df", "FROM a:2\n")),
        (building("aa"), building("aa").replace('"metadata": {', '"metadata": {"labels": {"x": "y"}, ')),
    ],
)
def test_two_objects_of_one_name_that_are_not_the_same_are_refused(one: str, other: str, here: Path) -> None:
    (here / "all.yaml").write_text("\n".join([building("zz"), one, other]))
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet", code=2)
    assert "error[REF004]" in result.stderr
    assert not (here / "fleet").exists()


def test_a_module_with_and_without_its_defaults_is_one(here: Path) -> None:
    value = yaml.safe_load(module())
    value["spec"]["moduleLoader"]["container"]["modprobe"]["dirName"] = "/opt"
    (here / "all.yaml").write_text(f"{module()}\n---\n{json.dumps(value)}")
    imported(here, "--cluster=paris=all.yaml", "--output=fleet")
    assert [path.name for path in (here / "fleet/drivers").iterdir()] == ["nic.yaml"]


def test_a_build_argument_that_is_no_text_is_refused(here: Path) -> None:
    value = json.loads(building("aa"))
    value["spec"]["moduleLoader"]["container"]["build"]["buildArgs"] = [{"name": 1}]
    (here / "all.yaml").write_text(json.dumps(value))
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet", code=2)
    assert "build.buildArgs[0].name: not imported: a build argument is not a text" in result.stderr
