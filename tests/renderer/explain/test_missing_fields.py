"""`kmodgate explain`: fields that some clusters lack, and names that a node group and a driver share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.fleets import FleetFolder

LOADER = "spec.moduleLoader.container"
MORE = """\
devicePlugin:
  container: {image: "registry.example.com/p:1"}
imagePullPolicy: Always
sign: {keySecret: key, certSecret: cert, filesToSign: [/opt/a.ko]}
overrides:
- clusters: {names: [lab]}
  patch:
    PATCH
"""


def fleet(root: Path, patch: str) -> FleetFolder:
    """nic on the clusters lab and prod; lab has a patch of its own."""
    folder = FleetFolder(root)
    for name in ("lab", "prod"):
        folder.cluster(name)
    folder.driver("nic", MORE.replace("PATCH", patch))
    return folder


def explain(folder: FleetFolder, *arguments: str) -> dict[str, Any]:
    """Cluster → the answer for it."""
    result = run("explain", *arguments, "--format", "json", cwd=folder.root)
    assert result.returncode == 0, result.stderr
    return {name: item for item in json.loads(result.stdout) for name in item["clusters"]}


@pytest.mark.parametrize(
    ("patch", "field", "line"),
    [
        ("imagePullPolicy: null", f"{LOADER}.imagePullPolicy", "imagePullPolicy: null"),
        ("devicePlugin: null", "spec.devicePlugin.container.image", "devicePlugin: null"),
        ("devicePlugin: null", "spec.devicePlugin", "devicePlugin: null"),
        ("sign: null", f"{LOADER}.sign.keySecret.name", "sign: null"),
        ("sign: {keySecret: null, certSecret: null, filesToSign: null}", f"{LOADER}.sign", "sign: {keySecret: null"),
    ],
)
def test_a_field_that_an_override_takes_away_leads_to_its_line(
    tmp_path: Path, patch: str, field: str, line: str
) -> None:
    folder = fleet(tmp_path, patch)
    found = explain(folder, "nic", field)
    assert (found["lab"]["missing"], found["lab"]["fields"]) == (field, [])
    place = found["lab"]["takenAwayBy"]
    lines = (folder.root / place["file"]).read_text().splitlines()
    assert lines[place["line"] - 1].strip().startswith(line)
    assert "missing" not in found["prod"]
    assert found["prod"]["fields"][0]["source"] == "driver"
    text = run("explain", "nic", field, "--cluster", "lab", cwd=folder.root)
    assert (text.returncode, "takes it away" in text.stdout) == (0, True)


def test_a_field_that_only_another_cluster_has_is_taken_by_no_line(tmp_path: Path) -> None:
    folder = fleet(tmp_path, "inTreeModulesToRemove: [old]")
    found = explain(folder, "nic", f"{LOADER}.inTreeModulesToRemove")
    assert (found["prod"]["takenAwayBy"], found["lab"]["fields"][0]["value"]) == (None, ["old"])
    text = run("explain", "nic", f"{LOADER}.inTreeModulesToRemove", cwd=folder.root).stdout
    assert "no line of the spec sets it for these clusters" in text


def test_an_override_of_another_field_takes_nothing_away(tmp_path: Path) -> None:
    found = explain(fleet(tmp_path, "imagePullPolicy: IfNotPresent"), "nic", "spec.devicePlugin.container.image")
    assert all("missing" not in item for item in found.values())


@pytest.mark.parametrize(
    "field", [f"{LOADER}.imagePullPolicie", "spec.dra", f"{LOADER}.kernelMappings[7].literal", f"{LOADER}.sign.ky"]
)
def test_a_field_that_no_cluster_has_is_a_mistake(tmp_path: Path, field: str) -> None:
    result = run("explain", "nic", field, cwd=fleet(tmp_path, "{imagePullPolicy: null, sign: null}").root)
    assert (result.returncode, result.stdout) == (2, "")


# -- names ----------------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path: Path) -> FleetFolder:
    """A fleet whose driver `workers` has the name of the node group."""
    folder = FleetFolder(tmp_path)
    folder.cluster("lab")
    folder.driver("workers")
    folder.driver("other")
    return folder


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        (("workers", "--cluster", "lab"), "workers of lab: 3 nodes", "for the driver ask: Module/workers"),
        (("workers",), "Module kmm-tests/workers", "for the nodes ask: node/workers --cluster lab"),
        (
            ("workers", "spec.selector", "--cluster", "lab"),
            "Module kmm-tests/workers",
            "for the nodes ask: node/workers",
        ),
    ],
)
def test_a_name_of_a_group_and_a_driver_is_told_apart(
    shared: FleetFolder, question: tuple[str, ...], answer: str, other: str
) -> None:
    result = run("explain", *question, cwd=shared.root)
    assert (result.returncode, result.stdout.startswith(answer), other in result.stderr) == (0, True, True)


@pytest.mark.parametrize(
    "question", [("Module/workers",), ("node/workers", "--cluster", "lab"), ("other",), ("ServiceAccount/workers",)]
)
def test_a_question_that_says_which_gets_no_note(shared: FleetFolder, question: tuple[str, ...]) -> None:
    result = run("explain", *question, cwd=shared.root)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("question", [("node/workers",), ("node/workers", "spec.taints", "--cluster", "lab")])
def test_nodes_are_explained_as_a_whole_on_one_cluster(shared: FleetFolder, question: tuple[str, ...]) -> None:
    result = run("explain", *question, cwd=shared.root)
    assert (result.returncode, "nodes are explained as a whole, on one cluster" in result.stderr) == (2, True)


# -- absent drivers -------------------------------------------------------------------------------


@pytest.mark.parametrize("object", ["nic", "Module/nic", "Module/kmm-tests/nic", "ServiceAccount/nic"])
@pytest.mark.parametrize("field", [(), ("metadata.name",)])
def test_a_driver_that_an_override_makes_absent_leads_to_its_line(
    tmp_path: Path, object: str, field: tuple[str, ...]
) -> None:
    folder = fleet(tmp_path, "state: absent")
    found = explain(folder, object, *field)
    assert found["prod"]["fields"]
    place = found["lab"]["absentBy"]
    assert (found["lab"]["fields"], place["specField"]) == ([], "spec.overrides[0].patch.state")
    lines = (folder.root / place["file"]).read_text().splitlines()
    assert lines[place["line"] - 1].strip() == "state: absent"
    text = run("explain", object, *field, "--cluster", "lab", cwd=folder.root)
    assert (text.returncode, "its driver is absent" in text.stdout) == (0, True)
    assert f"{place['file']}:{place['line']}:" in text.stdout


def test_a_driver_that_is_absent_everywhere_leads_to_its_line(tmp_path: Path) -> None:
    folder = FleetFolder(tmp_path)
    folder.cluster("lab")
    folder.driver("nic", "state: absent")
    assert explain(folder, "nic")["lab"]["absentBy"]["specField"] == "spec.state"


@pytest.mark.parametrize("object", ["nick", "Secret/nic", "Module/elsewhere/nic"])
def test_an_object_that_no_driver_has_is_not_absent(tmp_path: Path, object: str) -> None:
    result = run("explain", object, "--cluster", "lab", cwd=fleet(tmp_path, "state: absent").root)
    assert (result.returncode, result.stdout, "no such object is rendered" in result.stderr) == (2, "", True)


def test_a_driver_that_does_not_go_to_a_cluster_leads_to_its_selector(tmp_path: Path) -> None:
    folder = fleet(tmp_path, "state: absent")
    folder.cluster("spare", labels={"tier": "core"})
    result = run("explain", "nic", "--cluster", "spare", cwd=folder.root)
    assert result.returncode == 2
    assert "spec.clusters of the driver does not select spare: drivers/nic.yaml:5" in result.stderr
