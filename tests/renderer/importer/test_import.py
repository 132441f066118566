"""`kmodgate import`: what render makes of the specs is what they were made of, and what is not is said."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.object_files import Source
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.renderer.compile.compiler import Judging, compile_fleet
from kmodgate.renderer.compile.manifest import identity_of
from kmodgate.renderer.errors import Refused
from kmodgate.renderer.fleet.field_table import DRIVER_FIELDS, compile_fields, decompile_fields
from kmodgate.renderer.fleet.load import load_fleet
from kmodgate.renderer.fleet.overrides import merge
from kmodgate.renderer.importer.importing import Import, import_objects
from kmodgate.renderer.importer.merging import merge_specs, same
from kmodgate.renderer.importer.naming import name_mappings
from kmodgate.renderer.importer.reading import Found, Objects
from kmodgate.renderer.importer.writing import write_files
from tests.conftest import CASES, EXAMPLES, ROOT, golden_modules
from tests.fleets import REPOSITORY, FleetFolder, run
from tests.modules import changed, modules
from tests.oracle import lines

PARITY = Engine(Policy("parity"))

MODULE = """\
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata:
  name: {name}
  namespace: kmm-tests
spec:
  selector: {{node-role.kubernetes.io/worker: ""}}
  moduleLoader:
    container:
      modprobe: {{moduleName: dummy}}
      containerImage: quay.io/acme/{name}:{tag}
      kernelMappings:
      - {{regexp: '^5\\.14\\..+\\.el9_4\\.x86_64$', containerImage: ""}}
"""


def module(name: str = "nic", tag: str = "1.0", more: str = "") -> str:
    """A Module; `more` is YAML below `spec`, written at column 1."""
    return MODULE.format(name=name, tag=tag) + "".join(f"  {line}\n" for line in more.splitlines())


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "module.yaml").write_text(module())
    return tmp_path


def imported(here: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = run("import", *arguments, cwd=here)
    assert result.returncode == code, result.stderr
    return result


def spec(path: Path) -> Any:
    return yaml.safe_load(path.read_text())["spec"]


def rendered(folder: Path) -> list[str]:
    """The names of the rendered files, without those of the policy, which every cluster with a driver gets."""
    policy = {"configmap-kmodgate-policy.yaml", "namespace-kmodgate-system.yaml"}
    return sorted(path.name for path in folder.rglob("*.yaml") if path.name not in policy)


# -- nothing is lost ------------------------------------------------------------------------------


def objects(*values: dict[str, Any]) -> Objects:
    found = [Found(Source(value, "objects.json", None), identity_of(value)) for value in values]
    return {item.identity: item for item in found}


def round_trip(root: Path, clusters: dict[str, dict[str, Any]]) -> tuple[Import, dict[str, dict[str, Any]]]:
    """What import makes of one Module a cluster, and what render makes of that, from the disk."""
    shutil.rmtree(root, ignore_errors=True)
    given = {name: objects(value) for name, value in clusters.items()}
    result = import_objects(root, given, everywhere=False, all_dockerfiles=False)
    write_files(root, result.files)
    findings: list[Finding] = []
    fleet = load_fleet(root, root / "rendered", findings)
    compiled = compile_fleet(fleet, findings, Judging(lambda _: PARITY))[1]
    broken = [
        finding
        for finding in findings
        if finding.rule.startswith(("SCH1", "REF0")) and not finding.object.startswith("Module")
    ]
    assert not broken, (broken, result.files)
    rendered = {
        name: manifest.value for name, found in compiled.items() for _, manifest in found
        if manifest.value["kind"] == "Module"
    }  # fmt: skip
    return result, rendered


def as_kmm_reads_it(value: dict[str, Any]) -> Any:
    """Written apart from the importer: what the rendered object and its origin must have in common."""
    value = json.loads(json.dumps(defaulted(value)))
    loader = value["spec"].get("moduleLoader", {})
    container = loader.get("container", {})
    for level in (container, *container.get("kernelMappings", ())):
        if (old := level.pop("inTreeModuleToRemove", "")) != "":
            assert "inTreeModulesToRemove" not in level
            level["inTreeModulesToRemove"] = [old]
        if level is not container:
            level.setdefault("containerImage", "")
    return _without_empty_texts(value["spec"])


def _without_empty_texts(value: Any) -> Any:
    """Empty texts that are the same as none: not an empty value of a label, a variable, or a mapping's image."""
    if isinstance(value, list):
        return [_without_empty_texts(item) for item in value]
    if not isinstance(value, dict):
        return value
    optional = {"serviceAccountName", "version", "imagePullPolicy", "moduleName", "firmwarePath", "literal", "regexp",
                "unsignedImage", "tag", "image", "driverName"}  # fmt: skip
    image = {"containerImage"} if "modprobe" in value else set()
    return {key: _without_empty_texts(item) for key, item in value.items() if item != "" or key not in optional | image}


