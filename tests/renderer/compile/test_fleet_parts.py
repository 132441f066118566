"""A fleet that is compiled in parts is the fleet that is compiled at once, and its objects need not be held."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from kmodgate.policy.findings import Finding, sort_findings
from kmodgate.renderer.compile.cluster_policies import Choice, Policies
from kmodgate.renderer.compile.compiler import compile_fleet, compile_parts
from kmodgate.renderer.fleet.fleet import Fleet
from kmodgate.renderer.fleet.loading.load import load_fleet
from kmodgate.renderer.judge.fleet_judge import FleetJudge
from kmodgate.renderer.manifests.manifest import Manifest
from kmodgate.renderer.tree.file_names import Layout
from tests.fleets import REPOSITORY, FleetFolder

EXAMPLES = sorted(path.parent.name for path in (REPOSITORY / "examples").glob("*/kmodgate.yaml"))

Trees = dict[str, dict[str, bytes]]


def loaded(root: Path) -> Fleet:
    return load_fleet(root, root / "rendered", [])


def at_once(fleet: Fleet) -> tuple[Trees, list[Finding]]:
    findings: list[Finding] = []
    policies = Policies(fleet, Choice(), [])
    compiled = compile_fleet(fleet, findings, policies)
    findings += FleetJudge(policies, "render").judge(compiled)
    layout = Layout()
    trees = {name: texts(layout, placed) for name, placed in compiled.placed.items()}
    return trees, sort_findings(findings)


def in_parts(fleet: Fleet) -> tuple[Trees, list[Finding]]:
    findings: list[Finding] = []
    policies = Policies(fleet, Choice(), [])
    judgement = FleetJudge(policies, "render").in_parts()
    layout, trees = Layout(), Trees()
    for part in compile_parts(fleet, findings, policies):
        findings += judgement.part(part)
        trees |= {name: texts(layout, placed) for name, placed in part.placed.items()}
    findings += judgement.end(lambda: compile_parts(fleet, [], policies))
    return trees, sort_findings(findings)


def texts(layout: Layout, placed: list[tuple[str, Manifest]]) -> dict[str, bytes]:
    return {path: file.content for path, file in layout.files(placed).items()}


@pytest.mark.parametrize("example", EXAMPLES)
def test_parts_have_the_objects_and_findings_of_the_whole(example: str) -> None:
    fleet = loaded(REPOSITORY / "examples" / example)
    (trees, findings), (other_trees, other_findings) = at_once(fleet), in_parts(fleet)
    assert other_trees == trees
    assert [(item, item.clusters) for item in other_findings] == [(item, item.clusters) for item in findings]


def test_images_that_two_parts_make_differently_are_found(fleet: FleetFolder) -> None:
    build = "build: {dockerfile: ./nic.Dockerfile}\noverrides:\n- clusters: {names: [rome]}\n  patch: {build: {buildArgs: {A: b}}}\n"
    fleet.cluster("paris")
    fleet.cluster("rome")
    fleet.driver("nic", build)
    fleet.write("drivers/nic.Dockerfile", "FROM a:1\nARG A\nRUN make\n")
    findings = at_once(loaded(fleet.root))[1]
    assert "IMG401" in {item.rule for item in findings}
    assert in_parts(loaded(fleet.root))[1] == findings


def test_a_fault_of_a_shared_object_names_the_clusters_of_all_parts(fleet: FleetFolder) -> None:
    fleet.cluster("paris")
    fleet.cluster("rome")
    fleet.driver("nic", "build: {dockerfile: ./nic.Dockerfile}\n")
    fleet.write("drivers/nic.Dockerfile", "FROM a:1\nRUN make\n")
    assert {item.clusters for item in in_parts(loaded(fleet.root))[1]} >= {("paris", "rome")}


def test_objects_that_no_other_part_has_are_dropped(fleet: FleetFolder) -> None:
    for number in range(8):
        fleet.cluster(f"site-{number}")
        fleet.driver(f"nic-{number}", clusters=f"{{names: [site-{number}]}}")
    most = 0
    for part in compile_parts(loaded(fleet.root), []):
        held = {item.owner for item in gc.get_objects() if type(item) is Manifest and item.owner.startswith("nic-")}
        most = max(most, len(held))
        del part
    assert 1 <= most <= 2
