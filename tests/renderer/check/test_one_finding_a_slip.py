"""One slip in an object, or in one that a Module names, is one finding: that of the cause."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.renderer.checking import check, findings

FILES = ["/opt/lib/modules/${KERNEL_FULL_VERSION}/acme_nic.ko", "/opt/lib/modules/${KERNEL_FULL_VERSION}/acme_bus.ko"]
MODULE = r"""
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata: {name: nic, namespace: drivers}
spec:
  selector: {acme.com/nic: "true"}
  moduleLoader:
    container:
      containerImage: quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}
      modprobe: {moduleName: acme_nic, dirName: /opt, modulesLoadingOrder: [acme_nic, acme_bus]}
      kernelMappings: [{regexp: '^5\.14\..+\.x86_64$', containerImage: ""}]
      build: {dockerfileConfigMap: {name: df}, selector: {kubernetes.io/arch: amd64}}
      sign: {keySecret: {name: key}, certSecret: {name: cert}}
  devicePlugin:
    container: {image: "quay.io/acme/plugin:1.0", volumeMounts: [{name: dev, mountPath: /dev/acme}]}
    volumes: [{name: dev, hostPath: {path: /dev/acme}}]
"""
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: df, namespace: drivers}
data: {dockerfile: "FROM quay.io/acme/base:1\\nARG KERNEL_FULL_VERSION\\nRUN depmod -b /opt ${KERNEL_FULL_VERSION}\\n"}
"""
NODE = """
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {acme.com/nic: "true"}}
status: {nodeInfo: {kernelVersion: 5.14.0-427.el9.x86_64}}
"""
Change = Callable[[dict[str, Any]], object]


def told(folder: Path, change: Change) -> list[tuple[str, str]]:
    """Rule and fix of what refuses or warns of a Module, its ConfigMap and a node, one slip made."""
    module, config_map, node = map(yaml.safe_load, (MODULE, CONFIG_MAP, NODE))
    container = module["spec"]["moduleLoader"]["container"]
    container["sign"]["filesToSign"] = list(FILES)
    parts = {**container, **container["modprobe"], "mapping": container["kernelMappings"][0], "container": container}
    change(parts | {"module": module, "plugin": module["spec"]["devicePlugin"], "data": config_map["data"]})
    (folder / "all.yaml").write_text(yaml.safe_dump_all([module, config_map, node]))
    found = findings(check(folder, "all.yaml", "--format", "json"))
    return [(item["rule"], item["fix"]) for item in found if item["mode"] in ("enforce", "warn")]


def put(part: str, key: str, value: object) -> Change:
    return lambda parts: parts[part].__setitem__(key, value)


def rename(part: str, old: str, new: str) -> Change:
    return lambda parts: parts[part].__setitem__(new, parts[part].pop(old))


def test_the_objects_themselves_are_sound(tmp_path: Path) -> None:
    assert told(tmp_path, lambda parts: None) == []


@pytest.mark.parametrize(
    ("change", "rule", "fix"),
    [
        (rename("data", "dockerfile", "Dockerfile"), "GIT203", "name it dockerfile"),
        (rename("data", "dockerfile", "Containerfile"), "REF102", "key dockerfile"),
        (put("container", "build", {}), "SCH103", "add the field dockerfileConfigMap"),
        (put("container", "build", "yes"), "SCH102", "make it a map"),
        (put("sign", "keySecret", {"Name": "key"}), "SCH101", "did you mean name?"),
        (put("build", "dockerfileConfigMap", {"nam": "df"}), "SCH101", "did you mean name?"),
        (put("mapping", "regexp", ""), "KMM202", "regexp for a family"),
        (put("mapping", "regexp", r"^5\.14\..+\.x86_64$ "), "MAP102", "leave it out"),
        (
            put("mapping", "regexp", "^5\\.14\\..+\\.x86_64$\u2019"),
            "MAP102",
            "write it in plain ASCII, or leave it out",
        ),
        (put("modprobe", "dirName", "/op"), "KMM502", "correct dirName"),
        (put("modprobe", "dirName", "/opt "), "INJ102", "letters, digits"),
        (put("modprobe", "moduleName", ""), "KMM402", "give moduleName"),
        (put("modprobe", "moduleName", "acme_nic "), "KMM403", "write acme_nic, letter by letter"),
        (put("modprobe", "modulesLoadingOrder", ["acme_bus"]), "KMM403", "write acme_nic first"),
        (put("modprobe", "modulesLoadingOrder", ["acme_ni", "acme_bus"]), "KMM403", "begin the list"),
        (put("modprobe", "modulesLoadingOrder", ["acme_nic", "acme_bus "]), "LDR107", "write acme_bus"),
        (put("modprobe", "modulesLoadingOrder", [None, "acme_bus"]), "SCH102", "give it a value"),
        (put("sign", "filesToSign", [None, FILES[1]]), "SCH102", "give it a value"),
        (put("plugin", "volumes", [{"hostPath": {"path": "/dev/acme"}}]), "SCH103", "add the field name"),
        (put("plugin", "volumes", [{"name": "dev", "hostPath": {}}]), "SCH103", "add the field path"),
        (put("module", "spec", "x"), "SCH102", "make it a map"),
        (put("module", "metadata", ["nic"]), "SCH102", "make it a map"),
    ],
)
def test_a_slip_is_told_once(tmp_path: Path, change: Change, rule: str, fix: str) -> None:
    [(found, said)] = told(tmp_path, change)
    assert found == rule
    assert fix in said


def test_a_module_that_nothing_signs_is_told_of_once_for_all_mappings(tmp_path: Path) -> None:
    (tmp_path / "kmodgate.yaml").write_text("")
    labels = {"acme.com/nic": "true"}
    group = {"name": "w", "labels": labels, "kernels": ["5.14.0-427.el9.x86_64"], "secureBoot": True}
    head = {"apiVersion": "kmodgate.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "paris"}}
    cluster = {**head, "spec": {"platform": "kubernetes", "kmm": {"version": "2.6"}, "nodeGroups": [group]}}
    driver = {
        **head,
        "kind": "KernelDriver",
        "metadata": {"name": "nic"},
        "spec": {
            "clusters": {"names": ["paris"]},
            "namespace": {"name": "drivers"},
            "selector": labels,
            "modprobe": {"moduleName": "acme_nic"},
            "containerImage": "quay.io/acme/nic:1-${KERNEL_FULL_VERSION}",
            "kernelMappings": [{"literal": "5.14.0-427.el9.x86_64"}, {"regexp": "^6\\..+$"}],
        },
    }
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([cluster, driver]))
    found = findings(check(tmp_path, ".", "--format", "json"))
    assert [item["rule"] for item in found if item["mode"] in ("enforce", "warn")] == ["SGN202"]