def paths_lost(result: Import) -> list[str]:
    return [finding.field for finding in result.lost]


def test_every_module_that_kmm_allows_comes_back(tmp_path: Path) -> None:
    cases = [case["object"] for case in lines("modules-create") if case["allowed"]]
    assert len(cases) == 456
    refused = 0
    for case in cases:
        try:
            result, rendered = round_trip(tmp_path / "fleet", {"paris": case})
        except Refused as error:
            (finding,) = error.findings
            assert re.search(r"\.(version|imagePullPolicy)$", finding.field), finding  # no pod can have these values
            refused += 1
            continue
        if result.lost:
            assert paths_lost(result) == ["spec.moduleLoader.container.modprobe.rawArgs"], result.lost
            assert case["spec"]["moduleLoader"]["container"]["modprobe"].pop("rawArgs") == {}
        assert as_kmm_reads_it(rendered["paris"]) == as_kmm_reads_it(case)
        assert "contentTag" not in result.files["drivers/" + case["metadata"]["name"] + ".yaml"]
    assert refused == 11


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=modules())
def test_a_module_comes_back_or_what_is_lost_is_said(value: dict[str, Any], tmp_path_factory: Any) -> None:
    try:
        result, rendered = round_trip(tmp_path_factory.getbasetemp() / "one", {"paris": value})
    except Refused as error:
        said = {finding.rule for finding in error.findings}
        assert said == {"IMP001"}
        return
    if not result.lost:
        assert as_kmm_reads_it(rendered["paris"]) == as_kmm_reads_it(value)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_cluster_gets_its_own_module_back_from_one_spec(data: st.DataObject, tmp_path_factory: Any) -> None:
    first = data.draw(modules())
    clusters = {"lyon": first, "paris": data.draw(changed(first)), "vannes": data.draw(changed(first))}
    try:
        result, rendered = round_trip(tmp_path_factory.getbasetemp() / "three", clusters)
    except Refused:
        return
    said = bool(result.lost)
    for name, value in clusters.items():
        assert said or as_kmm_reads_it(rendered[name]) == as_kmm_reads_it(value), result.files


def test_two_items_of_one_name_are_told_of_where_one_cluster_alone_has_their_list(tmp_path: Path) -> None:
    plain = yaml.safe_load(module())
    odd = yaml.safe_load(module())
    odd["spec"]["dra"] = {
        "driverName": "a",
        "deviceClasses": [{"name": "a"}, {"name": "a"}],
        "container": {"image": "a"},
    }
    result, rendered = round_trip(tmp_path, {"lyon": odd, "paris": plain, "vannes": plain})
    assert [(item.rule, item.field) for item in result.lost] == [("IMP002", "spec.dra.deviceClasses")]
    assert rendered["lyon"]["spec"]["dra"] == {"driverName": "a", "container": {"image": "a"}}


