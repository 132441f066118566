"""Round trips: render turns imported specs back into the Modules that they were made of."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.object_files import Source
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import compile_fleet
from kmodgate.renderer.errors import Refused
from kmodgate.renderer.fleet.fields.conversion import compile_fields, decompile_fields
from kmodgate.renderer.fleet.fields.field_table import DRIVER_FIELDS
from kmodgate.renderer.fleet.loading.load import load_fleet
from kmodgate.renderer.importer.importing import Import, import_objects
from kmodgate.renderer.importer.objects.reading import Found, Objects
from kmodgate.renderer.importer.translations import Translated
from kmodgate.renderer.importer.writing import write_files
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.manifests.manifest import identity_of
from tests.command import run
from tests.conftest import CASES, ROOT, WITH_DRIVERS, golden_modules
from tests.draws import drawn
from tests.fleets import FleetFolder
from tests.objects.modules import changed, modules
from tests.oracle import lines
from tests.renderer.importer.import_runs import imported, module, spec


def objects(*values: dict[str, Any]) -> Objects:
    found = [Found(Source(value, "objects.json", None), identity_of(value)) for value in values]
    return {item.identity: item for item in found}


def round_trip(root: Path, clusters: dict[str, dict[str, Any]]) -> tuple[Import, dict[str, dict[str, Any]]]:
    """What import makes of one Module a cluster, and what render makes of that, from the disk."""
    shutil.rmtree(root, ignore_errors=True)
    given = {name: objects(value) for name, value in clusters.items()}
    result = import_objects(root, Translated(given), everywhere=False, all_dockerfiles=False)
    write_files(root, result.files)
    findings: list[Finding] = []
    fleet = load_fleet(root, root / "rendered", findings)
    policies = Policies(fleet, Choice(profile="parity"), findings)
    compiled = compile_fleet(fleet, findings, policies)
    findings += FleetJudge(policies, "check").judge(compiled)
    broken = [
        finding
        for finding in findings
        if finding.rule.startswith(("SCH1", "REF0")) and not finding.object.startswith("Module")
    ]
    assert not broken, (broken, result.files)
    rendered = {
        name: manifest.value for name, found in compiled.of_drivers.items() for manifest in found
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
        for block, key in (("build", "baseImageRegistryTLS"), ("sign", "unsignedImageRegistryTLS")):
            if key in level.get(block, {}) and _is_off(level[block][key]):
                del level[block][key]
        if _is_off(level.get("registryTLS")) and (level is container or "registryTLS" not in container):
            level.pop("registryTLS", None)
    return _without_empty_texts(value["spec"])


def _is_off(settings: dict[str, bool] | None) -> bool:
    return not any((settings or {}).values())


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


@pytest.mark.shared
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
        text = result.files["drivers/" + case["metadata"]["name"] + ".yaml"]
        assert not re.search(r"^\s*contentTag:", text, re.MULTILINE)  # a comment may propose it
    assert refused == 11


@settings(max_examples=drawn(50), suppress_health_check=list(HealthCheck))
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


@settings(max_examples=drawn(50), suppress_health_check=list(HealthCheck))
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


@settings(max_examples=drawn(50))
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
        import_objects(
            Path("/nonexistent"), Translated({"shift": objects(*values)}), everywhere=False, all_dockerfiles=True
        )
    except Refused as error:
        said = {finding.rule for finding in error.findings}
        assert said <= {"IMP001", "IMP002", "IMP003", "IMP004"}


@pytest.mark.parametrize("name", WITH_DRIVERS)
def test_decompiling_is_the_inverse_of_compiling(name: str) -> None:
    for path, value in golden_modules(name):
        spec = decompile_fields(DRIVER_FIELDS, value["spec"])
        assert compile_fields(DRIVER_FIELDS, spec) == value["spec"], path


def tree_arguments(name: str) -> list[str]:
    """The clusters of an example, without spokes: their drivers stand in the tree of their hub."""
    names = ["hub-1"] if name == "hub" else sorted(path.name for path in (CASES / name).iterdir())
    return [f"--cluster={cluster}={CASES / name / cluster}" for cluster in names]


@pytest.mark.parametrize("name", WITH_DRIVERS)
def test_a_rendered_tree_is_that_of_the_specs_imported_from_it(name: str, tmp_path: Path) -> None:
    """Byte for byte, beside the policies and what the Clusters say, which the objects do not tell.

    That the images of a driver were signed elsewhere stands in the policy of its cluster, and by whom in no object.
    """
    fleet = FleetFolder(tmp_path / "fleet")
    for folder in ("clusters", "policies"):
        if (ROOT / "examples" / name / folder).is_dir():
            shutil.copytree(ROOT / "examples" / name / folder, fleet.root / folder)
    result = imported(tmp_path, *tree_arguments(name), "--output", "fleet")
    assert "warning" not in result.stderr
    shutil.copytree(CASES / name, fleet.root / "rendered")
    result = fleet.run("render", "--check")
    differing = set(re.findall(r"^\w+: (rendered/\S+)$", result.stdout, re.MULTILINE))
    policies = (CASES / name).glob("*/cluster/configmap-kmodgate-policy.yaml")
    given = " ".join(tree_arguments(name))
    lost = (path for path in policies if names_lost(path, is_given=f"={path.parent.parent}" in given))
    assert differing == {f"rendered/{path.relative_to(CASES / name)}" for path in lost}, result.stderr


def names_lost(path: Path, *, is_given: bool) -> bool:
    """Whether a policy lists images that were signed before as no spec says it; what a hub signs is in the objects."""
    policy = yaml.safe_load(yaml.safe_load(path.read_text())["data"]["policy.yaml"])
    entries = policy["spec"].get("parameters", {}).get("signedElsewhere", [])
    return any("writer" not in entry and not (is_given and "fingerprint" not in entry) for entry in entries)


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


def test_hashes_in_tags_become_content_tag_again(tmp_path: Path) -> None:
    imported(tmp_path, *tree_arguments("edge-fleet"), "--output", "fleet")
    found = spec(tmp_path / "fleet/drivers/ice.yaml")
    assert found["contentTag"] is True
    assert found["containerImage"] == "registry.example.com/network/ice:2.3.14-${KERNEL_FULL_VERSION}"
