"""Modules of several clusters become one spec with overrides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kmodgate import schemas
from kmodgate.renderer.fleet.fields.overrides import merge
from kmodgate.renderer.importer.merging import merge_specs, same
from kmodgate.renderer.importer.naming import name_mappings
from kmodgate.renderer.importer.planning import in_order
from tests.command import run
from tests.draws import drawn
from tests.renderer.importer.import_runs import imported, module, spec

small = st.dictionaries(
    st.sampled_from("abc"), st.integers(0, 1) | st.dictionaries(st.sampled_from("xy"), st.integers(0, 1)), max_size=3
)

mappings = st.lists(st.sampled_from(["^a", "^b", "^c"]).map(lambda text: {"regexp": text}), min_size=1, max_size=3)


@settings(max_examples=drawn(150))
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


def test_every_field_that_the_schema_of_a_driver_has_is_written_in_its_order() -> None:
    schema = json.loads(schemas.read(schemas.KINDS["KernelDriver"]))
    fields = list(schema["definitions"]["driverSpec"]["properties"])
    assert list(in_order(dict.fromkeys(reversed(fields), 1))) == fields
