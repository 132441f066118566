"""Modules of the operator before KMM (`ooto.sigs.k8s.io`): import makes Modules of today of them, and lists the rest."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.renderer.importer.translating.old_objects import Object, import_all, rendered, spec_of

KERNEL = "5.14.0-427.13.1.el9_4.x86_64"
DOCKERFILE = "FROM quay.io/acme/base:1\nARG KERNEL_VERSION\nRUN make KVER=${KERNEL_VERSION}\n"
NAMESPACE = ("--namespace=drivers",)

OLD: Object = {
    "apiVersion": "ooto.sigs.k8s.io/v1alpha1",
    "kind": "Module",
    "metadata": {"name": "nic", "uid": "1", "managedFields": [{"manager": "kubectl"}]},
    "spec": {
        "driverContainer": {
            "name": "overwritten-anyway",
            "command": ["sleep", "infinity"],
            "lifecycle": {
                "postStart": {"exec": {"command": ["modprobe", "-vd", "/opt", "acme_nic", "debug=1"]}},
                "preStop": {"exec": {"command": ["modprobe", "-rvd", "/opt", "acme_nic"]}},
            },
            "securityContext": {"capabilities": {"add": ["SYS_MODULE"]}},
        },
        "kernelMappings": [{"literal": KERNEL, "regexp": "", "containerImage": "quay.io/acme/nic:1.0", "build": None}],
        "selector": {"wants-nic": True, "slots": 2, "node-role.kubernetes.io/worker": None},
    },
    "status": {"conditions": []},
}


def old(**spec: Any) -> Object:
    value = copy.deepcopy(OLD)
    value["spec"] |= spec
    return value


def test_an_old_module_becomes_one_of_today(here: Path) -> None:
    said = import_all(here, OLD, options=NAMESPACE)
    assert "read as Modules of today: Module nic of ooto.sigs.k8s.io/v1alpha1" in said
    [module] = rendered(here, "Module")
    assert module["metadata"]["namespace"] == "drivers"
    assert module["spec"]["selector"] == {"wants-nic": "true", "slots": "2", "node-role.kubernetes.io/worker": ""}
    container = module["spec"]["moduleLoader"]["container"]
    assert container["modprobe"] == {"moduleName": "acme_nic", "dirName": "/opt", "parameters": ["debug=1"]}
    assert container["kernelMappings"] == [{"literal": KERNEL, "containerImage": "quay.io/acme/nic:1.0"}]


def test_it_needs_a_namespace(here: Path) -> None:
    said = import_all(here, OLD, code=2)
    assert "old.yaml:3:1: error[IMP001] Module nic: metadata: not imported: it has no namespace" in said
    assert "fix: say which: --namespace NAME" in said


def test_a_name_for_a_module_that_is_refused_is_no_mistake(here: Path) -> None:
    said = import_all(here, OLD, options=["--module-name=nic=acme_nic"], code=2)
    assert "say which: --namespace NAME" in said


def test_it_needs_the_name_of_the_kernel_module(here: Path) -> None:
    value = old(driverContainer={"command": ["/entrypoint.sh"]})
    said = import_all(here, value, options=NAMESPACE, code=2)
    assert "Module nic: spec.driverContainer: not imported: no command in it says which kernel module it loads" in said
    import_all(here, value, options=(*NAMESPACE, "--module-name=nic=acme_nic"), code=1)
    assert spec_of(here, "nic")["modprobe"]["moduleName"] == "acme_nic"


@pytest.mark.parametrize("loader", [
    {"command": ["modprobe", "-d", "/opt", "acme_nic"]},
    {"command": ["sh", "-c"], "args": ["modprobe -d /opt acme_nic && sleep infinity"]},
    {"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "modprobe -r -d /opt acme_nic"]}}}},
    {"args": ["bash", "-xec", "insmod /opt/lib/modules/$(uname -r)/extra/acme_nic.ko.xz"]},
])  # fmt: skip
def test_the_kernel_module_is_read_from_any_command(here: Path, loader: Object) -> None:
    import_all(here, old(driverContainer=loader), options=NAMESPACE, code=run_code(loader))
    assert spec_of(here, "nic")["modprobe"]["moduleName"] == "acme_nic"


def run_code(loader: Object) -> int:
    """The unloading alone does not say where the image has its kernel modules."""
    return 1 if "lifecycle" in loader else 0


def test_the_later_name_of_the_section_is_read(here: Path) -> None:
    value = old()
    value["spec"]["moduleLoader"] = value["spec"].pop("driverContainer")
    import_all(here, value, options=NAMESPACE)
    assert spec_of(here, "nic")["modprobe"]["moduleName"] == "acme_nic"


def test_a_build_becomes_a_file_and_registry_settings_get_their_places(here: Path) -> None:
    build = {
        "dockerfile": DOCKERFILE, "buildArgs": [{"name": "V", "value": "1"}], "secrets": [{"name": "git"}],
        "pull": {"insecure": True}, "push": {"insecureSkipTLSVerify": True},
    }  # fmt: skip
    mapping = {"regexp": "^.+$", "containerImage": "quay.io/acme/nic:$KERNEL_FULL_VERSION", "build": build}
    import_all(here, old(kernelMappings=[mapping]), options=NAMESPACE)
    [made] = spec_of(here, "nic")["kernelMappings"]
    assert made["registryTLS"] == {"insecureSkipTLSVerify": True}
    assert made["build"]["baseImageRegistryTLS"] == {"insecure": True}
    assert made["build"]["buildArgs"] == {"V": "1"}
    assert (here / "fleet/drivers" / made["build"]["dockerfile"]).read_text() == DOCKERFILE
    [config_map] = [item for item in rendered(here, "ConfigMap") if "dockerfile" in item["data"]]
    assert config_map["data"]["dockerfile"] == DOCKERFILE


def test_the_build_of_the_module_overrules_registries_of_its_mappings(here: Path) -> None:
    mapping = {"regexp": "^.+$", "containerImage": "quay.io/acme/nic:$KERNEL_FULL_VERSION",
               "build": {"dockerfile": DOCKERFILE, "pull": {"insecure": True}}}  # fmt: skip
    value = old(kernelMappings=[mapping], build={"dockerfile": DOCKERFILE, "pull": {}, "push": {}})
    said = import_all(here, value, options=NAMESPACE, code=1)
    assert "spec.kernelMappings[0].build.pull: not carried over: the build of the Module overruled it" in said
    assert "baseImageRegistryTLS" not in str(spec_of(here, "nic"))


def test_the_plugin_takes_the_volumes_that_it_mounts(here: Path) -> None:
    plugin = {
        "name": "x", "image": "quay.io/acme/plugin:1.0", "args": ["-v"], "ports": [{"containerPort": 80}],
        "volumeMounts": [{"name": "conf", "mountPath": "/etc/conf"}], "securityContext": {"privileged": True},
    }  # fmt: skip
    volumes = [{"name": "rest", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "nic-conf"}}]
    value = old(devicePlugin=plugin, additionalVolumes=volumes, serviceAccountName="nic")
    said = import_all(here, value, options=NAMESPACE, code=1)
    assert "spec.devicePlugin.ports: not carried over" in said
    assert "spec.additionalVolumes[0]: not carried over" in said
    [module] = rendered(here, "Module")
    made = module["spec"]["devicePlugin"]
    assert made["volumes"] == [{"name": "conf", "configMap": {"name": "nic-conf"}}]
    assert made["container"]["args"] == ["-v"]
    assert made["serviceAccountName"] == module["spec"]["moduleLoader"]["serviceAccountName"] == "nic"


LOST = {
    "spec.driverContainer.env": {"env": [{"name": "A", "value": "b"}]},
    "spec.driverContainer.volumeMounts": {"volumeMounts": [{"name": "a", "mountPath": "/a"}]},
    "spec.driverContainer.securityContext.capabilities": {"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}},
    "spec.driverContainer.args": {"args": ["mknod /dev/nic c 1 2"], "command": ["sh", "-c"]},
}


@pytest.mark.parametrize("field", LOST)
def test_what_no_module_has_is_listed_and_written_into_the_spec(here: Path, field: str) -> None:
    value = old(driverContainer={**OLD["spec"]["driverContainer"], "lifecycle": {}, **LOST[field]})
    if "args" not in LOST[field]:
        value["spec"]["driverContainer"]["command"] = ["modprobe", "-d", "/opt", "acme_nic"]
    else:
        value["spec"]["driverContainer"]["args"] = ["modprobe -d /opt acme_nic; mknod /dev/nic c 1 2"]
    said = import_all(here, value, options=NAMESPACE, code=1)
    assert f"warning[IMP002] Module nic: {field}: not carried over" in said
    assert f"# - {field}: " in (here / "fleet/drivers/nic.yaml").read_text()
    rendered(here, "Module")


def test_a_module_of_today_in_its_place_is_left_alone(here: Path) -> None:
    import_all(here, OLD, options=NAMESPACE)
    [module] = rendered(here, "Module")
    (here / "fleet").rename(here / "before")
    said = import_all(here, OLD, module, options=NAMESPACE, code=1)
    assert "not imported: the cluster has the Module drivers/nic already" in said
    assert spec_of(here, "nic")["modprobe"]["moduleName"] == "acme_nic"


def test_an_old_module_in_todays_shape_is_read_as_one(here: Path) -> None:
    import_all(here, OLD, options=NAMESPACE)
    [module] = rendered(here, "Module")
    (here / "fleet").rename(here / "before")
    import_all(here, {**module, "apiVersion": OLD["apiVersion"]})
    assert spec_of(here, "nic")["modprobe"]["moduleName"] == "acme_nic"


def test_the_rule_about_former_groups_names_import(here: Path) -> None:
    import_all(here, OLD, options=NAMESPACE)
    assert "let kmodgate import make a spec of it" in run("check", "old.yaml", cwd=here).stdout


def test_an_image_without_a_tag_gets_the_one_that_it_stands_for(here: Path) -> None:
    mappings = [{"literal": KERNEL, "containerImage": "quay.io/acme/nic"}]
    import_all(here, old(kernelMappings=mappings), options=NAMESPACE)
    [module] = rendered(here, "Module")
    [mapping] = module["spec"]["moduleLoader"]["container"]["kernelMappings"]
    assert mapping["containerImage"] == "quay.io/acme/nic:latest"