FULL = [yaml.safe_load(path.read_text()) for path in sorted((CASES / "full-module/shift").rglob("*.yaml"))]
WRONG: list[Any] = [None, True, 1 << 70, 1e300, "", "../x", "\ud800", [], {}, [None], [{}], {"a": None}, {"name": 1}]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_objects_of_a_wrong_shape_are_refused_or_listed(data: st.DataObject) -> None:
    values = json.loads(json.dumps(FULL))
    for _ in range(data.draw(st.integers(1, 3))):
        node = values[data.draw(st.integers(0, len(values) - 1))]
        keys = [key for key in node if key not in ("apiVersion", "kind", "metadata")] or ["labels"]
        while True:
            key = data.draw(st.sampled_from(keys))
            if not isinstance(node.get(key) if isinstance(node, dict) else node[key], dict | list) or not node[key]:
                break
            node = node[key]
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        node[key] = json.loads(json.dumps(WRONG[data.draw(st.integers(0, len(WRONG) - 1))]))
    try:
        import_objects(Path("/nonexistent"), {"shift": objects(*values)}, everywhere=False, all_dockerfiles=True)
    except Refused as error:
        said = {finding.rule for finding in error.findings}
        assert said <= {"IMP001", "IMP002", "IMP003", "IMP004"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_decompiling_is_the_inverse_of_compiling(name: str) -> None:
    for path, value in golden_modules(name):
        spec = decompile_fields(DRIVER_FIELDS, value["spec"])
        assert compile_fields(DRIVER_FIELDS, spec) == value["spec"], path


small = st.dictionaries(
    st.sampled_from("abc"), st.integers(0, 1) | st.dictionaries(st.sampled_from("xy"), st.integers(0, 1)), max_size=3
)
mappings = st.lists(st.sampled_from(["^a", "^b", "^c"]).map(lambda text: {"regexp": text}), min_size=1, max_size=3)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(small, mappings, small), min_size=1, max_size=5))
def test_base_and_overrides_give_every_spec_back(drawn: list[Any]) -> None:
    specs = name_mappings([
        {"build": {"buildArgs": one}, "kernelMappings": items, "modprobe": two} for one, items, two in drawn
    ])  # fmt: skip
    named = {f"c{index}": value for index, value in enumerate(specs)}
    merged = merge_specs(named)
    for name, value in named.items():
        result = merged.spec
        for clusters, patch in merged.overrides:
            result = merge(result, patch) if name in clusters else result
        assert same(result, value)
        names = [item["name"] for item in value["kernelMappings"]]
        assert len(set(names)) == len(names)


def test_equal_clusters_need_no_override() -> None:
    merged = merge_specs({"a": {"selector": {}}, "b": {"selector": {}}})
    assert merged.overrides == []


# -- import, then render --check ------------------------------------------------------------------


def tree_arguments(name: str) -> list[str]:
    return [f"--cluster={path.name}={path}" for path in sorted((CASES / name).iterdir())]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_rendered_tree_is_that_of_the_specs_imported_from_it(name: str, tmp_path: Path) -> None:
    """Byte for byte, beside the policies and what the Clusters say, which the objects do not tell."""
    fleet = FleetFolder(tmp_path / "fleet")
    for folder in ("clusters", "policies"):
        if (ROOT / "examples" / name / folder).is_dir():
            shutil.copytree(ROOT / "examples" / name / folder, fleet.root / folder)
    result = imported(tmp_path, *tree_arguments(name), "--output", "fleet")
    assert "warning" not in result.stderr
    shutil.copytree(CASES / name, fleet.root / "rendered")
    result = fleet.run("render", "--check")
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


def test_a_new_fleet_guesses_platform_and_kmm_from_the_objects(tmp_path: Path) -> None:
    imported(tmp_path, *tree_arguments("full-module"), "--output", "fleet")
    assert spec(tmp_path / "fleet/clusters/shift.yaml") == {"platform": "openshift", "kmm": {"flavour": "redhat"}}
    assert spec(tmp_path / "fleet/clusters/forge.yaml") == {"platform": "kubernetes", "kmm": {}}
    shutil.copytree(CASES / "full-module", tmp_path / "fleet/rendered")
    differing = run("render", "fleet", "--check", cwd=tmp_path).stdout
    assert set(re.findall(r"^\w+: (\S+)$", differing, re.MULTILINE)) == {
        f"fleet/rendered/{name}/cluster/{file}"
        for name in ("forge", "lab", "shift")
        for file in ("configmap-kmodgate-policy.yaml",)  # of a DriverPolicy
    }


# -- several clusters -----------------------------------------------------------------------------


def test_what_differs_by_cluster_becomes_overrides_of_one_spec(here: Path) -> None:
    for name, tag in (("paris", "1.0"), ("lyon", "1.0"), ("lab", "2.0")):
        (here / f"{name}.yaml").write_text(module(tag=tag))
    imported(here, *(f"--cluster={name}={name}.yaml" for name in ("lab", "lyon", "paris")), "--output", "fleet")
    found = spec(here / "fleet/drivers/nic.yaml")
    assert found["clusters"] == {"names": ["lab", "lyon", "paris"]}
    assert found["containerImage"] == "quay.io/acme/nic:1.0"
    assert found["overrides"] == [{"clusters": {"names": ["lab"]}, "patch": {"containerImage": "quay.io/acme/nic:2.0"}}]
    assert found["kernelMappings"][0]["name"] == "el9_4"
    assert run("render", "fleet", cwd=here).returncode == 0


