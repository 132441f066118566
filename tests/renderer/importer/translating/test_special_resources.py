"""SpecialResources: what their chart made in the cluster becomes a Module, and the rest is listed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from tests.command import run
from tests.renderer.importer.translating.old_objects import Object, import_all, rendered, spec_of

KERNEL = "4.18.0-305.45.1.el8_4.x86_64"
REGISTRY = "image-registry.openshift-image-registry.svc:5000/simple-kmod"
DOCKERFILE = "FROM quay.io/acme/toolkit:1\nARG KVER\nRUN make KVER=${KVER}\n"
NODES = {"node-role.kubernetes.io/worker": ""}

RESOURCE: Object = {
    "apiVersion": "sro.openshift.io/v1beta1",
    "kind": "SpecialResource",
    "metadata": {"name": "simple-kmod"},
    "spec": {
        "namespace": "simple-kmod",
        "chart": {"name": "simple-kmod", "version": "0.0.1"},
        "set": {"kind": "Values", "apiVersion": "sro.openshift.io/v1beta1", "kmodNames": ["simple-kmod", "procfs-kmod"]},
        "driverContainer": {"source": {"git": {"ref": "main", "uri": "https://example.com/simple-kmod.git"}}},
    },
}  # fmt: skip

BUILD: Object = {
    "apiVersion": "build.openshift.io/v1",
    "kind": "BuildConfig",
    "metadata": {"name": "simple-kmod-driver-build-e383247", "namespace": "simple-kmod"},
    "spec": {
        "nodeSelector": NODES,
        "runPolicy": "Serial",
        "source": {"dockerfile": DOCKERFILE},
        "strategy": {"dockerStrategy": {"buildArgs": [{"name": "KVER", "value": KERNEL}]}},
        "output": {"to": {"kind": "ImageStreamTag", "name": f"simple-kmod-driver-container:v{KERNEL}"},
                   "pushSecret": {"name": "push"}},
    },
}  # fmt: skip

LOADER: Object = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "simple-kmod-driver-container-e383247", "namespace": "simple-kmod",
                 "ownerReferences": [{"apiVersion": "sro.openshift.io/v1beta1", "kind": "SpecialResource", "name": "simple-kmod"}]},
    "spec": {"template": {"spec": {
        "serviceAccountName": "simple-kmod-driver-container",
        "nodeSelector": {**NODES, "feature.node.kubernetes.io/kernel-version.full": KERNEL},
        "containers": [{
            "name": "driver", "image": f"{REGISTRY}/simple-kmod-driver-container:v{KERNEL}", "command": ["sleep", "infinity"],
            "lifecycle": {"postStart": {"exec": {"command": ["modprobe", "-v", "-a", "simple-kmod", "procfs-kmod"]}},
                          "preStop": {"exec": {"command": ["modprobe", "-r", "-a", "simple-kmod", "procfs-kmod"]}}},
            "securityContext": {"privileged": True},
        }],
    }}},
}  # fmt: skip


def changed(value: Object, **spec: Any) -> Object:
    result = copy.deepcopy(value)
    result["spec"] |= spec
    return result


def container(here: Path) -> Any:
    [module] = rendered(here, "Module")
    return module["spec"]["moduleLoader"]["container"]


def dockerfile(here: Path, build: Object) -> str:
    return (here / "fleet/drivers" / build["dockerfile"]).read_text()


def test_resource_daemon_set_and_build_become_one_module(here: Path) -> None:
    said = import_all(here, RESOURCE, BUILD, LOADER, code=1)
    made = container(here)
    assert made["modprobe"] == {
        "moduleName": "procfs-kmod", "dirName": "/", "modulesLoadingOrder": ["procfs-kmod", "simple-kmod"]
    }  # fmt: skip
    spec = spec_of(here, "simple-kmod")
    assert (spec["namespace"]["name"], spec["selector"], spec["imageRepoSecret"]) == ("simple-kmod", NODES, "push")
    assert spec["containerImage"] == f"{REGISTRY}/simple-kmod-driver-container:v${{KERNEL_FULL_VERSION}}"
    [mapping] = spec["kernelMappings"]
    assert (mapping["literal"], mapping["build"]["buildArgs"]) == (KERNEL, {"KVER": KERNEL})
    assert dockerfile(here, mapping["build"]) == DOCKERFILE
    assert "SpecialResource simple-kmod: spec.chart: not carried over" in said
    assert "SpecialResource simple-kmod: spec.driverContainer: not carried over" in said
    assert yaml.safe_load((here / "fleet/clusters/paris.yaml").read_text())["spec"]["platform"] == "openshift"


def test_the_values_of_the_chart_name_the_modules_where_no_daemon_set_does(here: Path) -> None:
    said = import_all(here, RESOURCE, BUILD, code=1)
    assert container(here)["modprobe"]["moduleName"] == "procfs-kmod"
    [mapping] = spec_of(here, "simple-kmod")["kernelMappings"]
    assert mapping["containerImage"] == f"{REGISTRY}/simple-kmod-driver-container:v{KERNEL}"
    assert "no DaemonSet says where the image has its kernel modules" in said


def test_an_image_for_no_kernel_gets_one_in_its_tag(here: Path) -> None:
    build = changed(
        BUILD, output={"to": {"kind": "DockerImage", "name": "quay.io/acme/nic:1.0"}}, strategy={"dockerStrategy": {}}
    )
    said = import_all(here, RESOURCE, build, code=1)
    spec = spec_of(here, "simple-kmod")
    assert spec["containerImage"] == "quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}"
    assert dockerfile(here, spec["build"]) == DOCKERFILE
    assert "spec.output.to.name: not carried over: its image quay.io/acme/nic:1.0 was built for one kernel" in said
    assert rendered(here, "Module")


def test_a_dockerfile_in_git_is_listed(here: Path) -> None:
    build = changed(BUILD, source={"git": {"uri": "https://example.com/x.git"}})
    said = import_all(here, RESOURCE, build, LOADER, code=1)
    assert "spec.source: not carried over: its Dockerfile is not in the object" in said
    assert "build" not in str(spec_of(here, "simple-kmod")["kernelMappings"])


def test_the_node_selector_of_the_resource_joins_that_of_its_daemon_set(here: Path) -> None:
    import_all(here, changed(RESOURCE, nodeSelector={"nic": True}), LOADER, code=1)
    assert spec_of(here, "simple-kmod")["selector"] == {**NODES, "nic": "true"}


def test_a_resource_alone_says_what_is_missing(here: Path) -> None:
    said = import_all(here, RESOURCE, code=2)
    assert "error[IMP001] SpecialResource simple-kmod: spec: not imported" in said
    assert "oc get daemonsets,buildconfigs -n simple-kmod -o yaml" in said


def test_the_rule_about_former_groups_names_import(here: Path) -> None:
    import_all(here, RESOURCE, code=2)
    assert "let kmodgate import make a spec of it" in run("check", "old.yaml", cwd=here).stdout


def test_a_device_image_by_digest_is_told(here: Path) -> None:
    arguments = [{"name": "IMAGE", "value": f"quay.io/acme/toolkit@sha256:{'0' * 64}"}]
    build = changed(BUILD, strategy={"dockerStrategy": {"buildArgs": arguments, "from": {"kind": "DockerImage"}}})
    said = import_all(here, RESOURCE, build, LOADER, code=1)
    assert "spec.strategy.dockerStrategy.buildArgs[0]: not carried over: IMAGE is one release's image" in said
    assert "spec.strategy.dockerStrategy.from: not carried over" in said
