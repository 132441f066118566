"""Slips of people who write a Module: one slip is one finding, and its fix is the line to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.renderer.checking import check, findings

MODULE = r"""
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata: {name: nic, namespace: drivers}
spec:
  selector: {acme.com/nic: ""}
  moduleLoader:
    container:
      containerImage: quay.io/acme/nic:1.0-${KERNEL_FULL_VERSION}
      modprobe: {moduleName: acme_nic}
      kernelMappings: [{regexp: '^5\.14\..+\.x86_64$', containerImage: ""}]
"""
BUILT = {"dockerfileConfigMap": {"name": "df"}, "selector": {"kubernetes.io/arch": "amd64"}}
SIGN = {"keySecret": {"name": "key"}, "certSecret": {"name": "cert"}, "unsignedImage": "quay.io/acme/unsigned:1"}


def told(folder: Path, change: dict[str, Any], spec: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """What refuses or warns of the Module with some fields of its container, or of its spec, changed."""
    module = yaml.safe_load(MODULE)
    module["spec"]["moduleLoader"]["container"] |= change
    module["spec"] |= spec or {}
    (folder / "nic.yaml").write_text(yaml.safe_dump(module))
    found = findings(check(folder, "nic.yaml", "--format", "json"))
    return [item for item in found if item["mode"] in ("enforce", "warn")]


def test_the_module_itself_is_sound(tmp_path: Path) -> None:
    assert told(tmp_path, {}) == []


def literal(text: str) -> dict[str, Any]:
    return {"kernelMappings": [{"literal": text, "containerImage": ""}]}


def regexp(text: str) -> dict[str, Any]:
    return {"kernelMappings": [{"regexp": text, "containerImage": ""}]}


@pytest.mark.parametrize(
    ("change", "rule", "fix"),
    [
        (literal("kernel-5.14.0-427.el9.x86_64"), "MAP102", "write 5.14.0-427.el9.x86_64"),
        (literal("5.14.0-427.el9.x86_64.rpm"), "MAP102", "write 5.14.0-427.el9.x86_64"),
        (literal("5.14.0-427.el9.x86_64 "), "INJ104", "write 5.14.0-427.el9.x86_64"),
        (literal("5.14.0-*"), "INJ104", r"write regexp: '^5\.14\.0-.*'"),
        (literal("5.14.*"), "INJ104", r"write regexp: '^5\.14.*'"),
        (literal("*"), "INJ104", "write the name of one kernel, as uname -r prints it"),
        (literal(".+"), "MAP101", "write the name of one kernel, as uname -r prints it"),
        (regexp(r"^5\\.14.*$"), "MAP102", r"write '^5\.14.*$'"),
        (regexp(r"^.+\el9\.x86_64$"), "KMM203", r"write e for \e"),
        (regexp("*"), "KMM203", "write before it what is repeated"),
        (regexp(r"^(?!4).+$"), "KMM203", "RE2 has no look-around"),
        (regexp(r"^5\.14\.(0|1-.+$"), "KMM203", "close the bracket"),
        (regexp(r"^5\.14\.[0-9-.+$"), "KMM203", "close the class"),
        (regexp(r"^(?P<minor>5)\.(?P=minor)$"), "KMM203", "correct the expression"),
        ({"modprobe": {"moduleName": "nic", "parameters": ["a= 1"]}}, "LDR105", "write a=1"),
        (
            {"modprobe": {"moduleName": "nic", "modulesLoadingOrder": ["nic", "b c"]}},
            "LDR107",
            "an entry for each: b, c",
        ),
        ({"build": {**BUILT, "selector": {"kubernetes.io/arch": "amd64 "}}}, "SEL109", "write amd64"),
        ({"build": {**BUILT, "selector": {"a b": "c"}}}, "SEL109", "[prefix/]name"),
        (
            literal("6.1.0+") | {"modprobe": {"moduleName": "nic", "args": {"load": ["-S", "6.1.0"]}}},
            "MAP101",
            "'6.1.0'",
        ),
        (regexp(r"^5\.14\..+$ "), "MAP102", "leave it out"),
        (regexp(r"5\.14$"), "MAP202", "write the whole kernel between ^ and $"),
        ({"containerImage": "quay.io/acme/nic:1-$(uname -r)"}, "IMG104", "nic:1-${KERNEL_FULL_VERSION}"),
        ({"containerImage": "quay.io/acme/nic:1-$(KERNEL_FULL_VERSION)"}, "IMG104", "nic:1-${KERNEL_FULL_VERSION}"),
        ({"containerImage": "quay.io/acme/nic:1-${KERNEL_FULLVERSION}"}, "IMG201", "write ${KERNEL_FULL_VERSION}"),
        ({"containerImage": "quay.io/acme/nic:1-${KERNEL}"}, "IMG201", "use one of"),
        ({"containerImage": f"quay.io/acme/nic@sha256:{'a' * 64}", "build": BUILT}, "IMG103", "${KERNEL_FULL_VERSION}"),
        ({"sign": {**SIGN, "filesToSign": ["/opt/lib/modules/x/acme nic.ko"]}}, "INJ101", "use what a path needs"),
        ({"sign": {**SIGN, "filesToSign": ["/lib/modules/acme_nic.ko"]}}, "KMM502", "begin it with /opt/"),
        ({"modprobe": {"moduleName": "nic", "modulesLoadingOrder": ["nic-a", "b"]}}, "KMM403", "begin the list with"),
        ({"modprobe": {"moduleName": "a_b", "modulesLoadingOrder": ["a-b", "c"]}}, "KMM403", "write a_b, letter by"),
        ({"modprobe": {"moduleName": "nic", "parameters": "debug=1 mode=2"}}, "SCH102", "[debug=1, mode=2]"),
        ({"inTreeModulesToRemove": "irdma, ice"}, "SCH102", "[irdma, ice]"),
        ({"build": {"dockerfile": "FROM a:1\n"}}, "SCH101", "build.dockerfileConfigMap.name"),
        ({"env": [{"name": "A", "value": "b"}]}, "SCH101", "or 1 other field: "),
        ({"modprobe": {"moduleName": "nic", "parameters": [{"name": "a", "value": 1}]}}, "SCH102", "write a=1"),
        (
            {"modprobe": {"moduleName": "nic", "dirName": "opt"}, "sign": {**SIGN, "filesToSign": ["/opt/nic.ko"]}},
            "INJ105",
            "write it from / on",
        ),
        ({"containerImage": "quay.io/acme/nic", "build": BUILT}, "KMM205", "add a tag with ${KERNEL_FULL_VERSION}"),
        (
            {"containerImage": "quay.io/acme/nic:${KERNEL_VERSION_FULL}", "build": BUILT},
            "IMG201",
            "KERNEL_FULL_VERSION",
        ),
        ({"kernelMappings": [{"literal": "5.14.0-1.x86_64"}], "containerImage": ""}, "SCH103", "write the image for"),
        ({"kernelMappings": [{"literal": "5.14.0-1.x86_64"}]}, "SCH103", 'write containerImage: ""'),
    ],
)
def test_a_slip_is_one_finding_with_the_line_to_write(
    tmp_path: Path, change: dict[str, Any], rule: str, fix: str
) -> None:
    (found,) = told(tmp_path, change)
    assert found["rule"] == rule
    assert fix in found["fix"]


def test_an_alternative_that_no_kernel_has_is_a_warning_beside_one_that_may_match(tmp_path: Path) -> None:
    (found,) = told(tmp_path, regexp(r"^5\.14( |-).+$"))
    assert (found["rule"], found["mode"]) == ("MAP102", "warn")


@pytest.mark.parametrize(
    ("spec", "fix"),
    [
        ({"imagePullSecrets": [{"name": "quay"}]}, "write imageRepoSecret: {name: quay}"),
        ({"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}, "spec.imageRepoSecret is the field for it"),
        ({"nodeSelector": {"a": "b"}}, "spec.selector is the field for it, and is there already"),
    ],
)
def test_a_field_of_pods_is_said_to_be_one_of_a_module(tmp_path: Path, spec: dict[str, Any], fix: str) -> None:
    (found,) = told(tmp_path, {}, spec)
    assert found["rule"] == "SCH101"
    assert fix in found["fix"]


@pytest.mark.parametrize(
    ("load", "vector"),
    [
        (["modprobe", "-v", "acme_nic", "debug=1"], "[-d, /tmp/opt, -v, acme_nic, debug=1]"),
        (["/sbin/insmod", "/opt/acme_nic.ko", "debug=1"], "[-d, /tmp/opt, acme_nic, debug=1]"),
    ],
)
def test_a_command_among_the_arguments_is_told_with_the_vector_to_write(
    tmp_path: Path, load: list[str], vector: str
) -> None:
    unload = ["-r", "-d", "/tmp/opt", "acme_nic"]
    (found,) = told(tmp_path, {"modprobe": {"rawArgs": {"load": load, "unload": unload}}})
    assert (found["rule"], found["fix"]) == ("LDR104", f"write {vector}")
    written = vector.strip("[]").split(", ")
    assert told(tmp_path, {"modprobe": {"rawArgs": {"load": written, "unload": unload}}}) == []


@pytest.mark.parametrize(
    ("field", "value", "fix"),
    [
        ("modprobe", "acme_nic", "write modprobe: {moduleName: acme_nic}"),
        ("modprobe", "acme_nic debug=1", "write modprobe: {moduleName: acme_nic, parameters: [debug=1]}"),
        ("modprobe", "moduleName acme_nic", "write modprobe: {moduleName: acme_nic}"),
        ("kernelMappings", [r"^5\.14.+$"], r"write {regexp: '^5\.14.+$', containerImage: ''}"),
        ("kernelMappings", {"literal": "5.14.0-1.x86_64"}, "write kernelMappings: [{literal: 5.14.0-1.x86_64, co"),
        ("build", {**BUILT, "buildArgs": "A=b C=d"}, "write buildArgs: [{name: A, value: b}, {name: C, value: d}]"),
    ],
)
def test_a_text_in_the_place_of_a_map_becomes_the_map(tmp_path: Path, field: str, value: object, fix: str) -> None:
    (finding,) = [item for item in told(tmp_path, {field: value}) if item["rule"] == "SCH102"]
    assert finding["fix"].replace('""', "''").startswith(fix)


@pytest.mark.parametrize(
    ("spec", "fix"),
    [
        (
            {"tolerations": ["acme.com/x=1:NoSchedule"]},
            'write {key: acme.com/x, operator: Equal, value: "1", effect: NoSch',
        ),
        (
            {"tolerations": "acme.com/x:NoExecute"},
            "write tolerations: [{key: acme.com/x, operator: Exists, effect: NoExecute}]",
        ),
        ({"volumeMounts": ["devs:/dev/acme:ro"]}, "write {name: devs, mountPath: /dev/acme, readOnly: true}"),
        ({"volumeMounts": {"devs": "/dev/acme"}}, "write volumeMounts: [{name: devs, mountPath: /dev/acme}]"),
        ({"env": ["A: b"]}, "write {name: A, value: b}"),
        ({"volumes": ["devs:/dev/acme"]}, "write {name: devs, hostPath: {path: /dev/acme}}"),
    ],
)
def test_an_entry_on_one_line_becomes_the_map(tmp_path: Path, spec: dict[str, Any], fix: str) -> None:
    ((name, value),) = spec.items()
    container = {"image": "quay.io/acme/plugin:1", **({name: value} if name in ("volumeMounts", "env") else {})}
    volumes = value if name == "volumes" else [{"name": "devs", "hostPath": {"path": "/dev/acme"}}]
    plugin = {"devicePlugin": {"container": container, "volumes": volumes}}
    (finding,) = told(tmp_path, {}, spec if name == "tolerations" else plugin)
    assert finding["rule"] == "SCH102"
    assert finding["fix"].startswith(fix)


@pytest.mark.parametrize("kind", ["KernelModule", "mod", "KmmDriver"])
def test_a_kind_that_means_module_is_told_so(tmp_path: Path, kind: str) -> None:
    (tmp_path / "nic.yaml").write_text(MODULE.replace("kind: Module", f"kind: {kind}"))
    (finding,) = findings(check(tmp_path, "nic.yaml", "--format", "json"))
    assert (finding["rule"], finding["fix"]) == ("REF302", "write kind: Module")