def test_labels_that_differ_by_cluster_are_lost_and_said(here: Path) -> None:
    labelled = module().replace("  name: nic\n", "  name: nic\n  labels: {team: lab}\n")
    (here / "lab.yaml").write_text(labelled)
    result = imported(here, "--cluster=paris=module.yaml", "--cluster=lab=lab.yaml", "--output=fleet", code=1)
    assert (
        "lab.yaml:5:18: warning[IMP003] Module kmm-tests/nic: metadata.labels.team: not carried over: a driver has the same labels"
        in result.stderr
    )
    assert (
        "# Not carried over from the Module:\n# - metadata.labels.team" in (here / "fleet/drivers/nic.yaml").read_text()
    )


def test_another_namespace_on_another_cluster_is_an_override(here: Path) -> None:
    (here / "lab.yaml").write_text(module().replace("namespace: kmm-tests", "namespace: lab"))
    imported(here, "--cluster=paris=module.yaml", "--cluster=lab=lab.yaml", "--output=fleet")
    found = spec(here / "fleet/drivers/nic.yaml")
    assert found["overrides"] == [{"clusters": {"names": ["lab"]}, "patch": {"namespace": {"name": "lab"}}}]


def test_of_two_modules_of_one_name_on_a_cluster_one_is_imported(here: Path) -> None:
    (here / "two.yaml").write_text(module() + "---\n" + module().replace("namespace: kmm-tests", "namespace: lab"))
    result = imported(here, "--cluster=paris=two.yaml", "--output=fleet", code=1)
    assert (
        "warning[IMP001] Module lab/nic: metadata.name: not imported: a driver is named after its Module, and Module kmm-tests/nic is"
        in result.stderr
    )


MAPPING_NAMES = {
    "^5\\.14\\.0-.+\\.el9_4\\.x86_64$": "el9_4",
    "^5\\.14\\.0-.+\\.el9_4\\.aarch64$": "el9_4-aarch64",
    "^6\\.8\\.0-\\d+-generic$": "6.8-generic",
    "^.+$": "any",
    "^6\\.17\\..+\\.fc42\\.x86_64$": "fc42",
    "(": "kernel",
    "[": "kernel-2",
}


def test_mappings_are_named_after_what_they_match() -> None:
    mappings: Any = [{"regexp": text} for text in MAPPING_NAMES]
    (found,) = name_mappings([{"kernelMappings": mappings}])
    assert [item["name"] for item in found["kernelMappings"]] == list(MAPPING_NAMES.values())


def test_a_mapping_with_another_text_is_changed_in_place() -> None:
    one, two = name_mappings([{"kernelMappings": [{"regexp": text}]} for text in ("^5.+el9$", "^6.+el10$")])
    assert one["kernelMappings"][0]["name"] == two["kernelMappings"][0]["name"] == "el9"


def test_files_of_clusters_that_are_only_named(here: Path) -> None:
    imported(here, "module.yaml", "--cluster", "paris", "--cluster", "lyon", "--output", "fleet")
    assert spec(here / "fleet/drivers/nic.yaml")["clusters"] == {"names": ["paris", "lyon"]}


def test_without_a_cluster_the_fleet_gets_one_and_renders_as_it_stands(here: Path) -> None:
    imported(here, "module.yaml", "--output", "fleet")
    assert "review" in (here / "fleet/clusters/imported.yaml").read_text()
    assert spec(here / "fleet/drivers/nic.yaml")["clusters"] == {"matchLabels": {}}
    result = run("render", "fleet", cwd=here)
    assert result.returncode == 0, result.stderr
    assert rendered(here / "fleet/rendered/imported") == ["module-nic.yaml"]


# -- what stands around a Module ------------------------------------------------------------------


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


