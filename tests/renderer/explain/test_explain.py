"""`kmodgate explain`: every field of every object of the examples leads to a line or to a reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.conftest import EXAMPLES, ROOT

EDGE = ROOT / "examples/edge-fleet"
IMAGE = "spec.moduleLoader.container.containerImage"


def explain(*arguments: str, fleet: Path = EDGE) -> Any:
    result = run("explain", *arguments, "--format", "json", cwd=fleet)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_field_leads_to_the_line_of_the_driver_or_of_the_override() -> None:
    found = {tuple(item["clusters"]): item["fields"][0] for item in explain("acme-gpu", IMAGE)}
    own = found["marseille",]
    assert (own["source"], own["specField"]) == ("override", "spec.overrides[0].patch.containerImage")
    assert {item["source"] for clusters, item in found.items() if clusters != ("marseille",)} == {"driver"}
    text = (EDGE / own["file"]).read_text().splitlines()[own["line"] - 1]
    assert text.strip().startswith("containerImage: mirror.marseille")
    shown = run("explain", "acme-gpu", IMAGE, "--cluster", "marseille", cwd=EDGE).stdout
    assert "in place of drivers/acme-gpu.yaml:33 spec.containerImage" in shown


def test_what_no_line_says_has_a_reason() -> None:
    (item,) = explain("ice", "spec.moduleLoader.container.modprobe.dirName", "--cluster", "paris")
    assert item["fields"][0]["why"] == "the default of KMM, written out so that Argo CD sees no difference"
    (item,) = explain("ice", IMAGE, "--cluster", "arles")
    assert item["fields"][0]["why"].startswith("contentTag appends a hash")
    (item,) = explain("ServiceAccount/ice", "metadata.name", "--cluster", "arles")
    assert item["fields"][0]["why"] == "the pods of each driver get an account of their own"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_field_of_every_object_is_explained(name: str, tmp_path: Path) -> None:
    fleet = tmp_path / name
    shutil.copytree(ROOT / "examples" / name, fleet, ignore=shutil.ignore_patterns("rendered"))
    assert run("render", cwd=fleet).returncode == 0
    cluster = min(path for path in (fleet / "rendered").iterdir() if path.is_dir())
    for path in sorted(cluster.rglob("*.yaml")):
        (item,) = explain(str(path.relative_to(fleet)), fleet=fleet)
        unexplained = [field["field"] for field in item["fields"] if field["source"] == "default" and not field["why"]]
        assert unexplained == []
        for field in item["fields"]:
            lines = (fleet / field["file"]).read_text().splitlines()
            assert 1 <= field["line"] <= max(1, len(lines))  # an empty file has a first line, too


def test_a_node_says_what_it_loads_and_why_not_the_rest() -> None:
    text = run("explain", "node", "--cluster", "arles", cwd=EDGE).stdout
    assert text.startswith("node of arles: 1 node\n")
    assert (
        "  loads network-drivers/ice (5.14.0-427.72.1.el9_4.x86_64): registry.example.com/network/ice:2.3.14-" in text
    )
    assert "      by mapping el9, drivers/ice.yaml:33\n" in text
    assert "  no driver acme-gpu: its spec.clusters does not select this cluster\n" in text
    rows = explain("node/node", "--cluster", "arles")
    assert {row["module"] for row in rows if row["loads"]} == {"network-drivers/ice", "sync-drivers/timecard"}


def test_an_item_of_a_list_is_named_by_its_place_or_by_what_it_is() -> None:
    regexp = r"^5\.14\.0-\d+(\.\d+)+\.el9_\d+\.x86_64(\+rt)?$"
    by_place = explain("ice", "spec.moduleLoader.container.kernelMappings[0].regexp", "--cluster", "paris")
    assert (
        explain("ice", f"spec.moduleLoader.container.kernelMappings[{regexp}].regexp", "--cluster", "paris") == by_place
    )
    assert by_place[0]["fields"][0]["value"] == regexp


def test_mappings_that_come_before_the_winning_one_say_why_they_lose() -> None:
    text = run("explain", "acme-fpga", "--cluster", "nimes", cwd=EDGE)
    node = run("explain", "node", "--cluster", "nimes", cwd=EDGE).stdout
    assert text.returncode == 0
    assert "not by mapping 0: regexp " in node
    assert " does not match\n" in node


def test_a_node_group_that_a_module_does_not_select_says_which_label_is_missing() -> None:
    clusters = json.loads(run("plan", "--format", "json", cwd=EDGE).stdout)["cells"]
    cell = next(item for item in clusters if item["module"] == "accelerators/acme-npu")
    others = [item for item in clusters if item["cluster"] == cell["cluster"] and item["nodes"] != cell["nodes"]]
    text = run("explain", others[0]["nodes"][0], "--cluster", cell["cluster"], cwd=EDGE).stdout
    assert "the node has no such label" in text


@pytest.mark.parametrize(
    ("arguments", "complaint", "fix"),
    [
        (("icee",), "icee: no such object is rendered", "did you mean"),
        (("Modul/ice",), "Modul/ice: no such object", "Module/ice"),
        (("ice", "spec.moduleLoder"), "spec has no moduleLoder", "did you mean moduleLoader?"),
        (("ice", "spec.dra.container"), "spec has no dra", "there is"),
        (("ice", "spec..x["), "is not the path of a field", "spec.items[0].name"),
        (("a/b/c/d",), "names no object", "KIND/NAME"),
        (("rendered/no.yaml",), "there is no such file", "render first"),
        (("kmodgate.yaml",), "holds no rendered object", "KIND/NAME"),
        (("ice", "--cluster", "pariss"), "there is no such cluster", "did you mean paris?"),
    ],
)
def test_what_cannot_be_explained_says_what_is_there(arguments: tuple[str, ...], complaint: str, fix: str) -> None:
    result = run("explain", *arguments, cwd=EDGE)
    assert result.returncode == 2, result.stdout
    assert complaint in result.stderr
    assert fix in result.stderr
