"""DaemonSets that load kernel modules: one driver for all kernels, by DaemonSets again or by KMM."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import run
from tests.conftest import ROOT
from tests.renderer.importer.translating.old_objects import Object, import_all, rendered, spec_of

KERNELS = ("4.18.0-305.45.1.el8_4.x86_64", "4.18.0-372.9.1.el8.x86_64")
NFD = "feature.node.kubernetes.io/kernel-version.full"
WORKER = "node-role.kubernetes.io/worker"
KMM = ("--delivery=kmm",)


def loader(*command: str, **more: Any) -> Object:
    return {"name": "driver", "image": "quay.io/acme/nic:1.0", "command": list(command), **more}


def daemon_set(kernel: str = KERNELS[0], name: str = "nic", **pod: Any) -> Object:
    """A DaemonSet for one kernel; `pod` replaces fields of its pod."""
    spec: Object = {
        "containers": [loader("sh", "-c", "modprobe -d /opt acme_nic && sleep infinity")],
        "nodeSelector": {WORKER: "", **({NFD: kernel} if kernel else {})},
        "serviceAccountName": "nic",
        "restartPolicy": "Always",
        **pod,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "drivers", "annotations": {"deprecated.daemonset.template.generation": "2"}},
        "spec": {"selector": {"matchLabels": {"app": name}}, "updateStrategy": {"type": "OnDelete"},
                 "template": {"metadata": {"labels": {"app": name}}, "spec": spec}},
    }  # fmt: skip


def per_kernel() -> list[Object]:
    return [
        daemon_set(kernel, f"nic-{kernel.lower().replace('.', '-').replace('_', '-')}",
                   containers=[loader("modprobe", "-d", "/opt", "acme_nic", image=f"quay.io/acme/nic:v{kernel}")])
        for kernel in KERNELS
    ]  # fmt: skip


def images_by_selector(here: Path) -> dict[str, str]:
    pods = [item["spec"]["template"]["spec"] for item in rendered(here, "DaemonSet")]
    return {pod["nodeSelector"][NFD]: pod["initContainers"][0]["image"] for pod in pods}


def test_a_daemon_set_for_each_kernel_becomes_one_driver(here: Path) -> None:
    import_all(here, *per_kernel())
    spec = spec_of(here, "nic")
    assert spec["delivery"] == "daemonset"
    assert spec["containerImage"] == "quay.io/acme/nic:v${KERNEL_FULL_VERSION}"
    assert [item["literal"] for item in spec["kernelMappings"]] == list(KERNELS)
    assert images_by_selector(here) == {kernel: f"quay.io/acme/nic:v{kernel}" for kernel in KERNELS}


def test_kmm_delivers_the_driver_by_option(here: Path) -> None:
    import_all(here, *per_kernel(), options=KMM)
    [module] = rendered(here, "Module")
    assert module["spec"]["selector"] == {WORKER: ""}
    assert module["spec"]["moduleLoader"]["container"]["modprobe"]["moduleName"] == "acme_nic"
    assert module["spec"]["moduleLoader"]["serviceAccountName"] == "nic"
    assert not rendered(here, "DaemonSet")


def test_images_that_do_not_name_the_kernel_stay_with_their_kernels(here: Path) -> None:
    first, second = per_kernel()
    second["spec"]["template"]["spec"]["containers"][0]["image"] = "quay.io/acme/nic:special"
    import_all(here, first, second)
    assert images_by_selector(here) == {
        KERNELS[0]: f"quay.io/acme/nic:v{KERNELS[0]}",
        KERNELS[1]: "quay.io/acme/nic:special",
    }


def test_a_daemon_set_for_any_kernel_takes_the_kernels_of_the_nodes(here: Path) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {WORKER: ""}},
            "status": {"nodeInfo": {"kernelVersion": KERNELS[0]}}}  # fmt: skip
    import_all(here, daemon_set(""), node)
    assert images_by_selector(here) == {KERNELS[0]: "quay.io/acme/nic:1.0"}


def test_the_tag_of_the_image_names_the_kernel_where_no_label_does(here: Path) -> None:
    image = f"registry.example.com:5000/nic:2.1.0-{KERNELS[0]}"
    import_all(here, daemon_set("", containers=[loader("modprobe", "-d", "/opt", "acme_nic", image=image)]))
    assert images_by_selector(here) == {KERNELS[0]: image}


def test_pods_without_an_account_get_one_of_their_own(here: Path) -> None:
    gpu = loader("sh", "-c", "modprobe -d /opt acme_gpu && sleep infinity")
    default = daemon_set(name="gpu", serviceAccountName="default", containers=[gpu])
    import_all(here, daemon_set(serviceAccountName=None), default)
    assert {item["metadata"]["name"] for item in rendered(here, "ServiceAccount")} == {"nic", "gpu"}


def test_without_known_kernels_render_is_said_to_refuse(here: Path) -> None:
    said = import_all(here, daemon_set(""), code=1)
    assert "REF010" in said
    assert "spec.nodeGroups[].kernels" in said


SCRIPT: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "load", "namespace": "drivers"},
                  "data": {"load.sh": "#!/bin/sh\nMOD=acme_nic\nrmmod ice || true\ninsmod /opt/lib/modules/$(uname -r)/$MOD.ko\n"}}  # fmt: skip
MOUNTED: Object = {"volumes": [{"name": "load", "configMap": {"name": "load"}}]}
MOUNT: Object = {"volumeMounts": [{"name": "load", "mountPath": "/scripts"}]}
SHAPES = {
    "an init container": {"initContainers": [loader("modprobe", "-d", "/opt", "acme_nic")],
                          "containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.9"}]},
    "a script in a ConfigMap": {"containers": [loader("/bin/bash", "/scripts/load.sh", **MOUNT)], **MOUNTED},
    "hooks": {"containers": [loader("sleep", "infinity", lifecycle={
        "postStart": {"exec": {"command": ["modprobe", "-d", "/opt", "acme_nic"]}},
        "preStop": {"exec": {"command": ["modprobe", "-r", "-d", "/opt", "acme_nic"]}}})]},
    "a loop": {"containers": [loader("sh", "-c", "for m in acme_core acme_nic; do modprobe -d /opt $m; done; sleep inf")]},
    "a variable": {"containers": [loader("sh", "-c", "modprobe -d /opt ${KMOD}", env=[{"name": "KMOD", "value": "acme_nic"}])]},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shapes_that_people_have_are_read(here: Path, shape: str) -> None:
    import_all(here, daemon_set(**SHAPES[shape]), SCRIPT)
    spec = spec_of(here, "nic")
    assert spec["modprobe"]["moduleName"] == "acme_nic"
    assert spec["modprobe"].get("modulesLoadingOrder", []) == (["acme_nic", "acme_core"] if "loop" in shape else [])
    assert spec.get("inTreeModulesToRemove", []) == (["ice"] if "ConfigMap" in shape else [])
    assert len(rendered(here, "DaemonSet")) == 1


def test_the_image_has_its_modules_in_lib_modules_where_no_command_says_it(here: Path) -> None:
    import_all(here, daemon_set(containers=[loader("modprobe", "-a", "acme_core", "acme_nic")]))
    assert spec_of(here, "nic")["modprobe"]["dirName"] == "/"


def test_a_device_plugin_in_the_pod_becomes_the_drivers(here: Path) -> None:
    plugin = {"name": "plugin", "image": "quay.io/acme/plugin:1.0", "volumeMounts": [
        {"name": "sockets", "mountPath": "/var/lib/kubelet/device-plugins"}, {"name": "etc", "mountPath": "/etc/nic"}]}  # fmt: skip
    volumes = [{"name": "sockets", "hostPath": {"path": "/var/lib/kubelet/device-plugins"}},
               {"name": "etc", "hostPath": {"path": "/etc/nic"}}]  # fmt: skip
    pod = {"initContainers": [loader("modprobe", "-d", "/opt", "acme_nic")], "containers": [plugin], "volumes": volumes}
    import_all(here, daemon_set(**pod))
    [made] = rendered(here, "DaemonSet")
    containers = {item["name"]: item for item in made["spec"]["template"]["spec"]["containers"]}
    assert containers["device-plugin"]["image"] == "quay.io/acme/plugin:1.0"
    assert {"name": "etc", "mountPath": "/etc/nic"} in containers["device-plugin"]["volumeMounts"]


def test_what_the_pod_says_of_its_rollout_stays(here: Path) -> None:
    value = daemon_set(terminationGracePeriodSeconds=300, priorityClassName="high", imagePullSecrets=[{"name": "pull"}],
                       tolerations=[{"operator": "Exists", "key": "nic"}])  # fmt: skip
    value["spec"]["updateStrategy"] = {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "10%", "maxSurge": 0},
    }
    import_all(here, value)
    [made] = rendered(here, "DaemonSet")
    pod = made["spec"]["template"]["spec"]
    assert made["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == "10%"
    assert (pod["terminationGracePeriodSeconds"], pod["priorityClassName"]) == (300, "high")
    assert (pod["imagePullSecrets"], pod["tolerations"][0]["key"]) == ([{"name": "pull"}], "nic")


LOST = {
    "spec.template.spec.hostNetwork": {"hostNetwork": True},
    "spec.template.spec.imagePullSecrets[1]": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]},
    "spec.template.spec.containers[1]": {"containers": [loader("modprobe", "-d", "/opt", "acme_nic"),
                                                        {"name": "exporter", "image": "quay.io/acme/exporter:1"}]},
    "spec.template.spec.affinity": {"affinity": {"podAntiAffinity": {}, "nodeAffinity": {"x": 1}}},
    "spec.template.spec.containers[0].args": {"containers": [
        loader("sh", "-c", args=["modprobe -d /opt acme_nic; mknod /dev/nic c 1 2"])]},
    "spec.template.spec.containers[0]": {"containers": [loader("sh", "-c", "insmod /drivers/acme_nic.ko")]},
}  # fmt: skip


@pytest.mark.parametrize("field", LOST)
def test_what_no_driver_has_is_listed_with_its_line(here: Path, field: str) -> None:
    said = import_all(here, daemon_set(**LOST[field]), code=1)
    assert f"warning[IMP002] DaemonSet drivers/nic: {field}: " in said
    assert "old.yaml:" in said
    assert len(rendered(here, "DaemonSet")) == 1


def test_two_that_differ_in_more_than_the_kernel_are_told(here: Path) -> None:
    first, second = per_kernel()
    second["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists", "key": "nic"}]
    assert "spec.template.spec.tolerations: not carried over: a driver has the" in import_all(
        here, first, second, code=1
    )


def test_an_affinity_for_one_value_is_a_selector(here: Path) -> None:
    term = {"matchExpressions": [{"key": "nic", "operator": "In", "values": ["yes"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    import_all(here, daemon_set(affinity={"nodeAffinity": required}))
    assert spec_of(here, "nic")["selector"] == {WORKER: "", "nic": "yes"}


def test_the_nodes_own_modules_are_no_driver(here: Path) -> None:
    host = {"volumes": [{"name": "m", "hostPath": {"path": "/lib/modules"}}]}
    mount = {"volumeMounts": [{"name": "m", "mountPath": "/lib/modules"}]}
    mounted = daemon_set(name="br", containers=[loader("modprobe", "br_netfilter", **mount)], **host)
    entered = daemon_set(name="nbd", containers=[loader("nsenter", "-t", "1", "-m", "--", "modprobe", "nbd")])
    said = import_all(here, mounted, entered, daemon_set(), code=1)
    assert (
        "DaemonSet drivers/br: spec.template.spec.containers[0]: not imported: br_netfilter is the node's own" in said
    )
    assert "DaemonSet drivers/nbd: spec.template.spec.containers[0]: not imported: nbd is the node's own" in said
    assert spec_of(here, "nic")


def test_a_driver_container_that_hides_what_it_loads_needs_the_name(here: Path) -> None:
    container = {"name": "driver", "image": "nvcr.io/nvidia/driver:550", "args": ["init"],
                 "securityContext": {"privileged": True, "capabilities": {"add": ["SYS_MODULE"]}}}  # fmt: skip
    value = daemon_set(name="nvidia-driver", containers=[container])
    said = import_all(here, value, daemon_set())
    assert "the DaemonSet drivers/nvidia-driver may load kernel modules, and no command says which" in said
    (here / "fleet").rename(here / "before")
    import_all(here, value, options=["--module-name=nvidia-driver=nvidia"], code=1)
    assert spec_of(here, "nvidia-driver")["modprobe"]["moduleName"] == "nvidia"


def test_what_kmm_makes_is_passed_over(here: Path) -> None:
    owned = daemon_set(name="made")
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "name": "gpu"}
    ]
    said = import_all(here, owned, daemon_set())
    assert "passed over: KMM makes the DaemonSet drivers/made for the Module gpu" in said
    assert not (here / "fleet/drivers/made.yaml").exists()


def test_ordinary_daemon_sets_are_none_of_it(here: Path) -> None:
    value = daemon_set(name="log", containers=[{"name": "log", "image": "quay.io/acme/log:1", "args": ["--verbose"]}])
    assert "used by no imported Module, and left where it is: DaemonSet: log" in import_all(here, value, daemon_set())


def test_a_wish_for_a_driver_that_is_not_there_is_refused(here: Path) -> None:
    said = import_all(here, daemon_set(), options=["--module-name=gpu=nvidia"], code=2)
    assert "--module-name gpu=…: the input has no such driver" in said
    assert "give the name of a driver of nic" in said


def test_clusters_that_differ_become_overrides(here: Path) -> None:
    other = copy.deepcopy(per_kernel()[0])
    other["spec"]["template"]["spec"]["containers"][0]["image"] = f"registry.lab/nic:v{KERNELS[0]}"
    (here / "paris.yaml").write_text(yaml.safe_dump(per_kernel()[0]))
    (here / "lab.yaml").write_text(yaml.safe_dump(other))
    result = run("import", "--cluster=paris=paris.yaml", "--cluster=lab=lab.yaml", "--output=fleet", cwd=here)
    assert result.returncode == 0, result.stderr
    [override] = spec_of(here, "nic")["overrides"]
    assert override == {
        "clusters": {"names": ["lab"]},
        "patch": {"containerImage": "registry.lab/nic:v${KERNEL_FULL_VERSION}"},
    }
    assert len(rendered(here, "DaemonSet")) == 2


def test_the_rendered_tree_of_an_example_comes_back_as_it_was(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples/plain-kubernetes", tmp_path / "source")
    assert run("render", "source", cwd=tmp_path).returncode == 0
    old = tmp_path / "source/rendered"
    clusters = [f"--cluster={folder.name}={folder}" for folder in sorted(old.iterdir()) if folder.is_dir()]
    result = run("import", *clusters, "--output=fleet", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert run("render", "fleet", cwd=tmp_path).returncode == 0
    assert texts_below(tmp_path / "fleet/rendered") == texts_below(old)


def texts_below(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.yaml")}


def test_what_a_pod_does_at_its_end_beside_unloading_is_listed(here: Path) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "umount -a -t acmefs; modprobe -r -d /opt acme_nic"]}}}
    container = loader("modprobe", "-d", "/opt", "acme_nic", lifecycle=hook)
    said = import_all(here, daemon_set(containers=[container]), code=1)
    assert "spec.template.spec.containers[0].lifecycle.preStop: not carried over" in said
    assert "also run before it ends what a loader does not: umount -a -t acmefs" in said


def test_files_that_another_container_leaves_for_the_loader_belong_into_its_image(here: Path) -> None:
    mount = {"name": "mods", "mountPath": "/shared"}
    copying = {"name": "copy", "image": "quay.io/acme/mods:1", "command": ["cp", "-r", "/opt", "/shared"]}
    pod: Object = {
        "initContainers": [{**copying, "volumeMounts": [{**mount}]}],
        "containers": [loader("modprobe", "-d", "/shared/opt", "acme_nic", volumeMounts=[{**mount}])],
        "volumes": [{"name": "mods", "emptyDir": {}}],
    }
    said = import_all(here, daemon_set(**pod), code=1)
    assert "initContainers[0]: not carried over: it leaves files in volume mods, which the loader reads" in said
    assert "fix: put these files into the image of the loader, and remove the volume" in said


def test_a_daemon_set_without_a_command_that_loads_is_asked_about(here: Path) -> None:
    said = import_all(here, daemon_set(containers=[loader("/usr/bin/start")]), code=2)
    assert "if the DaemonSet drivers/nic loads a kernel module, say which: --module-name nic=NAME" in said


def test_the_words_of_kmod_are_no_modules(here: Path) -> None:
    import_all(here, daemon_set(containers=[loader("sh", "-c", "kmod load acme_nic debug=1")]))
    assert spec_of(here, "nic")["modprobe"]["moduleName"] == "acme_nic"
    assert spec_of(here, "nic")["modprobe"]["parameters"] == ["debug=1"]