def test_hashes_in_tags_become_content_tag_again(tmp_path: Path) -> None:
    imported(tmp_path, *tree_arguments("edge-fleet"), "--output", "fleet")
    found = spec(tmp_path / "fleet/drivers/ice.yaml")
    assert found["contentTag"] is True
    assert found["containerImage"] == "registry.example.com/network/ice:2.3.14-${KERNEL_FULL_VERSION}"


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


LOST = {
    "metadata.annotations[example.com/note]": ("  name: nic", "  name: nic\n  annotations: {example.com/note: x}"),
    "metadata.labels[app.kubernetes.io/managed-by]": ("  name: nic", "  name: nic\n  labels: {app.kubernetes.io/managed-by: Helm}"),
    "metadata.annotations[argocd.argoproj.io/sync-options]": ("  name: nic", "  name: nic\n  annotations: {argocd.argoproj.io/sync-options: Replace=true}"),
    "metadata.annotations[argocd.argoproj.io/compare-options]": ("  name: nic", "  name: nic\n  annotations: {argocd.argoproj.io/compare-options: x}"),
    "spec.nodeName": ("spec:\n", "spec:\n  nodeName: x\n"),
    "spec.moduleLoader.container.modprobe.rawArgs": ("moduleName: dummy", "moduleName: dummy, rawArgs: {}"),
}  # fmt: skip


@pytest.mark.parametrize("field", LOST)
def test_what_no_spec_can_say_is_listed_and_written_into_the_spec(field: str, here: Path) -> None:
    (here / "module.yaml").write_text(module().replace(*LOST[field], 1))
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet", code=1)
    assert re.search(
        rf"^module\.yaml:\d+:\d+: warning\[IMP00[23]\] Module kmm-tests/nic: {re.escape(field)}: not carried over",
        result.stderr,
        re.MULTILINE,
    )
    assert f"# - {field}: " in (here / "fleet/drivers/nic.yaml").read_text()


def test_a_module_that_no_spec_can_say_does_not_keep_the_others_back(here: Path) -> None:
    (here / "two.yaml").write_text(
        module("nic") + "---\n" + module("gpu").replace("modprobe: {moduleName: dummy}", "modprobe: {}")
    )
    result = imported(here, "--cluster=paris=two.yaml", "--output=fleet", code=1)
    assert re.search(
        r"two\.yaml:\d+:\d+: warning\[IMP001\] Module kmm-tests/gpu: spec\.moduleLoader\.container\.modprobe: not imported",
        result.stderr,
    )
    assert [path.name for path in (here / "fleet/drivers").iterdir()] == ["nic.yaml"]


def test_what_render_would_refuse_is_told_and_commented(here: Path) -> None:
    (here / "module.yaml").write_text(module(tag="1${KERNEL_XYZ"))
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet", code=1)
    assert "drivers/nic.yaml:" in result.stderr
    assert "render refuses" in result.stderr
    text = (here / "fleet/drivers/nic.yaml").read_text()
    assert "# review: render refuses this: " in text
    line = int(re.search(r"drivers/nic\.yaml:(\d+)", result.stderr)[1])  # type: ignore[index]
    assert "${KERNEL_XYZ" in text.splitlines()[line - 1]


# -- where it is written --------------------------------------------------------------------------


def test_nothing_is_overwritten(here: Path) -> None:
    fleet = FleetFolder(here / "fleet")
    fleet.cluster("paris")
    fleet.write("drivers/nic.yaml", "# mine\nkind: ConfigMap\n")
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet", code=2)
    assert "drivers/nic.yaml exists; nothing is overwritten" in result.stderr
    assert fleet.files(".") == {
        "kmodgate.yaml": b"", "drivers/nic.yaml": b"# mine\nkind: ConfigMap\n",
        "clusters/paris.yaml": (fleet.root / "clusters/paris.yaml").read_bytes(),
    }  # fmt: skip


def test_a_driver_that_the_fleet_has_is_not_imported_again(here: Path) -> None:
    fleet = FleetFolder(here / "fleet")
    fleet.cluster("paris")
    fleet.driver("nic").rename(fleet.root / "other.yaml")
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet", code=2)
    assert "the fleet has a driver nic already, in other.yaml" in result.stderr


def test_the_same_import_again_changes_nothing(here: Path) -> None:
    imported(here, "--cluster=paris=module.yaml", "--output=fleet")
    (here / "fleet/clusters/paris.yaml").rename(here / "paris.yaml")  # as if it had been stopped before
    (here / "paris.yaml").rename(here / "fleet/clusters/paris.yaml")
    (here / "fleet/kmodgate.yaml").unlink()
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet")
    assert "1 file written" in result.stderr


def test_a_fleet_is_found_from_below_and_its_clusters_are_kept(here: Path) -> None:
    fleet = FleetFolder(here)
    fleet.cluster("paris", platform="openshift")
    before = (here / "clusters/paris.yaml").read_bytes()
    imported(here / "clusters", "--cluster=paris=../module.yaml")
    assert (here / "clusters/paris.yaml").read_bytes() == before
    assert (here / "drivers/nic.yaml").is_file()


def test_dry_run_prints_specs_and_writes_nothing(here: Path) -> None:
    result = imported(here, "--cluster=paris=module.yaml", "--dry-run")
    documents = list(yaml.safe_load_all(result.stdout))
    assert [item["kind"] for item in documents if item] == ["Cluster", "KernelDriver"]
    assert os.listdir(here) == ["module.yaml"]


def test_stdin_as_yaml_and_as_a_json_list(here: Path) -> None:
    value = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(module())]}
    for text in (module(), json.dumps(value)):
        command = [sys.executable, "-m", "kmodgate.renderer.start", "import", "-", "--cluster=paris", "--dry-run"]
        result = subprocess.run(
            command,
            input=text,
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert "name: nic" in result.stdout


BAD = {
    "empty": ("", "no object in it"),
    "no Module": ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "no Module of kmm.sigs.x-k8s.io/v1beta1 in it"),
    "another API": (module().replace("kmm.sigs.x-k8s.io/v1beta1", "ooto.sigs.k8s.io/v1alpha1"), "only of ooto.sigs.k8s.io/v1alpha1"),
    "not YAML": ("a: [", "error[SCH002]"),
    "no object": ("- 1\n", "error[SCH102]"),
    "no name": (module().replace("  name: nic\n", ""), "error[SCH103] metadata.name"),
    "wrong type": (module().replace("selector: {node-role.kubernetes.io/worker: \"\"}", "selector: 7"), "IMP001"),
    "no spec": ("apiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: Module\nmetadata: {name: a, namespace: b}\n", "IMP001"),
    "no namespace": (module().replace("  namespace: kmm-tests\n", ""), "a Module without a namespace"),
    "two of one name": (module() + "---\n" + module(tag="2"), "error[REF004]"),
    "name of a path": (module("../nic"), "IMP001"),
    "name of the shared folder": (module("cluster"), "IMP001"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_place_and_fix(case: str, here: Path) -> None:
    text, words = BAD[case]
    (here / "bad.yaml").write_text(text)
    result = imported(here, "--cluster=paris=bad.yaml", "--output=fleet", code=2)
    assert words in result.stderr
    assert "bad.yaml" in result.stderr
    assert "fix: " in result.stderr
    assert "Traceback" not in result.stderr
    assert not (here / "fleet").exists()


ARGUMENTS = {
    "nothing": ([], "import needs Modules"),
    "a file of no cluster": (["module.yaml", "--cluster=paris=module.yaml"], "of which cluster is it?"),
    "a cluster of no file": (["--cluster=paris"], "import needs Modules"),
    "a cluster of an empty file": (["--cluster=paris="], "names no file"),
    "an illegal name": (["--cluster=Pa/ris=module.yaml"], "cannot be the name of a cluster"),
    "no such file": (["--cluster=paris=none.yaml"], "there is no such file"),
    "stdin twice": (["--cluster=paris=-", "--cluster=lyon=-"], "stdin can be read only once"),
    "a file as folder": (["module.yaml", "--output=module.yaml"], "is a file"),
    "an empty folder name": (["module.yaml", "--output="], "--output is empty"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_bad_arguments_are_explained(case: str, here: Path) -> None:
    arguments, words = ARGUMENTS[case]
    result = imported(
        here, *arguments, *([] if any("--output" in item for item in arguments) else ["--output=fleet"]), code=2
    )
    assert words in result.stderr
    assert "fix: " in result.stderr


def test_outside_of_a_fleet_a_place_is_needed(here: Path) -> None:
    assert "give --output DIR to start one there" in imported(here, "module.yaml", code=2).stderr


def test_a_place_that_cannot_be_written_is_a_failure_of_the_environment(here: Path) -> None:
    assert "module.yaml/fleet" in imported(here, "module.yaml", "--output=module.yaml/fleet", code=3).stderr


def test_a_file_that_is_too_large_is_refused(here: Path) -> None:
    with (here / "huge.yaml").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert "is larger than 64 MiB" in imported(here, "huge.yaml", "--output=fleet", code=2).stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_a_failure_of_the_environment(here: Path) -> None:
    (here / "fleet").mkdir(mode=0o500)
    assert "fleet" in imported(here, "module.yaml", "--output=fleet", code=3).stderr


def test_a_run_that_is_ended_leaves_nothing_half_written(here: Path) -> None:
    text = "---\n".join(module(f"nic-{index}") for index in range(60))
    (here / "many.yaml").write_text(text)
    command = [sys.executable, "-m", "kmodgate.renderer.start", "import", "many.yaml", "--output", "fleet"]
    for delay, number in ((0.15, signal.SIGINT), (0.25, signal.SIGTERM), (0.35, signal.SIGINT), (0.45, signal.SIGTERM)):
        shutil.rmtree(here / "fleet", ignore_errors=True)
        process = subprocess.Popen(
            command, cwd=here, env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}, stderr=subprocess.DEVNULL
        )
        time.sleep(delay)
        process.send_signal(number)
        process.wait()
        assert not list((here / "fleet").glob(".kmodgate-import-*"))
        for path in (here / "fleet").rglob("*.yaml"):
            assert path.name == "kmodgate.yaml" or path.read_text().endswith("\n")
        assert run("import", "many.yaml", "--output", "fleet", cwd=here).returncode == 0
        assert run("render", "fleet", "--dry-run", cwd=here).returncode == 0


# -- what a review found ----------------------------------------------------------------------------


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


def test_drivers_that_a_new_cluster_would_get_are_named(here: Path) -> None:
    (here / "old.yaml").write_text(module().replace("name: nic", "name: old"))
    (here / "new.yaml").write_text(module())
    imported(here, "old.yaml", "--output=fleet")
    result = imported(here, "--cluster=fresh=new.yaml", "--output=fleet")
    assert "note: drivers that the fleet had select the new cluster fresh, too: old" in result.stderr
    assert (
        "review: drivers that the fleet had select this cluster, too: old"
        in (here / "fleet/clusters/fresh.yaml").read_text()
    )


def test_a_build_argument_that_is_no_text_is_refused(here: Path) -> None:
    value = json.loads(building("aa"))
    value["spec"]["moduleLoader"]["container"]["build"]["buildArgs"] = [{"name": 1}]
    (here / "all.yaml").write_text(json.dumps(value))
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet", code=2)
    assert "build.buildArgs[0].name: not imported: a build argument is not a text" in result.stderr


@pytest.mark.parametrize("name", ["drivers", ".schemas"])
def test_nothing_is_written_through_a_link_out_of_the_fleet(name: str, here: Path) -> None:
    (here / "outside").mkdir()
    (here / "fleet").mkdir()
    (here / "fleet" / name).symlink_to("../outside")
    (here / "all.yaml").write_text(module())
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet", code=2)
    assert "leads out of the fleet" in result.stderr
    assert list((here / "outside").iterdir()) == []
    assert [path.name for path in (here / "fleet").iterdir()] == [name]


def test_a_file_in_the_place_of_a_folder_is_seen_before_anything_is_written(here: Path) -> None:
    (here / "fleet").mkdir()
    (here / "fleet/drivers").touch()
    (here / "all.yaml").write_text(module())
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet", code=2)
    assert "fleet/drivers exists; nothing is overwritten" in result.stderr
    assert [path.name for path in (here / "fleet").iterdir()] == ["drivers"]


def test_a_namespace_that_becomes_privileged_is_named(here: Path) -> None:
    space = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kmm-tests"}})
    (here / "all.yaml").write_text(f"{module()}\n---\n{space}")
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet")
    assert "note: render labels the namespace kmm-tests pod-security.kubernetes.io/enforce: privileged" in result.stderr
    assert (
        "review: render makes the namespace privileged for Pod Security"
        in (here / "fleet/drivers/nic.yaml").read_text()
    )
